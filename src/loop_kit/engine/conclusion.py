"""What a round that is decided leaves on the bus: the handover, and the fix list or the summary."""

from loop_kit.core.agent.reports import ReviewReport
from loop_kit.core.briefing import handoff
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import LoopState, Outcome, Role
from loop_kit.engine.reviewer import ReviewerPass


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
