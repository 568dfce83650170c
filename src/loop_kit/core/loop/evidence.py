"""What an approval has to show before it is believed.

A reviewer that was persuaded to approve has usually looked at nothing. Strict evidence asks for
the reviewed commit, a verdict per criterion and the files examined; none of it can be given by a
reviewer who did not do the work, or is cheap to check when it was made up.
"""

from typing import Literal

from loop_kit.core.agent.reports import ReviewReport
from loop_kit.core.card.task import TaskCard

_SHORTEST_SHA = 7


def objection(
    review: ReviewReport, card: TaskCard, head_sha: str, evidence: Literal["lenient", "strict"]
) -> str | None:
    """Why this review cannot be taken as one of `head_sha`, as a sentence, or None."""
    named = review.head_sha.lower()
    if named and not (len(named) >= _SHORTEST_SHA and head_sha.startswith(named)):
        return f"review_report.json is about commit {named[:40]}, the work to review is {head_sha}"
    if review.decision != "approve":
        return None
    unmet = [c.id for c in review.criteria if not c.met]
    if unmet:
        return f"review_report.json approves and says that {', '.join(unmet)} is not met"
    return _missing_evidence(review, card) if evidence == "strict" else None


def _missing_evidence(review: ReviewReport, card: TaskCard) -> str | None:
    if not review.head_sha:
        return "review_report.json approves without 'head_sha', the commit that was reviewed"
    judged = {criterion.id for criterion in review.criteria}
    left_out = [id_ for id_, _ in card.criteria if id_ not in judged]
    if left_out:
        return f"review_report.json approves without a verdict on {', '.join(left_out)}"
    unproven = [c.id for c in review.criteria if not c.evidence.strip()]
    if unproven:
        return f"review_report.json approves without evidence for {', '.join(unproven)}"
    if not review.files_examined:
        return "review_report.json approves without naming a file in 'files_examined'"
    return None
