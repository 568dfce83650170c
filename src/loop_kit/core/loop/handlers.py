"""What each event does to a loop: the handlers that the table in `machine` names.

A handler is pure, and does not decide what is done next.
"""

from collections.abc import Mapping

from loop_kit.core.loop import base_moves, checking, refused_secrets, second_review, sessions
from loop_kit.core.loop.attempts import record_attempt, recorded_earlier
from loop_kit.core.loop.failed_again import failed_again
from loop_kit.core.loop.failures import OUTCOMES, REPAIRED, RETRIED
from loop_kit.core.loop.findings import close_verified, record_responses
from loop_kit.core.loop.messages import (
    AttemptFailed,
    AttemptStarted,
    BaseVerified,
    Failure,
    Halted,
    HandedOver,
    HeadVerified,
    LeaseTaken,
    PreparationFailed,
    Published,
    SandboxChosen,
    TaskStarted,
    WorkReported,
)
from loop_kit.core.loop.resuming import (
    IllegalTransition,
    end_if_rounds_used_up,
    end_loop,
    update,
    update_round,
)
from loop_kit.core.loop.state import (
    Attempt,
    LoopState,
    Outcome,
    Phase,
    Role,
    RoundDetail,
    RoundRecord,
)

_ROLES: Mapping[Phase, Role] = {
    Phase.AWAITING_WORK: Role.WORKER,
    Phase.AWAITING_REVIEW: Role.REVIEWER,
}


def awaited_role(state: LoopState) -> Role | None:
    """Whose attempt is awaited; nobody's where an approval is held."""
    if checking.is_approval_held(state):
        return None
    is_second = second_review.is_second_review_awaited(state)
    return Role.SECOND_REVIEWER if is_second else _ROLES.get(state.state)


def attempt_of(state: LoopState, role: Role) -> Attempt:
    """The running or the last attempt of `role` in this round."""
    if state.attempt is not None and state.attempt.role is role:
        return state.attempt
    return Attempt(role=role)


def start_task(state: LoopState, event: TaskStarted) -> LoopState:
    """Begin round 1 of a new loop; of the one before it only `seq` and the lease stay."""
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
        state_branch=event.state_branch,
        pull_request=event.source.pull,
        pull_request_url=event.pull_request_url,
        limits=event.limits,
        verify=event.verify,
        lease=state.lease,
    )
    return end_if_rounds_used_up(fresh, event.at)


def take_lease(state: LoopState, event: LeaseTaken) -> LoopState:
    """Record who owns the loop; an attempt that another owner left counts as lost."""
    attempt, before = state.attempt, state.lease
    if attempt is not None:
        left = before is not None and before.holder != event.lease.holder
        lost = event.lost and left
        if lost and attempt.claimed:
            state = record_attempt(state, attempt.role, None, result="lost")
        attempt = attempt.model_copy(update={"claimed": False, "lost": attempt.lost + lost})
    return update(state, lease=event.lease, attempt=attempt)


def fail_preparation(state: LoopState, event: PreparationFailed) -> LoopState:
    """End the loop: no agent was paid, and a later run prepares again."""
    return end_loop(state, event.outcome, event.error, event.at, failed_setup=event.result)


def record_sandbox(state: LoopState, event: SandboxChosen) -> LoopState:
    """Remember how programs are confined."""
    return update(state, sandbox=event.sandbox)


def record_base_verification(state: LoopState, event: BaseVerified) -> LoopState:
    """Record the base; commands that cannot even start end the loop before anything is spent."""
    verified = update(state, baseline=event.verification)
    broken = event.verification.unavailable
    if broken is None:
        return verified
    error = f"The verify command {broken.command!r} cannot run (exit code {broken.exit_code})."
    return end_loop(verified, Outcome.VERIFY_UNAVAILABLE, error, event.at)


def expect_attempt(state: LoopState, role: Role) -> None:
    """Refuse what is no part of an attempt of `role`, whose turn it has to be.

    Raises:
        IllegalTransition: it is not.
    """
    if awaited_role(state) is not role:
        raise IllegalTransition(f"an attempt of the {role.words} while {state.state}")


def record_head_verification(state: LoopState, event: HeadVerified) -> LoopState:
    """Record whether the head that a person pushed verifies."""
    passed, took = event.verification.passed, event.verification.seconds
    history = update_round(state.history, state.round, verified=passed, verify_seconds=took)
    findings = close_verified(state.findings, state.round) if passed else state.findings
    return update(state, verification=event.verification, history=history, findings=findings)


def start_attempt(state: LoopState, event: AttemptStarted) -> LoopState:
    """Count and claim the next attempt."""
    expect_attempt(state, event.role)
    last = attempt_of(state, event.role)
    attempt = last.model_copy(
        update={"number": last.number + 1, "started_at": event.at, "claimed": True}
    )
    first = event.role is Role.WORKER and last.number == 0
    return update(state, attempt=attempt, started_at=event.at if first else state.started_at)


def fail_attempt(state: LoopState, event: AttemptFailed) -> LoopState:
    """Try again after a pause, send it back to be repaired once, or end the loop."""
    expect_attempt(state, event.role)
    if event.failure is Failure.STALE_SESSION:
        return _forget_session(_recorded_failure(state, event), event)
    outcome = OUTCOMES.get((event.role.job, event.failure))
    if outcome is None:
        raise IllegalTransition(f"{event.failure} of the {event.role}")
    state = _recorded_failure(state, event)
    attempt = attempt_of(state, event.role)
    refused = event.failure in RETRIED and attempt.report_refused
    refused = refused or event.failure is Failure.INVALID_REPORT
    attempt = attempt.model_copy(update={"claimed": False, "report_refused": refused})
    if event.work_sha:
        attempt = attempt.model_copy(update={"work_sha": event.work_sha})
    left = sessions.update_after_failure(state, event, attempt.retries)
    used = state.usage.plus(event.spent)
    spent = update(state, usage=used, sessions=left, wip=event.wip or state.wip)
    if event.failure in RETRIED and attempt.retries < state.limits.dispatch_retries:
        pause_due = {"waits": True, "retry_after": event.retry_after or 0}
        again = {"retries": attempt.retries + 1, **pause_due}
        return update(spent, attempt=attempt.model_copy(update=again))
    if event.failure in REPAIRED and event.repairable and attempt.repairs < 1:
        feedback = refused_secrets.feedback(event)
        changes = {"repairs": attempt.repairs + 1, "feedback": feedback, "waits": False}
        return update(spent, attempt=attempt.model_copy(update=changes))
    reasons = (event.failure.value,) if outcome is Outcome.NEEDS_HUMAN else ()
    message = event.message
    if event.failure is Failure.TRANSIENT and attempt.retries:
        message = f"{message} Given up after {attempt.retries + 1} attempts."
    changes = {"reasons": reasons, "attempt": attempt, "refused_diff": event.refused_diff}
    missed = _without_review(spent, event, message)
    if missed is not None:
        return update(missed, attempt=attempt)
    asks = failed_again(state, event)
    if asks is not None:
        error, asked = asks
        return end_loop(
            spent, Outcome.NEEDS_HUMAN, error, event.at, **{"attempt": attempt, **asked}
        )
    return end_loop(
        spent, outcome, second_review.explain_missing(state, message), event.at, **changes
    )


def _without_review(state: LoopState, event: AttemptFailed, why: str) -> LoopState | None:
    """The state that does without what is awaited, unless the agent tampered in a further pass."""
    if state.further is not None and event.failure is Failure.TAMPERED:
        return None
    return second_review.record_missed(state, why)


def _recorded_failure(state: LoopState, event: AttemptFailed) -> LoopState:
    result, why = event.failure.value, event.message
    return record_attempt(state, event.role, event.at, event.spent, result, why)


def _forget_session(state: LoopState, event: AttemptFailed) -> LoopState:
    """Drop a session that the backend does not know, or that is too long; try again at once."""
    if event.role.value not in state.sessions:
        raise IllegalTransition(f"the {event.role} resumed no session")
    attempt = attempt_of(state, event.role).model_copy(update={"waits": False, "claimed": False})
    usage = state.usage.plus(event.spent)
    left = sessions.drop_session(state, event.role)
    return update(state, usage=usage, attempt=attempt, sessions=left)


def accept_work(state: LoopState, event: WorkReported) -> LoopState:
    """Record the work of the round, and wait for the reviewer."""
    state = record_attempt(state, Role.WORKER, event.at, event.spent)
    work, verification = event.work, event.verification
    answered = record_responses(state.findings, event.report.responses)
    passed = verification is not None and verification.passed
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
        verified=verification.passed if verification else None,
        verify_seconds=verification.seconds if verification else None,
        notes=work.notes,
        growth=work.growth,
        restores=work.restores,
        restores_again=work.restores_again,
        diff_base=work.diff_base or state.compared_with,
        disputed=tuple(r.id for r in event.report.responses if r.action == "disputed"),
        kind="simplify" if state.simplify else "fresh" if state.fresh_round else "",
        attempts=recorded_earlier(state),
        run_id=state.lease.run_id if state.lease else "",
        run_attempt=state.lease.run_attempt if state.lease else 1,
    )
    return update(
        state,
        state=Phase.AWAITING_REVIEW,
        head_sha=work.head_sha,
        diff_base=work.diff_base or state.diff_base,
        base=base_moves.after_work(state.base, work.head_sha),
        usage=state.usage.plus(event.spent),
        verification=verification,
        findings=close_verified(answered, state.round) if passed else answered,
        attempts=(),
        **dict.fromkeys(("attempt", "second", "further", "wip")),
        sessions=sessions.keep_session(state, Role.WORKER, event.session),
        round_details=(*(d for d in state.round_details if d.round != state.round), detail),
        history=(*(r for r in state.history if r.round != state.round), record),
    )


def halt(state: LoopState, event: Halted) -> LoopState:
    """End the loop, with the commits that an interrupted worker left."""
    running = state.attempt
    if event.outcome is Outcome.INTERRUPTED and running is not None and running.claimed:
        role, why = running.role, event.error
        state = record_attempt(state, role, event.at, result="interrupted", why=why)
    changes = {
        "reasons": event.reasons,
        "wip": event.wip or state.wip,
        "held": event.held,
        "interrupted_run": event.interrupted_run,
    }
    return end_loop(state, event.outcome, event.error, event.at, **changes)


def record_post(state: LoopState, event: Published) -> LoopState:
    """Record that a post was made, or refused."""
    items = tuple(event.item if old.key == event.item.key else old for old in state.outbox)
    return update(
        state,
        outbox=items,
        pull_request=event.pull_request or state.pull_request,
        pull_request_url=event.pull_request_url or state.pull_request_url,
    )


def hand_over(state: LoopState, event: HandedOver) -> LoopState:
    """Release the lease, and count the job that is asked to continue."""
    usage = state.usage if event.spent is None else state.usage.plus(event.spent)
    if event.continue_to is not None:
        usage = usage.model_copy(update={"dispatches": usage.dispatches + 1})
    return update(
        state,
        lease=None,
        continue_to=event.continue_to,
        usage=usage,
        handed_over_by=state.lease.run_id if state.lease else "",
    )
