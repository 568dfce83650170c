"""The loop as a table: a state and an event make a new state, and nothing else happens here.

    idle ──TaskStarted──▶ awaiting_work ──WorkReported──▶ awaiting_review ──approve──▶ done
                               ▲                                │
                               └────────changes_required────────┘

A *round* is one pass along the upper line. Inside it an agent may need several *attempts*: a
transient failure is tried again after a pause, an unusable report or a change out of scope goes
back to the agent once, with the reason quoted. Whatever else fails makes the loop `done` with an
outcome and a `resume_phase`, so that the next run continues at the phase that is outstanding: a
worker whose commits were saved is never run, and never paid for, twice.

`outstanding` asks of a state what is to be done next. It looks at nothing but the state; a process
that died between any two lines is therefore resumed by the same question that started it. Posts
to the forge come before the next agent, and the handing over to the next job comes last of all
(the engine does that when this run's round is over).

Events arrive in any order a crash can produce, but a pair that is not in the table is a bug and
raises `IllegalTransition`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from loop_kit.core import outbox, sessions
from loop_kit.core.evidence import rejection_of_unverified
from loop_kit.core.failures import OUTCOMES, REPAIRED, RETRIED
from loop_kit.core.findings import applied, open_findings
from loop_kit.core.messages import (
    AttemptFailed,
    AttemptStarted,
    BaseVerified,
    Effect,
    Event,
    Failure,
    Halted,
    HandedOver,
    HeadVerified,
    LeaseTaken,
    LoopResumed,
    Publish,
    Published,
    ReviewReported,
    RunAgent,
    TaskStarted,
    Verify,
    WorkReported,
)
from loop_kit.core.policy import pause
from loop_kit.core.state import (
    Attempt,
    LoopState,
    Outcome,
    Phase,
    Role,
    RoundDetail,
    RoundRecord,
)


class IllegalTransition(RuntimeError):
    """An event that cannot happen in this phase: a bug, never a user's mistake."""


def transition(state: LoopState, event: Event) -> LoopState:
    """The state after `event`, one step further in `seq`.

    Raises:
        IllegalTransition: the table has no row for this phase and event.
    """
    handler = _TABLE.get((state.state, type(event)))
    if handler is None:
        raise IllegalTransition(f"{type(event).__name__} while {state.state}")
    after = handler(state, event)
    intents = outbox.intended(state, after)
    return after.model_copy(update={"seq": state.seq + 1, "outbox": intents})


def outstanding(state: LoopState) -> Effect | None:
    """What this state asks to be done next; None when it waits for a person or is finished."""
    if pending := outbox.pending(state):
        return Publish(pending)
    if state.state not in _ROLES:
        return None
    if state.verify and state.baseline is None:
        return Verify(state.start_sha, at_base=True)
    if state.verify and state.state is Phase.AWAITING_REVIEW and not _head_is_verified(state):
        return Verify(state.head_sha, at_base=False)
    return _next_attempt(state, _ROLES[state.state])


def _head_is_verified(state: LoopState) -> bool:
    return state.verification is not None and state.verification.sha == state.head_sha


def _next_attempt(state: LoopState, role: Role) -> RunAgent:
    last = _attempt_of(state, role)
    session, rotated = sessions.due(state, role)
    return RunAgent(
        role=role,
        round=state.round,
        attempt=last.number + 1,
        delay=pause(state.limits, last),
        feedback=last.feedback,
        work_sha=last.work_sha,
        session=session,
        rotated=rotated,
    )


def _attempt_of(state: LoopState, role: Role) -> Attempt:
    if state.attempt is not None and state.attempt.role is role:
        return state.attempt
    return Attempt(role=role)


def _with(before: LoopState, /, **changes: Any) -> LoopState:
    return before.model_copy(update=changes)


def _done(state: LoopState, outcome: Outcome, error: str, at: str, **changes: Any) -> LoopState:
    """The loop ends here; unless it is approved, a later run continues at this phase."""
    approved = outcome is Outcome.APPROVED
    return _with(
        state,
        state=Phase.DONE,
        outcome=outcome,
        error=error,
        failed_at="" if approved else at,
        resume_phase=None if approved else state.state,
        **changes,
    )


def _task_started(state: LoopState, event: TaskStarted) -> LoopState:
    fresh = LoopState(
        seq=state.seq,
        state=Phase.AWAITING_WORK,
        round=1,
        task_id=event.task_id,
        base_sha=event.base_sha,
        start_sha=event.start_sha,
        card_sha256=event.card_sha256,
        started_at=event.at,
        publishes=event.publishes,
        starter=event.starter,
        source=event.source,
        base_branch=event.base_branch,
        work_branch=event.work_branch,
        limits=event.limits,
        verify=event.verify,
        lease=state.lease,
    )
    return _within_rounds(fresh, event.at)


def _within_rounds(state: LoopState, at: str) -> LoopState:
    if state.round <= state.limits.max_rounds:
        return state
    still = len(open_findings(state.findings))
    error = f"All {state.limits.max_rounds} rounds are used and {still} finding(s) are open."
    return _done(state, Outcome.MAX_ROUNDS_EXHAUSTED, error, at)


def _loop_resumed(state: LoopState, event: LoopResumed) -> LoopState:
    if state.state is Phase.DONE and state.resume_phase is None:
        raise IllegalTransition("an approved loop is resumed")
    attempt = state.attempt
    if attempt is not None:
        attempt = attempt.model_copy(update={"retries": 0, "repairs": 0, "waits": False})
    if event.head_sha:
        pushed = {"head_sha": event.head_sha, "verified": None}
        state = _with(
            state, history=_decided(state.history, state.round, **pushed), sessions={}, wip=None
        )
    resumed = _with(
        state,
        state=state.resume_phase or state.state,
        outcome=None,
        reasons=(),
        error="",
        failed_at="",
        resume_phase=None,
        continue_to=None,
        limits=event.limits,
        head_sha=event.head_sha or state.head_sha,
        attempt=attempt,
        baseline=None if state.outcome is Outcome.VERIFY_UNAVAILABLE else state.baseline,
    )
    return _within_rounds(resumed, event.at)


def _lease_taken(state: LoopState, event: LeaseTaken) -> LoopState:
    return _with(state, lease=event.lease)


def _base_verified(state: LoopState, event: BaseVerified) -> LoopState:
    verified = _with(state, baseline=event.verification)
    broken = event.verification.unavailable
    if broken is None:
        return verified
    error = f"The verify command {broken.command!r} cannot run (exit code {broken.exit_code})."
    return _done(verified, Outcome.VERIFY_UNAVAILABLE, error, event.at)


def _expected(state: LoopState, role: Role) -> None:
    if _ROLES[state.state] is not role:
        raise IllegalTransition(f"an attempt of the {role} while {state.state}")


def _head_verified(state: LoopState, event: HeadVerified) -> LoopState:
    history = _decided(state.history, state.round, verified=event.verification.passed)
    return _with(state, verification=event.verification, history=history)


def _attempt_started(state: LoopState, event: AttemptStarted) -> LoopState:
    _expected(state, event.role)
    last = _attempt_of(state, event.role)
    attempt = last.model_copy(update={"number": last.number + 1, "started_at": event.at})
    first = event.role is Role.WORKER and last.number == 0
    return _with(state, attempt=attempt, started_at=event.at if first else state.started_at)


def _attempt_failed(state: LoopState, event: AttemptFailed) -> LoopState:
    _expected(state, event.role)
    if event.failure is Failure.STALE_SESSION:
        return _without_session(state, event)
    outcome = OUTCOMES.get((event.role, event.failure))
    if outcome is None:
        raise IllegalTransition(f"{event.failure} of the {event.role}")
    attempt = _attempt_of(state, event.role)
    if event.work_sha:
        attempt = attempt.model_copy(update={"work_sha": event.work_sha})
    left = sessions.after_failure(state, event, attempt.retries)
    used = state.usage.plus(event.spent)
    spent = _with(state, usage=used, sessions=left, wip=event.wip or state.wip)
    if event.failure in RETRIED and attempt.retries < state.limits.dispatch_retries:
        pause_due = {"waits": True, "retry_after": event.retry_after or 0}
        again = {"retries": attempt.retries + 1, **pause_due}
        return _with(spent, attempt=attempt.model_copy(update=again))
    if event.failure in REPAIRED and event.repairable and attempt.repairs < 1:
        changes = {"repairs": attempt.repairs + 1, "feedback": event.message, "waits": False}
        return _with(spent, attempt=attempt.model_copy(update=changes))
    reasons = (event.failure.value,) if outcome is Outcome.NEEDS_HUMAN else ()
    message = event.message
    if event.failure is Failure.TRANSIENT and attempt.retries:
        message = f"{message} Given up after {attempt.retries + 1} attempts."
    return _done(spent, outcome, message, event.at, reasons=reasons, attempt=attempt)


def _without_session(state: LoopState, event: AttemptFailed) -> LoopState:
    """The conversation is unknown to the backend, or too long: a new one, at once."""
    if event.role.value not in state.sessions:
        raise IllegalTransition(f"the {event.role} took up no session")
    attempt = _attempt_of(state, event.role).model_copy(update={"waits": False})
    usage = state.usage.plus(event.spent)
    left = sessions.without(state, event.role)
    return _with(state, usage=usage, attempt=attempt, sessions=left)


def _work_reported(state: LoopState, event: WorkReported) -> LoopState:
    work = event.work
    detail = RoundDetail(
        round=state.round,
        started_at=state.started_at,
        worker_notes=event.report.notes,
        tests_summary=event.report.tests_summary.to_seed(),
    )
    record = RoundRecord(
        round=state.round,
        parent_sha=state.tip,
        head_sha=work.head_sha,
        commits=work.commits,
        lines_added=work.lines_added,
        lines_deleted=work.lines_deleted,
        files=work.files,
        verified=event.verification.passed if event.verification else None,
    )
    return _with(
        state,
        state=Phase.AWAITING_REVIEW,
        head_sha=work.head_sha,
        usage=state.usage.plus(event.spent),
        verification=event.verification,
        attempt=None,
        wip=None,
        sessions=sessions.kept(state, Role.WORKER, event.session),
        round_details=(*(d for d in state.round_details if d.round != state.round), detail),
        history=(*(r for r in state.history if r.round != state.round), record),
    )


def _review_reported(state: LoopState, event: ReviewReported) -> LoopState:
    findings = applied(state.findings, event.report)
    decision = event.report.decision
    rejection = rejection_of_unverified(state, findings) if decision == "approve" else None
    if rejection is not None:
        findings = applied(findings, rejection)
        decision = rejection.decision
    known = {finding.id for finding in state.findings}
    fresh = tuple(finding.id for finding in findings if finding.id not in known)
    usage = state.usage.plus(event.spent)
    reviewed = _with(
        state,
        findings=findings,
        usage=usage.model_copy(update={"rounds": usage.rounds + 1}),
        attempt=None,
        sessions=sessions.kept(state, Role.REVIEWER, event.session),
        round_details=_decided(state.round_details, state.round, review_decision=decision),
        history=_decided(state.history, state.round, decision=decision, new_findings=fresh),
    )
    if decision == "approve":
        return _done(reviewed, Outcome.APPROVED, "", event.at)
    again = _with(reviewed, state=Phase.AWAITING_WORK, round=state.round + 1)
    return _within_rounds(again, event.at)


def _decided(records: tuple[Any, ...], round_: int, **changes: Any) -> tuple[Any, ...]:
    return tuple(
        record.model_copy(update=changes) if record.round == round_ else record
        for record in records
    )


def _halted(state: LoopState, event: Halted) -> LoopState:
    kept = {"reasons": event.reasons, "wip": event.wip or state.wip}
    return _done(state, event.outcome, event.error, event.at, **kept)


def _published(state: LoopState, event: Published) -> LoopState:
    items = tuple(event.item if old.key == event.item.key else old for old in state.outbox)
    return _with(
        state,
        outbox=items,
        pull_request=event.pull_request or state.pull_request,
        pull_request_url=event.pull_request_url or state.pull_request_url,
    )


def _handed_over(state: LoopState, event: HandedOver) -> LoopState:
    usage = state.usage
    if event.continue_to is not None:
        usage = usage.model_copy(update={"dispatches": usage.dispatches + 1})
    return _with(state, lease=None, continue_to=event.continue_to, usage=usage)


_ROLES: Mapping[Phase, Role] = {
    Phase.AWAITING_WORK: Role.WORKER,
    Phase.AWAITING_REVIEW: Role.REVIEWER,
}

_Handler = Callable[[LoopState, Any], LoopState]
_RUNNING = (Phase.AWAITING_WORK, Phase.AWAITING_REVIEW)

_TABLE: Mapping[tuple[Phase, type], _Handler] = {
    (Phase.IDLE, LeaseTaken): _lease_taken,
    (Phase.IDLE, TaskStarted): _task_started,
    (Phase.DONE, LoopResumed): _loop_resumed,
    (Phase.AWAITING_WORK, BaseVerified): _base_verified,
    (Phase.AWAITING_WORK, WorkReported): _work_reported,
    (Phase.AWAITING_REVIEW, HeadVerified): _head_verified,
    (Phase.AWAITING_REVIEW, ReviewReported): _review_reported,
    **{(phase, LoopResumed): _loop_resumed for phase in _RUNNING},
    **{(phase, AttemptStarted): _attempt_started for phase in _RUNNING},
    **{(phase, AttemptFailed): _attempt_failed for phase in _RUNNING},
    **{(phase, Halted): _halted for phase in _RUNNING},
    **{(phase, LeaseTaken): _lease_taken for phase in (*_RUNNING, Phase.DONE)},
    **{(phase, Published): _published for phase in (*_RUNNING, Phase.DONE)},
    **{(phase, HandedOver): _handed_over for phase in (*_RUNNING, Phase.DONE)},
}
