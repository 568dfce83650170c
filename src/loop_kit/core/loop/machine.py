"""The loop as a table: a state and an event make a new state, and nothing else happens here.

    idle ──TaskStarted──▶ awaiting_work ──WorkReported──▶ awaiting_review ──approve──▶ done
                               ▲                                │
                               └────────changes_required────────┘

A *round* is one pass along the upper line. Inside it an agent may need several *attempts*: a
transient failure is tried again after a pause, an unusable report or a change out of scope goes
back to the agent once, with the reason quoted. Whatever else fails makes the loop `done` with an
outcome and a `resume_phase`, so that the next run continues at the phase that is outstanding (a
loop that is `paused` by command has one too): a worker whose commits were saved is never run, and
never paid for, twice.

`outstanding` asks of a state what is to be done next. It looks at nothing but the state; a process
that died between any two lines is therefore resumed by the same question that started it. Posts
to the forge come before the next agent, and the handing over to the next job comes last of all
(the engine does that when this run's round is over).

Events arrive in any order a crash can produce, but a pair that is not in the table is a bug and
raises `IllegalTransition`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loop_kit.core.loop import outbox, sessions
from loop_kit.core.loop.evidence import rejection_of_unverified
from loop_kit.core.loop.failures import OUTCOMES, REPAIRED, RETRIED
from loop_kit.core.loop.findings import applied
from loop_kit.core.loop.messages import (
    AttemptFailed,
    AttemptStarted,
    BaseVerified,
    Claim,
    Commanded,
    Effect,
    Event,
    Failure,
    Halted,
    HandedOver,
    HandOver,
    HeadVerified,
    LeaseTaken,
    LoopResumed,
    Publish,
    Published,
    ReviewReported,
    RunAgent,
    Stop,
    TaskStarted,
    Verify,
    WorkReported,
)
from loop_kit.core.loop.policy import over_budget, pause
from loop_kit.core.loop.resuming import (
    IllegalTransition,
    carried_out,
    changed,
    done,
    resumed,
    with_round,
    within_rounds,
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


@dataclass(frozen=True, slots=True)
class Step:
    """An event and the state after it."""

    event: Event
    after: LoopState


def outstanding(state: LoopState, *, posts: bool = True) -> Effect | None:
    """What this state asks to be done next; None when it waits for a person or is finished.

    Without `posts` there is no forge at hand: what is to be posted is left for a run that has one.
    """
    if posts and (due := outbox.due(state)):
        return Publish(due)
    role = _ROLES.get(state.state)
    if role is None:
        return None
    spent = over_budget(state.limits, state.usage)
    if spent:
        return Stop(Outcome.NEEDS_HUMAN, spent, ("budget",))
    attempt = _next_attempt(state, role)
    if state.verify and role is Role.WORKER and state.baseline is None:
        unclaimed = state.lease is not None and not attempt.claimed
        return Claim(attempt) if unclaimed else Verify(state.start_sha, at_base=True)
    if state.verify and role is Role.REVIEWER and not _is_head_verified(state):
        return Verify(state.head_sha, at_base=False)
    return attempt


def closing_effect(state: LoopState) -> Stop | HandOver:
    """What a run does when its round is over: it hands over, unless no more jobs are allowed."""
    if not state.is_running:
        return HandOver(continue_to=None)
    most = state.limits.max_dispatches
    if state.usage.dispatches >= most:
        return Stop(Outcome.NEEDS_HUMAN, f"All {most} dispatches are used.", ("budget",))
    return HandOver(continue_to=state.round)


def _is_head_verified(state: LoopState) -> bool:
    return state.verification is not None and state.verification.sha == state.head_sha


def _next_attempt(state: LoopState, role: Role) -> RunAgent:
    """The attempt of `role` that is claimed, or the next one."""
    last = _attempt_of(state, role)
    session, rotated = sessions.due(state, role)
    return RunAgent(
        role=role,
        round=state.round,
        attempt=last.number if last.claimed else last.number + 1,
        delay=0 if last.claimed else pause(state.limits, last),
        feedback=last.feedback,
        work_sha=last.work_sha,
        session=session,
        rotated=rotated,
        claimed=last.claimed,
    )


def _attempt_of(state: LoopState, role: Role) -> Attempt:
    if state.attempt is not None and state.attempt.role is role:
        return state.attempt
    return Attempt(role=role)


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
        state_branch=event.state_branch,
        pull_request=event.source.pull,
        pull_request_url=event.pull_request_url,
        limits=event.limits,
        verify=event.verify,
        lease=state.lease,
    )
    return within_rounds(fresh, event.at)


def _lease_taken(state: LoopState, event: LeaseTaken) -> LoopState:
    attempt, before = state.attempt, state.lease
    if attempt is not None:
        lost = before is not None and before.holder != event.lease.holder
        attempt = attempt.model_copy(update={"claimed": False, "lost": attempt.lost + lost})
    return changed(state, lease=event.lease, attempt=attempt)


def _base_verified(state: LoopState, event: BaseVerified) -> LoopState:
    verified = changed(state, baseline=event.verification)
    broken = event.verification.unavailable
    if broken is None:
        return verified
    error = f"The verify command {broken.command!r} cannot run (exit code {broken.exit_code})."
    return done(verified, Outcome.VERIFY_UNAVAILABLE, error, event.at)


def _expected(state: LoopState, role: Role) -> None:
    if _ROLES[state.state] is not role:
        raise IllegalTransition(f"an attempt of the {role} while {state.state}")


def _head_verified(state: LoopState, event: HeadVerified) -> LoopState:
    history = with_round(state.history, state.round, verified=event.verification.passed)
    return changed(state, verification=event.verification, history=history)


def _attempt_started(state: LoopState, event: AttemptStarted) -> LoopState:
    _expected(state, event.role)
    last = _attempt_of(state, event.role)
    attempt = last.model_copy(
        update={"number": last.number + 1, "started_at": event.at, "claimed": True}
    )
    first = event.role is Role.WORKER and last.number == 0
    return changed(state, attempt=attempt, started_at=event.at if first else state.started_at)


def _attempt_failed(state: LoopState, event: AttemptFailed) -> LoopState:
    _expected(state, event.role)
    if event.failure is Failure.STALE_SESSION:
        return _without_session(state, event)
    outcome = OUTCOMES.get((event.role, event.failure))
    if outcome is None:
        raise IllegalTransition(f"{event.failure} of the {event.role}")
    attempt = _attempt_of(state, event.role).model_copy(update={"claimed": False})
    if event.work_sha:
        attempt = attempt.model_copy(update={"work_sha": event.work_sha})
    left = sessions.after_failure(state, event, attempt.retries)
    used = state.usage.plus(event.spent)
    spent = changed(state, usage=used, sessions=left, wip=event.wip or state.wip)
    if event.failure in RETRIED and attempt.retries < state.limits.dispatch_retries:
        pause_due = {"waits": True, "retry_after": event.retry_after or 0}
        again = {"retries": attempt.retries + 1, **pause_due}
        return changed(spent, attempt=attempt.model_copy(update=again))
    if event.failure in REPAIRED and event.repairable and attempt.repairs < 1:
        changes = {"repairs": attempt.repairs + 1, "feedback": event.message, "waits": False}
        return changed(spent, attempt=attempt.model_copy(update=changes))
    reasons = (event.failure.value,) if outcome is Outcome.NEEDS_HUMAN else ()
    message = event.message
    if event.failure is Failure.TRANSIENT and attempt.retries:
        message = f"{message} Given up after {attempt.retries + 1} attempts."
    return done(spent, outcome, message, event.at, reasons=reasons, attempt=attempt)


def _without_session(state: LoopState, event: AttemptFailed) -> LoopState:
    """The conversation is unknown to the backend, or too long: a new one, at once."""
    if event.role.value not in state.sessions:
        raise IllegalTransition(f"the {event.role} took up no session")
    attempt = _attempt_of(state, event.role).model_copy(update={"waits": False, "claimed": False})
    usage = state.usage.plus(event.spent)
    left = sessions.without(state, event.role)
    return changed(state, usage=usage, attempt=attempt, sessions=left)


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
    return changed(
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
    reviewed = changed(
        state,
        findings=findings,
        usage=usage.model_copy(update={"rounds": usage.rounds + 1}),
        attempt=None,
        sessions=sessions.kept(state, Role.REVIEWER, event.session),
        round_details=with_round(state.round_details, state.round, review_decision=decision),
        history=with_round(state.history, state.round, decision=decision, new_findings=fresh),
    )
    if decision == "approve":
        return done(reviewed, Outcome.APPROVED, "", event.at)
    again = changed(reviewed, state=Phase.AWAITING_WORK, round=state.round + 1)
    return within_rounds(again, event.at)


def _halted(state: LoopState, event: Halted) -> LoopState:
    kept = {"reasons": event.reasons, "wip": event.wip or state.wip}
    return done(state, event.outcome, event.error, event.at, **kept)


def _published(state: LoopState, event: Published) -> LoopState:
    items = tuple(event.item if old.key == event.item.key else old for old in state.outbox)
    return changed(
        state,
        outbox=items,
        pull_request=event.pull_request or state.pull_request,
        pull_request_url=event.pull_request_url or state.pull_request_url,
    )


def _handed_over(state: LoopState, event: HandedOver) -> LoopState:
    usage = state.usage
    if event.continue_to is not None:
        usage = usage.model_copy(update={"dispatches": usage.dispatches + 1})
    return changed(
        state,
        lease=None,
        continue_to=event.continue_to,
        usage=usage,
        handed_over_by=state.lease.run_id if state.lease else "",
    )


_ROLES: Mapping[Phase, Role] = {
    Phase.AWAITING_WORK: Role.WORKER,
    Phase.AWAITING_REVIEW: Role.REVIEWER,
}

_Handler = Callable[[LoopState, Any], LoopState]
_RUNNING = (Phase.AWAITING_WORK, Phase.AWAITING_REVIEW)
_BEGUN = (*_RUNNING, Phase.PAUSED, Phase.DONE)

_TABLE: Mapping[tuple[Phase, type], _Handler] = {
    (Phase.IDLE, LeaseTaken): _lease_taken,
    (Phase.IDLE, TaskStarted): _task_started,
    **{(phase, LoopResumed): resumed for phase in (Phase.DONE, Phase.PAUSED)},
    (Phase.AWAITING_WORK, BaseVerified): _base_verified,
    (Phase.AWAITING_WORK, WorkReported): _work_reported,
    (Phase.AWAITING_REVIEW, HeadVerified): _head_verified,
    (Phase.AWAITING_REVIEW, ReviewReported): _review_reported,
    **{(phase, LoopResumed): resumed for phase in _RUNNING},
    **{(phase, AttemptStarted): _attempt_started for phase in _RUNNING},
    **{(phase, AttemptFailed): _attempt_failed for phase in _RUNNING},
    **{(phase, Halted): _halted for phase in _RUNNING},
    **{(phase, LeaseTaken): _lease_taken for phase in _BEGUN},
    **{(phase, Commanded): carried_out for phase in _BEGUN},
    **{(phase, Published): _published for phase in _BEGUN},
    **{(phase, HandedOver): _handed_over for phase in _BEGUN},
}
