"""`loop fetch`: copies a loop of CI into the loop's folder and a branch."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting

if TYPE_CHECKING:
    from loop_kit.usecases.fetch import Fetched


def fetch(
    task_id: str | None = typer.Argument(None, help="Which task."),
    remote: str = typer.Option("origin", help="The git remote that the loop is on."),
    branch_prefix: str = typer.Option("", help="The prefix of the loop's branches.  [loop]"),
    switch: bool = typer.Option(False, "--switch", help="Switch to the work branch."),
    force: bool = typer.Option(
        False, "--force", help="Replace the local loop; it is moved to .loop/runtime."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Fetch a loop of CI, to continue it here."""
    if not task_id:
        raise BadSetting(
            "Which loop is not said.",
            "See `loop status --remote`, and add its id.",
            anchor="flags-contradict",
        )
    from loop_kit.usecases.fetch import FetchRequest, fetch_loop

    request = FetchRequest(
        cwd=Path.cwd(),
        environ=dict(os.environ),
        task_id=task_id,
        remote=remote,
        branch_prefix=branch_prefix,
        loop_dir=loop_dir,
        switch=switch,
        force=force,
    )
    fetched = fetch_loop(request)
    typer.echo(json.dumps(_document(fetched), indent=2) if as_json else _summary(fetched))


def _document(fetched: "Fetched") -> dict[str, object]:
    state = fetched.state
    return {
        "task_id": state.task_id,
        "round": state.round,
        "state": state.state.value,
        "outcome": state.outcome.value if state.outcome else "",
        "work_branch": fetched.branch,
        "head_sha": fetched.work_sha,
        "busy": fetched.lease is not None,
        "aside": str(fetched.aside or ""),
        "next_command": fetched.next_command or "",
    }


def _summary(fetched: "Fetched") -> str:
    from loop_kit.core.forge.render import headline
    from loop_kit.core.text.sanitize import one_line

    state, lease = fetched.state, fetched.lease
    lines = [f"Fetched {state.task_id}: {one_line(headline(state), 400)}"]
    if fetched.aside is not None:
        lines.append(f"The loop that was here is now in {fetched.aside}.")
    lines.append(f"Its work is on the branch {fetched.branch}, at {fetched.work_sha[:10]}.")
    if lease is not None:
        run = f"run {one_line(lease.run_id, 40)}" if lease.run_id else "another machine"
        lines.append(
            f"Warning: {run} is running this loop. What is done here meanwhile cannot be published."
        )
    if fetched.next_command:
        lines += ["Continue with:", f"  {fetched.next_command}"]
        lines += ["Then publish it with:", f"  loop publish {state.task_id}"]
    return "\n".join(lines)
