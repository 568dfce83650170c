"""How a run enters a loop: it begins one, or takes one up. Nothing is spent yet."""

from loop_kit.core import bus
from loop_kit.core.messages import LeaseTaken, LoopResumed, Stop, TaskStarted
from loop_kit.core.state import LoopState, Outcome, Phase
from loop_kit.engine.journal import Journal
from loop_kit.engine.options import Start
from loop_kit.errors import StateRefused


def begin_fresh(journal: Journal, start: Start, recorded: LoopState | None, at: str) -> None:
    """Begin a loop with the card of `start`; `recorded` is what was there before, if anything."""
    journal.state = LoopState(seq=recorded.seq if recorded else 0)
    card = start.card
    if start.lease:
        journal.apply(LeaseTaken(start.lease))
    journal.apply(
        TaskStarted(
            task_id=card.task_id,
            card_sha256=card.sha256,
            base_sha=start.base_sha,
            start_sha=start.start_sha,
            limits=start.limits,
            at=at,
            verify=start.verify,
            source=start.source,
            starter=start.starter,
            publishes=start.publishes,
            base_branch=start.base_branch,
            work_branch=start.work_branch,
            state_branch=start.state_branch,
            pull_request_url=start.pull_request_url,
        ),
        {bus.TASK_CARD: card.to_json("in_progress")},
    )


def is_gone(recorded: LoopState, start: Start, work_tip: str) -> bool:
    """Whether somebody deleted the work branch, with commits on it."""
    return start.lease is not None and not work_tip and recorded.branch_tip != recorded.start_sha


def take_up(
    journal: Journal,
    start: Start,
    recorded: LoopState,
    work_tip: str,
    at: str,
    cancelled: Stop | None = None,
) -> None:
    """Continue the loop `recorded`; `work_tip` is where the work branch is now.

    Where that is gone, `cancelled` says why nothing more is wanted, if so.

    Raises:
        StateRefused: it cannot be continued, or is not the loop of this card.
    """
    _check(recorded, start)
    journal.state = recorded
    if recorded.finished and start.command is None:
        return
    if start.lease:
        journal.apply(LeaseTaken(start.lease))
    journal.heed(limits=start.limits)
    if start.command is not None:
        journal.carry_out(start.command, start.limits)
    moved = bool(work_tip) and work_tip != recorded.branch_tip
    if not _goes_on(journal.state, start):
        journal.leaves_work = moved or is_gone(recorded, start, work_tip)
        return
    accepted = moved and "human_push" in recorded.reasons
    if not (moved and not accepted and journal.state.is_running):
        accepted_tip = work_tip if accepted else ""
        by_person = start.command is None and start.retries
        starter = start.starter if by_person else ""
        journal.apply(LoopResumed(start.limits, at, head_sha=accepted_tip, starter=starter))
    if moved and not accepted and journal.state.is_running:
        error = (
            f"The work branch is at {work_tip[:10]}, the loop left it at"
            f" {recorded.branch_tip[:10]}."
            " Start the loop again to accept the commits that were pushed to it."
        )
        journal.halt(Outcome.NEEDS_HUMAN, error, ("human_push",))
    if is_gone(recorded, start, work_tip) and journal.state.is_running:
        journal.leaves_work = True
        if cancelled is not None:
            journal.halt(cancelled.outcome, cancelled.error, cancelled.reasons)
        else:
            journal.halt(Outcome.NEEDS_HUMAN, _restore(recorded), ("human_push",))


def _restore(recorded: LoopState) -> str:
    tip, branch = recorded.branch_tip, recorded.work_branch
    return (
        f"The work branch {branch} is gone. To go on, restore it from a clone that has the commit:"
        f" git push origin {tip}:refs/heads/{branch}, and start the loop again."
    )


def _goes_on(state: LoopState, start: Start) -> bool:
    """Whether this run is to continue; what is paused goes on by command, or on a laptop."""
    if state.is_running:
        return True
    if start.command is not None or not start.retries or state.resume_phase is None:
        return False
    return state.state is Phase.DONE or start.lease is None


def _check(recorded: LoopState, start: Start) -> None:
    if recorded.contradiction:
        raise StateRefused(
            f"The recorded loop cannot be continued: {recorded.contradiction}.",
            "Restore state.json from archive/, or start anew without --resume.",
        )
    if recorded.task_id != start.card.task_id:
        raise StateRefused(
            f"The recorded loop is {recorded.task_id}, the card is {start.card.task_id}.",
            "Give the card of the recorded loop with --task, or start anew without --resume.",
        )
    if recorded.card_sha256 not in {"", start.card.sha256}:
        raise StateRefused(
            f"The card of {recorded.task_id} is not the one that the loop was started with.",
            "Restore it, or start anew without --resume.",
        )
