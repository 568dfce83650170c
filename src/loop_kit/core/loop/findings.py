"""The finding ledger: every blocking issue gets an id from us and keeps it over the rounds.

Ids that agents invent would let a reviewer rename an old complaint into a new one for ever. So a
reviewer disposes of open findings by our id, what repeats an old finding without its id is joined
to it, and only the rest is new. Nothing is ever dropped, and no count falls: not when a loop is
retried, refreshed or continued after a push, for all of these leave the ledger alone.

What a person has closed (waived, or dismissed as wrong) stays closed when a reviewer raises it
again, and what a person requires is not withdrawn. Who raised a finding may close it; one of the
verification is closed by commands that pass.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Literal

from loop_kit.core.agent.report_values import Severity
from loop_kit.core.agent.reports import Disposition, ReportedIssue, Response, ReviewReport
from loop_kit.core.loop.rules.bar import why_below
from loop_kit.core.loop.rules.joining import Likeness, Place
from loop_kit.core.loop.rules.settings import Rules
from loop_kit.core.record import ExtensibleRecord
from loop_kit.frozen import frozen

Status = Literal["open", "fixed", "withdrawn", "waived", "dismissed"]
Evidence = Literal["lenient", "strict"]

VERIFICATION = "verify"
"""Who raised a finding that a verify command made."""
CHECKS = "checks"
"""Who raised a finding that a failed check of the forge made."""

_BY_PERSON = {"waived", "dismissed"}
_SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")


class Joined(ExtensibleRecord):
    """A finding that was raised again without its id, in the words of that round."""

    round: int
    reason: str = ""


class Remark(ExtensibleRecord):
    """What a person has written in the conversation of a finding; `post` is its number."""

    post: int = 0
    by: str = ""
    text: str = ""


class Finding(ExtensibleRecord):
    """One issue over its life. `not_fixed` counts the rounds it was sent back.

    Attributes:
        criterion: The acceptance criterion that it says is not met, `C0` for the goal.
        provenance: Where its line comes from: `pre-existing`, `first-work`, `fix-of-round-N`,
            `nowhere`, or '' where that is unknown.
        blocking: Whether it is above the bar; one that is not is kept for later.
        below: Why it does not block, in words.
        required: Whether a person has said that it is right, and not to be disputed again.
        by: Who raised it: '' the reviewer, `second` the second one, `verify`, `checks`, or a login.
        answer: What the worker of the last round said about it, if anything.
        disputes: How often the worker has disputed it; `dispute` is its last evidence.
        joined: Each time it was raised again without its id.
        running: The rounds running it was sent back in; `not_fixed` counts all of them.
        closed_why: Why it was closed, in words.
        post: The number of the person's review comment that it is, of the review below zero; else
            0. Its `review` is the number of that review.
        remarks: What people have written in its conversation.
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
    answer: Literal["", "fixed", "disputed"] = ""
    disputes: int = 0
    dispute: str = ""
    joined: tuple[Joined, ...] = ()
    closed_round: int | None = None
    not_fixed: int = 0
    running: int = 0
    upheld: int = 0
    note: str = ""
    closed_why: str = ""
    post: int = 0
    review: int = 0
    remarks: tuple[Remark, ...] = ()

    @property
    def is_disputed(self) -> bool:
        """Whether the reviewer is to withdraw it unless it can show it."""
        return self.answer == "disputed" and not self.required


Ledger = tuple[Finding, ...]


@frozen
class ReviewContext:
    """What a review is judged by.

    Attributes:
        provenance: Where the line of each of its blocking issues comes from, in their order.
        by: Who reviews, as in `Finding.by`.
        asked_for_fixes: Whether the round under review was to fix findings; one that was to
            simplify the change is not counted against them.
    """

    rules: Rules = field(default_factory=Rules)
    evidence: Evidence = "lenient"
    provenance: Sequence[str] = ()
    by: str = ""
    asked_for_fixes: bool = True


def open_findings(ledger: Ledger) -> Ledger:
    """The findings that still block."""
    return tuple(f for f in ledger if f.status == "open" and f.blocking)


def later_findings(ledger: Ledger) -> Ledger:
    """The open findings that are below the bar: kept, and never a reason to continue."""
    return tuple(f for f in ledger if f.status == "open" and not f.blocking)


def record_responses(ledger: Ledger, responses: Iterable[Response]) -> Ledger:
    """The ledger with what the worker of this round says about each open finding."""
    answers = {response.id: response for response in responses}
    return tuple(
        _answer(finding, answers.get(finding.id)) if finding.status == "open" else finding
        for finding in ledger
    )


def close_verified(ledger: Ledger, round_: int) -> Ledger:
    """The ledger after verify commands that all passed: what they had raised is fixed."""
    ids = {f.id for f in ledger if f.status == "open" and f.by == VERIFICATION}
    return close_settled(ledger, ids, round_, "the verify commands succeed")


def close_settled(ledger: Ledger, ids: Collection[str], round_: int, why: str) -> Ledger:
    """The ledger in which the findings `ids` are fixed."""
    return tuple(_close(f, "fixed", round_, why) if f.id in ids else f for f in ledger)


def apply_review(
    ledger: Ledger, review: ReviewReport, context: ReviewContext | None = None
) -> Ledger:
    """The ledger after `review`: dispositions first, then what is new, with new ids.

    A rejection leaves open what it does not mention. An approval closes it where the reviewer
    knows no dispositions, unless a person requires it; `contradiction` refuses one that knows them.
    """
    context = context or ReviewContext()
    raised = [
        _Raised(issue, _at(context.provenance, n), review.round, context)
        for n, issue in enumerate(review.blocking_issues)
    ]
    repeated, new = _by_id(ledger, raised)
    joined, new = _without_id(ledger, repeated, new)
    disposed = {item.id: item for item in review.dispositions}
    closes = context.evidence == "lenient" and not review.dispositions
    closes = closes and review.decision == "approve"
    after = []
    for finding in ledger:
        disposition = disposed.get(finding.id)
        again = repeated.get(finding.id) or joined.get(finding.id)
        if again is not None:
            without_id = finding.id in joined
            after.append(_raise_again(finding, again, disposition, without_id=without_id))
        elif finding.status == "open" and disposition is not None:
            after.append(_dispose(finding, disposition, review.round, context))
        elif finding.status == "open" and finding.blocking and closes and not finding.required:
            after.append(_close(finding, "fixed", review.round, "by the approval"))
        else:
            after.append(finding)
    start = len(ledger) + 1
    return (*after, *(_new_finding(item, n) for n, item in enumerate(new, start)))


def contradiction(
    ledger: Ledger, review: ReviewReport, evidence: Evidence = "lenient"
) -> str | None:
    """Why `review` contradicts itself given the ledger, or None.

    An approval has to dispose of every finding that is open; lenient evidence spares a reviewer
    that knows no dispositions, such as one made for agent-task-runner, unless a person requires one
    of them.
    """
    disposed = {d.id: d.status for d in review.dispositions}
    still = {id_ for id_, status in disposed.items() if status in {"not_fixed", "upheld"}}
    if review.decision == "approve":
        still_open = open_findings(ledger)
        blocking = [finding.id for finding in still_open]
        kept = [id_ for id_ in blocking if id_ in still]
        if kept:
            return f"review_report.json approves and says that {', '.join(kept)} is not fixed"
        left_out = [id_ for id_ in blocking if id_ not in disposed]
        is_required = any(f.required and f.id in left_out for f in still_open)
        if left_out and (disposed or evidence == "strict" or is_required):
            listed = ", ".join(left_out)
            return f"review_report.json approves without a disposition of {listed}, which is open"
        return None
    unsettled = [f.id for f in ledger if f.status == "open" and f.id in still]
    if not review.blocking_issues and not unsettled:
        return (
            "review_report.json says changes_required without a blocking issue"
            " or an open finding that is not fixed"
        )
    return None


@frozen
class _Raised:
    """An issue of a review, with what is known about it."""

    issue: ReportedIssue
    provenance: str
    round: int
    context: ReviewContext

    def why_below(self, severity: Severity, criterion: str, provenance: str) -> str:
        issue = self.issue.model_copy(update={"severity": severity, "criterion": criterion})
        if self.context.by in {VERIFICATION, CHECKS}:
            return ""
        bar, evidence = self.context.rules.bar, self.context.evidence
        return why_below(issue, provenance, self.round, bar, evidence)


def _at(provenance: Sequence[str], n: int) -> str:
    return provenance[n] if n < len(provenance) else ""


def _by_id(ledger: Ledger, raised: Iterable[_Raised]) -> tuple[dict[str, _Raised], list[_Raised]]:
    """What repeats a finding by its id, and the rest; the second one with an id is of the rest."""
    known = {finding.id for finding in ledger}
    repeated: dict[str, _Raised] = {}
    rest = []
    for item in raised:
        if item.issue.id in known and item.issue.id not in repeated:
            repeated[item.issue.id] = item
        else:
            rest.append(item)
    return repeated, rest


def _without_id(
    ledger: Ledger, repeated: Mapping[str, _Raised], raised: Iterable[_Raised]
) -> tuple[dict[str, _Raised], list[_Raised]]:
    """What raises a finding again without its id, by the finding's, and what is new."""
    joined: dict[str, _Raised] = {}
    new = []
    for item in raised:
        old = None
        if item.issue.id not in repeated:
            old = _same_finding(ledger, item, {*repeated, *joined})
        if old is None:
            new.append(item)
        else:
            joined[old.id] = item
    return joined, new


def _same_finding(ledger: Ledger, raised: _Raised, taken: set[str]) -> Finding | None:
    """The finding of the ledger that is raised again without its id, an open one before others."""
    issue, found = raised.issue, None
    likeness = Likeness(Place(issue.file, issue.line, issue.reason), raised.context.rules.join)
    best = (False, 0.0)
    for finding in ledger:
        if finding.id in taken:
            continue
        alike = likeness.of(finding.file, finding.line, finding.reason)
        if alike is not None and (finding.status == "open", alike) > best:
            found, best = finding, (finding.status == "open", alike)
    return found


def _answer(finding: Finding, response: Response | None) -> Finding:
    if response is None:
        return finding.model_copy(update={"answer": ""})
    if response.action == "fixed":
        return finding.model_copy(update={"answer": "fixed"})
    count = finding.disputes + (not finding.required)
    changes = {"answer": "disputed", "disputes": count, "dispute": response.evidence}
    return finding.model_copy(update=changes)


def _raise_again(
    finding: Finding, raised: _Raised, disposition: Disposition | None, *, without_id: bool
) -> Finding:
    """The finding as it is raised in this round; one that a person has closed stays closed."""
    issue = raised.issue
    again = (Joined(round=raised.round, reason=issue.reason),) if without_id else ()
    joined = (*finding.joined, *again)
    if finding.status in _BY_PERSON:
        return finding.model_copy(update={"joined": joined})
    severity = max(finding.severity, issue.severity, key=_SEVERITIES.index)
    criterion = issue.criterion or finding.criterion
    reported: dict[str, str | int | None] = {
        "file": issue.file,
        "line": issue.line,
        "reason": issue.reason,
        "required_change": issue.required_change,
        "scenario": issue.scenario,
        "note": disposition.note if disposition else "",
    }
    changes: dict[str, object] = {key: value for key, value in reported.items() if value}
    if finding.post:
        changes = {"note": issue.reason}
    changes |= {"status": "open", "closed_round": None, "closed_why": "", "joined": joined}
    changes |= {"severity": severity, "criterion": criterion}
    if not finding.blocking:
        place = raised.provenance or finding.provenance
        below = raised.why_below(severity, criterion, place)
        changes |= {"provenance": place, "blocking": not below, "below": below}
        return finding.model_copy(update=changes)
    return _send_back(finding.model_copy(update=changes), raised.context)


def _dispose(
    finding: Finding, disposition: Disposition, round_: int, context: ReviewContext
) -> Finding:
    noted = finding.model_copy(update={"note": disposition.note})
    if disposition.status == "upheld" and finding.blocking and finding.is_disputed:
        return noted.model_copy(update={"upheld": finding.upheld + 1})
    if disposition.status in {"not_fixed", "upheld"}:
        return _send_back(noted, context) if finding.blocking else noted
    if disposition.status == "withdrawn" and finding.required:
        return noted
    return _close(noted, disposition.status, round_, disposition.note)


def _send_back(finding: Finding, context: ReviewContext) -> Finding:
    once = 1 if context.asked_for_fixes else 0
    counts = {"not_fixed": finding.not_fixed + once, "running": finding.running + once}
    return finding.model_copy(update=counts)


def _close(finding: Finding, status: str, round_: int, why: str) -> Finding:
    changes = {"status": status, "closed_round": round_, "closed_why": why, "running": 0}
    return finding.model_copy(update=changes)


def _new_finding(raised: _Raised, number: int) -> Finding:
    issue = raised.issue
    below = raised.why_below(issue.severity, issue.criterion, raised.provenance)
    return Finding(
        id=f"F{number}",
        round=raised.round,
        **issue.model_dump(exclude={"id"}),
        provenance=raised.provenance,
        blocking=not below,
        below=below,
        by=raised.context.by,
    )
