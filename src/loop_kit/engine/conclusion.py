"""What a round that is decided leaves on the bus: the handover, and the fix list or the summary."""

from loop_kit.core.agent.reports import ReviewReport
from loop_kit.core.briefing import handoff
from loop_kit.core.loop import bus
from loop_kit.core.loop.messages import (
    Event,
    WorkReported,
)
from loop_kit.core.loop.state import LoopState, Outcome, Phase, Role
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.ports import Store


def handed_over_work(after: LoopState, event: Event) -> dict[str, bytes | None]:
    """What the work of a round hands over to the reviewer."""
    if not isinstance(event, WorkReported):
        return {}
    handed = handoff.worker_handoff(after, event.report, event.at)
    return {handoff.path(after.task_id, Role.WORKER, after.round): bus.encode(handed)}


def conclude_round(
    reviewer: ReviewerPass, before: LoopState, after: LoopState, review: ReviewReport, at: str
) -> dict[str, bytes]:
    """The files that follow from `review`, which decided the round."""
    handed = handoff.reviewer_handoff(after, review, at)
    files = {handoff.path(after.task_id, Role.REVIEWER, before.round): bus.encode(handed)}
    if after.outcome is Outcome.APPROVED:
        summary = bus.summary(after, reviewer.changed_files(before), review)
        return files | bus.saved(after, bus.SUMMARY, summary)
    fixes = bus.fix_list(after, reviewer.work_report(before), review)
    return files | bus.saved(after, bus.FIX_LIST, fixes)


def conclude_checks(
    reviewer: ReviewerPass, store: Store, before: LoopState, after: LoopState, at: str
) -> dict[str, bytes | None]:
    """The files that follow from checks; only those that end the wait of an approval have some."""
    ended = before.state is Phase.AWAITING_REVIEW and after.state is not Phase.AWAITING_REVIEW
    if not ended or after.resume_phase is Phase.AWAITING_REVIEW:
        return {}
    from loop_kit.engine.saved_reviews import read_reviews

    review = read_reviews(store, before, before.history[-1])
    return {**conclude_round(reviewer, before, after, review, at)}
