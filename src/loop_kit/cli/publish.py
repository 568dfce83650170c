"""`loop publish`: pushes a fetched loop back to CI."""

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting, ExitCode

if TYPE_CHECKING:
    from loop_kit.usecases.publish import Published

_MAX_VIOLATIONS = 20


def publish(
    task_id: str = typer.Argument("", help="Which task.  [the one in the loop's folder]"),
    continue_: bool = typer.Option(
        False, "--continue", help="Start the next round in CI; needs a token."
    ),
    workflow: str = typer.Option("loop.yml", help="The workflow that runs the next round."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Push a fetched loop back to CI: its state and its work."""
    from loop_kit.usecases.publish import PublishRequest, publish_loop

    if not workflow:
        raise BadSetting(
            "--workflow is empty.", "Name the file of the workflow.", anchor="flags-contradict"
        )
    request = PublishRequest(
        cwd=Path.cwd(),
        environ=dict(os.environ),
        task_id=task_id,
        loop_dir=loop_dir,
        workflow=workflow,
        continues=continue_,
    )
    published = publish_loop(request)
    if as_json:
        typer.echo(json.dumps(_document(published), indent=2))
    elif published.refused:
        typer.echo(_refusal(published), err=True)
    else:
        typer.echo("\n".join(_summary(published, workflow)))
    if published.refused:
        raise typer.Exit(int(ExitCode.NEEDS_PERSON))


def _document(published: "Published") -> dict[str, object]:
    state = published.state
    return {
        "task_id": state.task_id,
        "round": state.round,
        "state": state.state.value,
        "outcome": state.outcome.value if state.outcome else "",
        "pushed": published.pushed,
        "outstanding": list(published.outstanding),
        "dispatched": published.dispatched,
        "pull_request": state.pull_request_url,
        "refused": [{"path": v.path, "why": v.why, "kind": v.kind} for v in published.refused],
    }


def _refusal(published: "Published") -> str:
    from loop_kit.core.text.sanitize import one_line

    violations = published.refused[:_MAX_VIOLATIONS]
    lines = "".join(f"\n  {one_line(f'{v.path} {v.why}', 300)}" for v in violations)
    return (
        f"Error: The work may not be pushed, and nothing was:{lines}\n"
        "  Take that out of the commits, or change the card in CI (/loop refresh)."
    )


def _summary(published: "Published", workflow: str) -> list[str]:
    from loop_kit.core.forge.render import headline
    from loop_kit.core.text.numbers import counted
    from loop_kit.core.text.sanitize import one_line

    state = published.state
    lines = [f"{state.task_id} is the same here and in CI: nothing to publish."]
    if published.pushed:
        lines = [f"Published {state.task_id}: {one_line(headline(state), 400)}"]
    if state.pull_request_url and published.pushed:
        lines.append(f"Pull request: {one_line(state.pull_request_url, 300)}")
    if published.ahead:
        lines.append(
            f"Warning: {counted(published.ahead, 'commit')} on the local branch that the loop did"
            " not make: not pushed."
        )
    return [*lines, *_next_steps(published, workflow)]


def _next_steps(published: "Published", workflow: str) -> list[str]:
    """What follows in CI, and how to start it now."""
    from loop_kit.core.loop.state import Phase
    from loop_kit.core.text.numbers import counted_with_verb

    state, count = published.state, len(published.outstanding)
    waiting = f"{counted_with_verb(count, 'post')} outstanding"
    next_job = shlex.join(("gh", "workflow", "run", workflow, "-f", f"task-id={state.task_id}"))
    lines: list[str] = []
    if count and state.state is Phase.PAUSED:
        return [f"{waiting}, until the comment /loop resume."]
    if count:
        lines.append(f"{waiting}, for the next job or the sweep.")
    if published.dispatched:
        return [*lines, f"Round {state.round} is started in CI."]
    if state.is_running and published.hint:
        lines.append(f"Round {state.round} was not started: {published.hint}")
    if state.is_running:
        lines.append(f"Start the next round with: {next_job}")
    elif count:
        what = "Post them now" if state.resume_phase is None else "Retry the loop"
        lines.append(f"{what} with: {next_job}")
    return lines
