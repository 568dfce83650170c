"""Reads the reviews of a round from where they were saved."""

from loop_kit.core.agent.reports import (
    ReportInvalid,
    ReviewReport,
    parse_review_report,
    report_document,
)
from loop_kit.core.loop import bus, passes
from loop_kit.core.loop.second_review import joint_review
from loop_kit.core.loop.state import LoopState, Role, RoundRecord
from loop_kit.ports import Store


def read_reviews(store: Store, state: LoopState, record: RoundRecord) -> ReviewReport:
    """The review of a round; of two reviewers both."""
    first = _read_review(store, state, record, Role.REVIEWER)
    if len(record.reviews) < 2 or record.reviews[1].decision is None:
        return first
    second = _read_review(store, state, record, Role.SECOND_REVIEWER)
    return joint_review(first, second, record)


def _read_review(store: Store, state: LoopState, record: RoundRecord, role: Role) -> ReviewReport:
    """All passes of one reviewer as one review."""
    review = _read_report(
        store, state, record, bus.archive_path(state.task_id, record.round, bus.REPORTS[role])
    )
    at = 1 if role is Role.SECOND_REVIEWER else 0
    verdict = record.reviews[at] if len(record.reviews) > at else None
    for further in range(1, (verdict.further if verdict else 0) + 1):
        name = bus.pass_path(state.task_id, record.round, role, further)
        again = _read_report(store, state, record, name)
        review = passes.add_pass(review, again, state.limits.rules.join)
    decided = verdict.decision if verdict and verdict.further else None
    return review.model_copy(update={"decision": decided or review.decision})


def _read_report(store: Store, state: LoopState, record: RoundRecord, name: str) -> ReviewReport:
    try:
        return parse_review_report(report_document(store.read(name)), state.task_id, record.round)
    except ReportInvalid:
        return ReviewReport(
            task_id=state.task_id,
            round=record.round,
            decision=record.decision or "changes_required",
        )
