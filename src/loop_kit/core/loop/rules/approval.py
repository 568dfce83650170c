"""Approval: a reviewer's word is not enough; the ledger, the criteria and the checks have to agree.

A quarter of approvals in the field had an open finding at the approved commit. Here an approval
counts only when no finding blocks, no criterion is said to be unmet, the verify commands pass and,
with strict evidence, the report shows what was judged. Else it is a request for changes, and what
can be fixed enters the ledger. Adding a finding can only make an approval less likely.
"""

from loop_kit.core.agent.reports import ReportedIssue, ReviewReport
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.rules.judgement import listed
from loop_kit.core.loop.state import LoopState
from loop_kit.core.loop.verification import failure_reason

_EVIDENCE_HINT = "it has to name the commit, the files examined, and evidence for each criterion"


def failed_verification(state: LoopState) -> ReportedIssue | None:
    """The issue of the verify command that fails at this head, if one does."""
    verification = state.verification
    if verification is None or verification.passed:
        return None
    failed = next(r for r in verification.results if r.exit_code != 0)
    reason = failure_reason(failed.command)
    return ReportedIssue(
        id=next((finding.id for finding in state.findings if finding.reason == reason), ""),
        severity="high",
        reason=reason,
        required_change="Make this command succeed in a fresh clone of the branch.",
        scenario=f"exit code {failed.exit_code}\n{failed.tail}",
    )


def unmet_criteria(review: ReviewReport) -> tuple[ReportedIssue, ...]:
    """An issue for each criterion that the review says is not met."""
    return tuple(
        ReportedIssue(
            severity="high",
            reason=f"criterion {verdict.id} is not met",
            required_change=verdict.evidence,
            criterion=verdict.id,
        )
        for verdict in review.criteria
        if not verdict.met
    )


def what_is_missing(state: LoopState, review: ReviewReport) -> str | None:
    """Why an approval does not count, given the ledger after it, or None."""
    blocking = [finding.id for finding in open_findings(state.findings)]
    if blocking:
        return f"The approval does not count: {listed(blocking)} is open."
    if state.limits.evidence == "strict" and not _shows_evidence(review):
        return f"The approval does not count without evidence: {_EVIDENCE_HINT}."
    return None


def _shows_evidence(review: ReviewReport) -> bool:
    judged = all(verdict.evidence.strip() for verdict in review.criteria)
    return bool(review.head_sha and review.files_examined) and judged
