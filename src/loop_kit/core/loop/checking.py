"""What the checks of the recorded head do to a loop.

Before a worker is paid, a check that failed at the head becomes a finding, and one that passes
closes the finding that it had made. An approval of the reviewers is recorded and held: the loop
stays in `awaiting_review` until the checks are read. Green ones approve it; pending ones let it
wait, with the lease released, for whoever reads them next; failed ones begin the next round;
cancelled ones are run again out of a budget of their own. What nobody will ever start stops it for
a person, except where the token of the job that pushed starts no checks: then nobody could have
started them, whoever reads them later.
"""

from collections.abc import Iterable, Mapping

from loop_kit.core.agent.reports import ReportedIssue, ReviewReport
from loop_kit.core.checks.reading import MAX_NAMES, Check, Summary, summarize
from loop_kit.core.loop import sessions
from loop_kit.core.loop.checks_read import ChecksRead, ReadChecks
from loop_kit.core.loop.findings import (
    CHECKS,
    Ledger,
    ReviewContext,
    apply_review,
    close_settled,
    open_findings,
)
from loop_kit.core.loop.resuming import (
    IllegalTransition,
    begin_round,
    end_if_rounds_used_up,
    end_loop,
    update,
    update_round,
)
from loop_kit.core.loop.review_only import skip_worker
from loop_kit.core.loop.rules import stalled
from loop_kit.core.loop.rules.judgement import Judgement, listed
from loop_kit.core.loop.state import ChecksStatus, LoopState, Outcome, Phase, Role, RuleNote

DID_NOT_RUN = "checks did not run"
NOT_STARTED = f"{DID_NOT_RUN}: click Approve and run, or use an App token"
MAX_FINDINGS = 20


def is_approval_held(state: LoopState) -> bool:
    """Whether the reviewers have approved this round, and only its checks are outstanding."""
    last = state.history[-1] if state.history else None
    approved = last is not None and last.round == state.round and last.decision == "approve"
    return state.state is Phase.AWAITING_REVIEW and approved


def _has_forge(state: LoopState) -> bool:
    """Whether there is a forge on which people and checks have a say."""
    return state.publishes and state.lease is not None


def hold_or_approve(state: LoopState, at: str) -> LoopState:
    """The loop after an approval that counts: it waits for checks and people, or it is over."""
    asks_people = state.pull_request is not None and "reviews" not in state.left_out
    waits = _has_forge(state) and (state.limits.checks == "findings" or asks_people)
    return state if waits else end_loop(state, Outcome.APPROVED, "", at)


def reading_due(state: LoopState) -> ReadChecks | None:
    """The reading of checks that comes before anything else in this state, if one does."""
    if is_approval_held(state):
        return ReadChecks(state.head_sha, is_approval=True)
    unclaimed = state.attempt is None or not state.attempt.claimed
    before_worker = state.state is Phase.AWAITING_WORK and bool(state.history) and unclaimed
    asks = state.limits.checks == "findings" and "checks" not in state.left_out
    if not (before_worker and asks and state.head_sha and _has_forge(state)):
        return None
    return ReadChecks(state.head_sha, is_approval=False)


def ends_wait(state: LoopState, event: ChecksRead) -> bool:
    """Whether these checks decide a held approval, or have something run again."""
    after = accept_checks(state, event)
    return not is_approval_held(after) or after.checks.reruns > state.checks.reruns


def accept_checks(state: LoopState, event: ChecksRead) -> LoopState:
    """Take the checks of the head into account."""
    held = is_approval_held(state)
    if not held and state.state is not Phase.AWAITING_WORK:
        raise IllegalTransition(f"checks read while {state.state}")
    if held and event.ignored:
        if open_findings(state.findings):
            return _send_back(state, event, state.findings)
        return end_loop(state, Outcome.APPROVED, "", event.at)
    if event.unread is not None:
        left_out = tuple(dict.fromkeys((*state.left_out, "checks")))
        unread = event.unread
        return _judge_unread(state, event, unread) if held else update(state, left_out=left_out)
    expected = (*event.required, *state.checks.expected_on(state.head_sha)) if held else ()
    found = summarize(event.checks, expected)
    known = update(state, checks=state.checks.with_names(state.head_sha, found.names))
    return _judge_approval(known, event, found) if held else _before_worker(known, event, found)


def _before_worker(state: LoopState, event: ChecksRead, found: Summary) -> LoopState:
    failed = {_reason(check) for check in found.failed}
    passed = {_reason(check) for check in event.checks if check.state == "passed"} - failed
    by_checks = {f.id: f for f in state.findings if f.by == CHECKS and f.status == "open"}
    settled = {id_ for id_, finding in by_checks.items() if finding.reason in passed}
    closed = close_settled(state.findings, settled, state.round, "the check passes")
    after = update(state, findings=closed)
    known = {finding.reason for finding in by_checks.values()}
    new = [check for check in found.failed if _reason(check) not in known]
    return skip_worker(update(after, findings=_raise(after, new)))


def _judge_approval(state: LoopState, event: ChecksRead, found: Summary) -> LoopState:
    status = _begin_wait(state, event)
    again = _reruns(state, status, found.cancelled)
    stuck = [check.name for check in found.cancelled if check.run not in again]
    awaited = [*found.pending, *(c.name for c in found.cancelled if c.run in again)]
    missing = [name for name in found.missing if name not in status.excused]
    unstarted = missing if status.triggers else []
    if event.at < status.start_by:
        awaited += unstarted
        unstarted = []
    elif found.blocked:
        unstarted = []
    names = tuple(dict.fromkeys(awaited))
    waits = event.at < status.deadline and not open_findings(state.findings)
    if names and waits:
        counts = {"reruns": status.reruns + len(again), "rerun": again}
        return update(state, waiting_for=names, checks=status.model_copy(update=counts))
    findings = _raise(state, found.failed)
    if open_findings(findings):
        return _send_back(state, event, findings)
    if names:
        return _stop(state, event, f"These checks have not ended in time: {', '.join(names)}.")
    if stuck:
        return _stop(state, event, f"These checks were cancelled or timed out: {', '.join(stuck)}.")
    if unstarted:
        excused = (*state.checks.excused, *unstarted)[-MAX_NAMES:]
        kept = state.checks.model_copy(update={"excused": excused})
        error = f"These checks were not started: {', '.join(unstarted)}."
        return _stop(update(state, checks=kept), event, error)
    note = f"{NOT_STARTED} ({_some(found)})" if found.blocked or found.missing else ""
    return _approve(state, event, note, found.passed)


def _judge_unread(state: LoopState, event: ChecksRead, why: str) -> LoopState:
    """The loop whose held approval has checks that cannot be read.

    A wait that has begun read them: it continues, and ends as any other.
    """
    if open_findings(state.findings):
        return _send_back(state, event, state.findings)
    if not _has_begun(state):
        return _approve(state, event, why)
    if event.at < state.checks.deadline:
        return state
    return _stop(state, event, f"The wait for checks is over, and {why}")


def _has_begun(state: LoopState) -> bool:
    """Whether an approval of this head waits for its checks already."""
    return state.checks.sha == state.head_sha and bool(state.checks.deadline)


def _some(found: Summary) -> str:
    return ", ".join(dict.fromkeys((*found.blocked, *found.missing)))


def _begin_wait(state: LoopState, event: ChecksRead) -> ChecksStatus:
    """The status with its deadlines: those of a wait that has begun for this head stay."""
    status = state.checks
    if _has_begun(state):
        return status
    triggers = status.triggers if status.sha == state.head_sha else event.triggers
    begun = {"sha": state.head_sha, "start_by": event.start_by, "deadline": event.deadline}
    return status.model_copy(update={**begun, "triggers": triggers, "rerun": ()})


def _reruns(state: LoopState, status: ChecksStatus, cancelled: Iterable[Check]) -> tuple[int, ...]:
    """The workflow runs to run again, as far as the budget goes."""
    left = max(0, state.limits.rules.checks.reruns - status.reruns)
    return tuple(dict.fromkeys(check.run for check in cancelled if check.run))[:left]


def _send_back(state: LoopState, event: ChecksRead, findings: Ledger) -> LoopState:
    """Begin the next round, which is to make the failed checks pass."""
    known = {finding.id for finding in state.findings}
    ids = [finding.id for finding in open_findings(findings)]
    text = f"The approval does not count after its checks: {listed(ids)} is open."
    judged = stalled.judge(state, update(state, findings=findings))
    stops = judged is not None and (judged.stop or judged.next_round)
    judgements = (Judgement("checks", text), *((judged,) if judged and stops else ()))
    record = state.history[-1]
    changes = {
        "decision": "changes_required",
        "new_findings": (*record.new_findings, *(f.id for f in findings if f.id not in known)),
        "rules": (*record.rules, *(RuleNote(rule=j.rule, text=j.text) for j in judgements)),
    }
    decided = {"review_decision": "changes_required"}
    sent_back = update(
        state,
        findings=findings,
        waiting_for=(),
        history=update_round(state.history, state.round, **changes),
        round_details=update_round(state.round_details, state.round, **decided),
    )
    stop = next((j for j in judgements if j.stop), None)
    following = begin_round(sent_back)
    if stop is not None and stop.stop is not None:
        return end_loop(following, Outcome.NEEDS_HUMAN, stop.text, event.at, reasons=(stop.stop,))
    if any(j.next_round == "fresh" for j in judgements):
        left = sessions.drop_session(following, Role.WORKER)
        following = update(following, fresh_round=True, sessions=left)
    return end_if_rounds_used_up(following, event.at)


def _approve(state: LoopState, event: ChecksRead, note: str, passed: int = 0) -> LoopState:
    text = note or (f"{passed} of {passed} passed." if passed else "There are none.")
    record = state.history[-1]
    noted = (*record.rules, RuleNote(rule="checks", text=text))
    status = state.checks.model_copy(update={"note": note, "passed": passed})
    approved = update(
        state, checks=status, history=update_round(state.history, state.round, rules=noted)
    )
    return end_loop(approved, Outcome.APPROVED, "", event.at)


def _stop(state: LoopState, event: ChecksRead, error: str) -> LoopState:
    """Stop for a person; whoever continues it begins a new wait."""
    over = state.checks.model_copy(update={"start_by": "", "deadline": ""})
    stopped = update(state, checks=over)
    return end_loop(stopped, Outcome.NEEDS_HUMAN, error, event.at, reasons=("checks",))


def _raise(state: LoopState, failed: Iterable[Check]) -> Ledger:
    """The ledger with a finding for each failed check; one that it has is raised again.

    What a person has waived or dismissed stays so, and does not block.
    """
    known = {finding.reason: finding.id for finding in state.findings if finding.by == CHECKS}
    by_name = {check.name: check for check in failed}
    issues = tuple(_issue(check, known) for check in list(by_name.values())[:MAX_FINDINGS])
    if not issues:
        return state.findings
    rejection = ReviewReport(
        task_id=state.task_id,
        round=state.round,
        decision="changes_required",
        blocking_issues=issues,
    )
    context = ReviewContext(rules=state.limits.rules, by=CHECKS)
    return apply_review(state.findings, rejection, context)


def _reason(check: Check) -> str:
    return f"check failed: {check.name}"


def _issue(check: Check, known: Mapping[str, str]) -> ReportedIssue:
    step = f"step: {check.step}" if check.step else ""
    shown = "\n".join(filter(None, (step, check.text, check.log)))
    return ReportedIssue(
        id=known.get(_reason(check), ""),
        severity="high",
        reason=_reason(check),
        required_change="Make this check pass.",
        scenario=shown or "It says nothing more.",
    )
