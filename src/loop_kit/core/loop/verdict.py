"""What a review means for the loop: the rules in their order, each with what it saw.

First the ledger (dispositions, repeats, new findings under the bar), then the verification and the
approval, then the stops. The decision of the reviewer is where this starts and never what it ends
with: an approval counts only when nothing blocks, and a request for changes of which nothing is
above the bar is a question for a person, never an approval.
"""

from collections.abc import Iterator
from dataclasses import replace

from loop_kit.core.agent.report_values import Decision
from loop_kit.core.agent.reports import ReportedIssue, ReviewReport
from loop_kit.core.loop.findings import (
    VERIFICATION,
    Ledger,
    ReviewContext,
    apply_review,
    later_findings,
    open_findings,
)
from loop_kit.core.loop.messages import (
    ReviewReported,
)
from loop_kit.core.loop.resuming import update
from loop_kit.core.loop.rules import approval, contested, diff_growth, oscillation, stalled
from loop_kit.core.loop.rules.judgement import Judgement, listed
from loop_kit.core.loop.second_review import deciding_report
from loop_kit.core.loop.state import LoopState, Role, RuleNote
from loop_kit.frozen import frozen

_STOPS = (contested.judge, stalled.judge, diff_growth.judge, oscillation.judge)
"""The first of them that stops the loop gives the reason."""


@frozen
class Verdict:
    """A review, judged: what is recorded of it, and how the loop continues."""

    decision: Decision
    findings: Ledger
    judgements: tuple[Judgement, ...]

    @property
    def stop(self) -> Judgement | None:
        """The rule that stops the loop for a person, if one does."""
        return next((j for j in self.judgements if j.stop), None)

    @property
    def notes(self) -> tuple[RuleNote, ...]:
        """What each rule saw."""
        return tuple(RuleNote(rule=j.rule, text=j.text) for j in self.judgements)

    def asks_for(self, kind: str) -> bool:
        """Whether a rule wants the next round to be of this kind."""
        return any(j.next_round == kind for j in self.judgements)


def judge_review(state: LoopState, event: ReviewReported) -> Verdict:
    """The verdict on this review of `state`."""
    review = deciding_report(state, event) or event.report
    context = ReviewContext(
        rules=state.limits.rules,
        evidence=state.limits.evidence,
        provenance=event.provenance,
        by="second" if event.role is Role.SECOND_REVIEWER else "",
        asked_for_fixes=not state.simplify,
    )
    after = update(state, findings=apply_review(state.findings, review, context))
    after = _add_what_fails(after, review, context)
    approves = review.decision == "approve"
    missing = approval.what_is_missing(after, review) if approves else None
    judgements = (*_changes(state.findings, after.findings),)
    if approves:
        why = missing or "Nothing blocks: the approval counts."
        judgements = (*judgements, Judgement("approval", why))
    if approves and missing is None:
        return Verdict("approve", after.findings, judgements)
    if not open_findings(after.findings):
        judgements = (*judgements, _nothing_blocks(after.findings, missing))
    stops = (judge(state, after) for judge in _STOPS)
    seen = tuple(judgement for judgement in stops if judgement is not None)
    return Verdict("changes_required", after.findings, judgements + seen)


def _add_what_fails(state: LoopState, review: ReviewReport, context: ReviewContext) -> LoopState:
    """The state with what the checks and the criteria say against the change in its ledger.

    They speak against an approval, and where nothing that the reviewer requires blocks: what fails
    is then what the worker is asked to fix, and no person is asked what to do.
    """
    if review.decision != "approve" and open_findings(state.findings):
        return state
    failed = approval.failed_verification(state)
    by_us = replace(context, provenance=(), by=VERIFICATION)
    added = ((*((failed,) if failed else ()),), by_us), (approval.unmet_criteria(review), context)
    for issues, raised_by in added:
        state = update(state, findings=_add(state.findings, review, issues, raised_by))
    return state


def _add(
    ledger: Ledger, review: ReviewReport, issues: tuple[ReportedIssue, ...], context: ReviewContext
) -> Ledger:
    rejection = ReviewReport(
        task_id=review.task_id,
        round=review.round,
        decision="changes_required",
        blocking_issues=issues,
    )
    return apply_review(ledger, rejection, context)


def _changes(before: Ledger, after: Ledger) -> Iterator[Judgement]:
    """What the bar and the joining of repeats made of the review."""
    known = {finding.id: finding for finding in before}
    for finding in after:
        old = known.get(finding.id)
        if old is not None and len(finding.joined) > len(old.joined):
            kept = "" if finding.status == "open" else ": a person has closed it"
            yield Judgement("join", f"{finding.id} was raised again without its id{kept}.")
        if finding.status == "open" and not finding.blocking and old is None:
            yield Judgement("bar", f"{finding.id} is kept for later: {finding.below}.")
        if old is not None and finding.blocking and not old.blocking:
            yield Judgement("bar", f"{finding.id} was kept for later and blocks from now on.")
    new = [finding.id for finding in after if finding.id not in known and finding.blocking]
    if new:
        yield Judgement("bar", f"{listed(new)} {'blocks' if len(new) == 1 else 'block'}.")


def _nothing_blocks(findings: Ledger, missing: str | None) -> Judgement:
    """Changes are required, and there is nothing that a worker could be asked to fix."""
    later = [finding.id for finding in later_findings(findings)]
    kept = f": {listed(later)} is kept for later" if later else ""
    why = missing or f"The reviewer requires changes, but no finding blocks{kept}."
    return Judgement("bar", why, stop="bar")
