"""What `loop publish` did, for people and as JSON."""

import json
from dataclasses import dataclass

from loop_kit.core.card.scope import Violation
from loop_kit.core.forge.render import headline
from loop_kit.core.loop.state import LoopState, Phase
from loop_kit.core.sanitize import one_line


@dataclass(frozen=True, slots=True)
class Published:
    """What was brought back.

    Attributes:
        state: The loop as CI has it now.
        pushed: Whether anything was pushed.
        outstanding: The keys of what the next job or the sweep has to post.
        dispatched: Whether the next round was started.
        refused: Why the work may not be pushed; then nothing was.
        ahead: How many commits of the work branch here are not the loop's.
        next_job: The command that starts the next job.
        hint: What to do so that the next round can be started from here.
    """

    state: LoopState
    pushed: bool = False
    outstanding: tuple[str, ...] = ()
    dispatched: bool = False
    refused: tuple[Violation, ...] = ()
    ahead: int = 0
    next_job: str = ""
    hint: str = ""


def shown(published: Published, *, as_json: bool) -> str:
    """What `loop publish` prints."""
    state = published.state
    if as_json:
        return json.dumps(_document(published), indent=2)
    if published.refused:
        listed = "".join(
            f"\n  {one_line(f'{v.path} {v.why}', 300)}" for v in published.refused[:20]
        )
        return (
            f"Error: The work may not be pushed, and nothing was:{listed}\n"
            "  Take that out of the commits, or change the card in CI (/loop refresh)."
        )
    lines = [f"{state.task_id} is as CI has it: nothing was to be published."]
    if published.pushed:
        lines = [f"Published {state.task_id}: {one_line(headline(state), 400)}"]
    if state.pull_request_url and published.pushed:
        lines.append(f"Pull request: {one_line(state.pull_request_url, 300)}")
    if published.ahead:
        lines.append(
            f"Warning: {published.ahead} commit(s) on the branch here are not the loop's and were"
            " not pushed."
        )
    return "\n".join([*lines, *_next(published)])


def _next(published: Published) -> list[str]:
    """What follows in CI, and how to start it now."""
    state, count, lines = published.state, len(published.outstanding), []
    if count and state.state is Phase.PAUSED:
        return [f"{count} post(s) are outstanding: they are made after the comment /loop resume."]
    if count:
        lines.append(f"{count} post(s) are outstanding: the next job makes them, or the sweep.")
    if published.dispatched:
        return [*lines, f"Round {state.round} is started in CI."]
    if state.is_running and published.hint:
        lines.append(f"Round {state.round} was not started: {published.hint}")
    if state.is_running:
        lines.append(f"Start the next round with: {published.next_job}")
    elif count:
        what = "Post them now" if state.resume_phase is None else "Retry the loop"
        lines.append(f"{what} with: {published.next_job}")
    return lines


def _document(published: Published) -> dict[str, object]:
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
