"""What becomes of a loop whose push was refused: recorded, and handed to whoever can fix it.

What the server refuses about the content (a path, a size, a message, a secret) goes back to the
worker once, quoted. Everything else, and the second refusal of a round, is a person's. The commits
that are paid for are kept then, so that the same push can be tried again when its reason is gone;
those with a secret in them are not, and their round is done again.
"""

from typing import Any

from loop_kit.core.loop import approving, outbox
from loop_kit.core.loop.base_moves import is_unreviewed_merge
from loop_kit.core.loop.messages import (
    MergeLeftOut,
    PushWasRefused,
)
from loop_kit.core.loop.push_refusal import HeldWork, PushRefusal, RefusalKind
from loop_kit.core.loop.resuming import end_loop, update
from loop_kit.core.loop.state import Attempt, LoopState, Outcome, Phase, Role, Usage

BUNDLE = "loop-kit-work.bundle"
"""The file in the job's artifact that what could not be pushed is kept in."""

TAKE_UP = (
    f"git fetch origin && git fetch --prune {BUNDLE} '+refs/unpushed/*:refs/unpushed/*'"
    " && git push origin 'refs/unpushed/*:refs/heads/*'"
)
"""The one command that pushes what a bundle holds, in a clone that the file was saved to."""


def unpushed_work(state: LoopState, onto: str) -> str | None:
    """The newest commit that the work branch, which is at `onto`, does not have."""
    tip = state.branch_tip
    return tip if state.held is None and tip not in {"", onto, state.start_sha} else None


def is_returned(before: LoopState, state: LoopState) -> bool:
    """Whether the work went back to the worker since the state was `before`."""
    return state.refusal is not None and state.refusal.returned and state.refusal != before.refusal


def refuse_push(state: LoopState, event: PushWasRefused) -> LoopState:
    """Send the work back to the worker once, or end the loop and keep the work."""
    refused = event.refusal.model_copy(update={"round": state.round})
    phase = state.resume_phase or state.state
    sha = unpushed_work(state, event.onto)
    is_begun = phase in {Phase.AWAITING_WORK, Phase.AWAITING_REVIEW}
    if not is_begun or approving.is_approved_by_merge(state):
        without = approving.leave_out_merge(state, MergeLeftOut(refused.sentence))
        return update(without, refusal=refused)
    if is_unreviewed_merge(state) and sha == state.head_sha:
        without = update(state, attempt=_unstarted(state.attempt))
        return update(approving.leave_out_unreviewed_merge(without), refusal=refused)
    may_return = refused.kind.is_about_content and not refused.of_state
    if sha and may_return and state.is_running and not _was_returned(state):
        refused = refused.model_copy(update={"returned": True})
        return _return_work(state, refused, sha)
    return _end(update(state, state=phase, resume_phase=None), refused, sha, event)


def _was_returned(state: LoopState) -> bool:
    last = state.refusal
    return last is not None and last.round == state.round and last.returned


def _return_work(state: LoopState, refused: PushRefusal, sha: str) -> LoopState:
    """`state` without the refused work, which the worker is to do again."""
    last = state.attempt
    number = 1
    if last is not None and last.role is Role.WORKER:
        number = last.number - last.claimed
    attempt = Attempt(
        role=Role.WORKER, number=number, repairs=1, feedback=_feedback(refused), work_sha=sha
    )
    changes: dict[str, Any] = {}
    if state.state is Phase.AWAITING_REVIEW:
        before = state.history[-1].parent_sha
        changes = {
            "state": Phase.AWAITING_WORK,
            "head_sha": before if before != state.start_sha else "",
            "verification": None,
            "history": state.history[:-1],
            "attempts": state.history[-1].attempts,
            "round_details": state.round_details[:-1],
        }
    return update(state, refusal=refused, attempt=attempt, wip=None, **changes)


def _end(
    state: LoopState, refused: PushRefusal, sha: str | None, event: PushWasRefused
) -> LoopState:
    held = None
    if sha and refused.kind is RefusalKind.SECRET:
        state = _return_work(state, refused, "")
    elif sha:
        held = HeldWork(sha=sha, onto=event.onto, kept=event.kept)
    state = update(state, attempt=_unstarted(state.attempt))
    return end_loop(
        state,
        Outcome.NEEDS_HUMAN,
        f"{refused.sentence} {refused.remedy}{_advice(state, refused, held)}",
        event.at,
        reasons=("push_refused",),
        refusal=refused,
        held=held,
        continue_to=None,
        interrupted_run=None,
    )


def _unstarted(attempt: Attempt | None) -> Attempt | None:
    """The attempt, not counted if its agent was not started."""
    if attempt is None or not attempt.claimed:
        return attempt
    return attempt.model_copy(update={"claimed": False, "number": attempt.number - 1})


def _feedback(refused: PushRefusal) -> str:
    places = "".join(f"\n{place}" for place in refused.places)
    return (
        "The git server refused your commits. Make them again without what it refuses; a later"
        f" commit that removes it is not enough.\n\n{refused.words}{places}"
    )


def _advice(state: LoopState, refused: PushRefusal, held: HeldWork | None) -> str:
    if refused.of_state or not refused.kind.is_final:
        is_unsaved = state.usage != Usage()
        return f" What this run did is saved: when that is done, {take_up(state)}" * is_unsaved
    if held is None:
        return ""
    if not held.kept:
        return f" The commits are saved: when that is done, {take_up(state)}"
    return " The commits are saved: when that is done, /loop retry pushes them, and no agent runs."


def artifact(task_id: str) -> str:
    """The name of the artifact that holds the bundle."""
    return f"loop-kit-work-{task_id}"


def take_up(state: LoopState) -> str:
    """How a person pushes what only the artifact of a run has."""
    return (
        f"download the artifact {artifact(state.task_id)} of the run, push what it holds from a"
        f" clone with `{TAKE_UP}`, then comment /loop retry: no agent runs for it again."
    )


def left_behind(state: LoopState) -> tuple[str, str]:
    """That the run with the lease could not save its work, and what a person does about it."""
    run = state.lease.run_id if state.lease else ""
    instead = "delete the artifact"
    if outbox.issue_or_pull(state):
        instead = "comment /loop stop and then /loop retry"
    how = take_up(state)
    return (
        f"Run {run} could not push what it did.",
        f"{how[0].upper()}{how[1:]} To have the work done again instead, {instead}.",
    )
