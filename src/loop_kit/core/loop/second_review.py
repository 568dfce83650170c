"""The second reviewer: asked only about what the first one approves, and without knowing that.

The approval of the first is recorded and changes nothing else: its findings are closed when the
second review is there, so that both reviewers are asked the same. Either of them can keep a finding
open. Where the second review cannot be had, an optional one is done without, which the approval
says; a required one ends the loop, and whoever continues it asks the second reviewer alone.
"""

from loop_kit.core.agent.reports import Disposition, ReviewReport
from loop_kit.core.loop import passes
from loop_kit.core.loop.approval_text import approval_text
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.messages import (
    Event,
    PassSkipped,
    ReviewReported,
    SecondReviewSkipped,
)
from loop_kit.core.loop.reviewers import ReviewerVerdict, SecondReview
from loop_kit.core.loop.state import Limits, LoopState, Phase, Role, RoundRecord

_MAX_WHY = 300
_MISSING = "The reviewer approved, but the required second review could not be had:"


def is_second_review_due(state: LoopState, event: ReviewReported) -> bool:
    """Whether the approval `event` waits for the second reviewer."""
    wanted = bool(state.limits.second_reviewer)
    return wanted and event.role is Role.REVIEWER and state.second is None


def await_second_review(state: LoopState, event: ReviewReported) -> LoopState:
    """Record the first approval, which is never paid for again, and wait for the second review."""
    first = SecondReview(report=event.report, reviewer=event.reviewer, further=event.further)
    return state.model_copy(update={"second": first, "attempt": None})


def is_second_review_awaited(state: LoopState) -> bool:
    """Whether it is the second reviewer that is awaited."""
    return state.state is Phase.AWAITING_REVIEW and state.second is not None


def record_missed(state: LoopState, why: str) -> LoopState | None:
    """The state that does without what is awaited; None where that is required.

    It is a further pass, or else the second review.
    """
    if state.further is not None:
        return passes.record_missed(state, why)
    if state.second is None or not is_dispensable(state.limits, Role.SECOND_REVIEWER):
        return None
    missed = state.second.model_copy(update={"missed": why[:_MAX_WHY]})
    return state.model_copy(update={"second": missed})


def explain_missing(state: LoopState, why: str) -> str:
    """Why the loop ends, where that is for want of the second review; never said twice."""
    if not is_second_review_awaited(state) or why.startswith(_MISSING):
        return why
    return f"{_MISSING} {why}"


def reason_to_skip(state: LoopState, exceeded: str | None) -> str | None:
    """Why the awaited second review is done without; `exceeded` is the budget that is used up."""
    if not is_second_review_awaited(state) or state.second is None:
        return None
    if not state.limits.second_reviewer:
        return "None is set any more."
    optional = is_dispensable(state.limits, Role.SECOND_REVIEWER)
    return state.second.missed or exceeded if optional else None


def skipped(state: LoopState, why: str, at: str) -> PassSkipped | SecondReviewSkipped:
    """That the loop does without what is awaited: a further pass, or else the second review."""
    if state.further is not None:
        return PassSkipped(state.further.role, why, at)
    return SecondReviewSkipped(why, at)


def is_dispensable(limits: Limits, role: Role) -> bool:
    """Whether a loop can do without this role."""
    optional = limits.second_reviewer_mode == "optional" or not limits.second_reviewer
    return role is Role.SECOND_REVIEWER and optional


def deciding_report(state: LoopState, event: Event) -> ReviewReport | None:
    """The report that decides the round, where `event` brings it; `state` is the one before.

    Of two reviews it is the second, with what the first said about findings that it leaves out; of
    several passes it is what they say as one.
    """
    event = passes.whole_review(state, event)
    if isinstance(event, SecondReviewSkipped):
        return state.second.report if state.second else None
    if not isinstance(event, ReviewReported):
        return None
    if event.role is not Role.SECOND_REVIEWER or state.second is None:
        return event.report
    first, second = state.second.report, event.report
    mentioned = {issue.id for issue in second.blocking_issues}
    mentioned |= {disposition.id for disposition in second.dispositions}
    known = {disposition.id: disposition for disposition in first.dispositions}
    added = tuple(
        known.get(finding.id, Disposition(id=finding.id, status="fixed"))
        for finding in open_findings(state.findings)
        if finding.id not in mentioned
    )
    remarks = dict.fromkeys((*first.non_blocking, *second.non_blocking))
    return second.model_copy(
        update={"dispositions": (*second.dispositions, *added), "non_blocking": tuple(remarks)}
    )


def verdicts(state: LoopState, event: ReviewReported) -> tuple[ReviewerVerdict, ...]:
    """What each reviewer of this round decided; `event` is the last of them."""
    last = ReviewerVerdict(
        reviewer=event.reviewer, decision=event.report.decision, further=event.further
    )
    if state.second is None:
        return (last,)
    held = state.second
    first = ReviewerVerdict(
        reviewer=held.reviewer, decision=held.report.decision, further=held.further
    )
    if event.role is Role.SECOND_REVIEWER:
        return first, last
    missed = ReviewerVerdict(reviewer=state.limits.second_reviewer, why=state.second.missed)
    return first, missed


def joint_review(first: ReviewReport, second: ReviewReport, record: RoundRecord) -> ReviewReport:
    """Both reviews of a round as one, for its post."""
    name = record.reviews[1].reviewer
    heading = f"**Second review{f' ({name})' if name else ''}:** "
    summaries = (first.summary, f"{heading}{second.summary}" if second.summary else "")
    remarks = dict.fromkeys((*first.non_blocking, *second.non_blocking))
    return first.model_copy(
        update={
            "summary": "\n\n".join(filter(None, summaries)),
            "non_blocking": tuple(remarks),
            "dispositions": (*second.dispositions, *first.dispositions),
        }
    )


def who_approved(record: RoundRecord) -> str | None:
    """Who approved this round, in words, where a second reviewer was to be asked."""
    return approval_text([(v.reviewer, v.decision, v.why) for v in record.reviews])


def who_reviewed(record: RoundRecord) -> str | None:
    """What both reviewers decided, as a sentence, where a second one was to be asked."""
    if len(record.reviews) < 2:
        return None
    if record.decision == "approve":
        return f"Approved by {who_approved(record)}".rstrip(".") + "."
    first, second = record.reviews
    return (
        f"{first.reviewer or 'The reviewer'} approved;"
        f" {second.reviewer or 'the second reviewer'} asks for changes."
    )
