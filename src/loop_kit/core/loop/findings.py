"""The finding ledger: every blocking issue gets an id from us and keeps it over the rounds.

Ids that agents invent would let a reviewer rename an old complaint into a new one for ever. So a
reviewer disposes of open findings by our id, and only what repeats no known id is new.
"""

from typing import Literal

from loop_kit.core.agent.report_values import Severity
from loop_kit.core.agent.reports import Disposition, ReportedIssue, ReviewReport
from loop_kit.core.record import ExtensibleRecord

Status = Literal["open", "fixed", "withdrawn", "waived", "dismissed"]


class Joined(ExtensibleRecord):
    """A finding that was raised again without its id, in the words of that round."""

    round: int
    reason: str = ""


class Finding(ExtensibleRecord):
    """One issue over its life. `not_fixed` counts the rounds it was sent back.

    Attributes:
        criterion: The acceptance criterion that it says is not met, `C0` for the goal.
        provenance: Where its line comes from: `pre-existing`, `first-work`, `fix-of-round-N`,
            `nowhere`, or '' where that is unknown.
        blocking: Whether it is above the bar; one that is not is kept for later.
        below: Why it does not block, in words.
        required: Whether a person has said that it is right, and not to be disputed again.
        by: Who raised it: '' the reviewer, `second` the second one, `verify`, else a login.
        disputes: How often the worker has disputed it; `dispute` is its last evidence.
        joined: Each time it was raised again without its id.
        closed_why: Why it was closed, in words.
    """

    id: str
    round: int
    status: Status = "open"
    severity: Severity = "medium"
    file: str = ""
    line: int | None = None
    reason: str = ""
    required_change: str = ""
    scenario: str = ""
    criterion: str = ""
    provenance: str = ""
    blocking: bool = True
    below: str = ""
    required: bool = False
    by: str = ""
    disputes: int = 0
    dispute: str = ""
    joined: tuple[Joined, ...] = ()
    closed_round: int | None = None
    not_fixed: int = 0
    upheld: int = 0
    note: str = ""
    closed_why: str = ""


Ledger = tuple[Finding, ...]


def open_findings(ledger: Ledger) -> Ledger:
    """The findings that still block."""
    return tuple(f for f in ledger if f.status == "open" and f.blocking)


def later_findings(ledger: Ledger) -> Ledger:
    """The open findings that are below the bar: kept, and never a reason to continue."""
    return tuple(f for f in ledger if f.status == "open" and not f.blocking)


def apply_review(ledger: Ledger, review: ReviewReport) -> Ledger:
    """The ledger after `review`: dispositions first, then what is new, with new ids.

    An approval closes what it leaves unmentioned; a rejection leaves it open.
    """
    disposed = {item.id: item for item in review.dispositions}
    repeated: dict[str, ReportedIssue] = {}
    fresh: list[ReportedIssue] = []
    known = {finding.id for finding in ledger}
    for issue in review.blocking_issues:
        if issue.id in known and issue.id not in repeated:
            repeated[issue.id] = issue
        else:
            fresh.append(issue)
    answered = tuple(
        _apply_disposition(finding, disposed.get(finding.id), repeated.get(finding.id), review)
        for finding in ledger
    )
    start = len(ledger) + 1
    return answered + tuple(
        _new_finding(issue, n, review.round) for n, issue in enumerate(fresh, start)
    )


def contradiction(ledger: Ledger, review: ReviewReport) -> str | None:
    """Why `review` contradicts itself given the ledger, or None."""
    still = [d.id for d in review.dispositions if d.status in {"not_fixed", "upheld"}]
    blocking = [finding.id for finding in open_findings(ledger) if finding.id in still]
    if review.decision == "approve" and blocking:
        return f"review_report.json approves and says that {', '.join(blocking)} is not fixed"
    if review.decision == "changes_required" and not review.blocking_issues and not blocking:
        return (
            "review_report.json says changes_required without a blocking issue"
            " or an open finding that is not fixed"
        )
    return None


def _apply_disposition(
    finding: Finding,
    disposition: Disposition | None,
    repeat: ReportedIssue | None,
    review: ReviewReport,
) -> Finding:
    if repeat is not None:
        said_now: dict[str, str | int | None] = {
            "file": repeat.file,
            "line": repeat.line,
            "reason": repeat.reason,
            "required_change": repeat.required_change,
            "scenario": repeat.scenario,
            "note": disposition.note if disposition else "",
        }
        changes: dict[str, object] = {key: value for key, value in said_now.items() if value}
        changes |= {"status": "open", "closed_round": None, "not_fixed": finding.not_fixed + 1}
        return finding.model_copy(update=changes)
    if finding.status != "open":
        return finding
    if disposition is None:
        return _close(finding, "fixed", review.round) if review.decision == "approve" else finding
    noted = finding.model_copy(update={"note": disposition.note})
    if disposition.status == "not_fixed":
        return noted.model_copy(update={"not_fixed": finding.not_fixed + 1})
    if disposition.status == "upheld":
        return noted.model_copy(update={"upheld": finding.upheld + 1})
    return _close(noted, disposition.status, review.round)


def _close(finding: Finding, status: str, round_: int) -> Finding:
    return finding.model_copy(update={"status": status, "closed_round": round_})


def _new_finding(issue: ReportedIssue, number: int, round_: int) -> Finding:
    return Finding(
        id=f"F{number}",
        round=round_,
        severity=issue.severity,
        file=issue.file,
        line=issue.line,
        reason=issue.reason,
        required_change=issue.required_change,
        scenario=issue.scenario,
        criterion=issue.criterion,
    )
