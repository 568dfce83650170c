"""The loop as a table: a state and an event make a new state, and nothing else happens here.

`TABLE` is that table, and the diagram in docs/architecture.md is drawn from it.

A *round* is one work report and one review. Inside it an agent may need several *attempts*: a
transient failure is tried again after a pause, an unusable report or a change out of scope goes
back to the agent once, with the reason quoted. Whatever else fails makes the loop `done` with an
outcome and a `resume_phase`, so that the next run continues at the phase that is outstanding (a
loop that is `paused` by command has one too): a worker whose commits were saved is never run, and
never paid for, twice.

`outstanding` says what a state asks to be done next: read checks, post what is due, stop at a used
up budget, claim the first attempt, prepare a workspace, verify, run an agent. It looks at nothing
but the state and what there is on this machine (a forge, a prepared workspace); a process that died
between any two lines is therefore resumed by the same question that started it.
`closing_effect` says how a run ends when its round is over.

Events arrive in any order a crash can produce, but a pair that is not in the table is a bug and
raises `IllegalTransition`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from loop_kit.core.loop import (
    approving,
    base_moves,
    checking,
    handlers,
    outbox,
    passes,
    reviewing,
    second_review,
    sessions,
)
from loop_kit.core.loop.answers import carry_out
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.core.loop.checks_read import ChecksRead
from loop_kit.core.loop.conversation import PeopleRead
from loop_kit.core.loop.effects import (
    Claim,
    Effect,
    HandOver,
    Prepare,
    Publish,
    RunAgent,
    SkipPass,
    SkipSecondReview,
    Stop,
    Verify,
)
from loop_kit.core.loop.handlers import attempt_of, awaited_role
from loop_kit.core.loop.messages import (
    AttemptFailed,
    AttemptStarted,
    BaseVerified,
    Commanded,
    Event,
    Halted,
    HandedOver,
    HeadVerified,
    LeaseTaken,
    LoopResumed,
    MergeLeftOut,
    PassSkipped,
    PreparationFailed,
    Published,
    PushWasRefused,
    ReviewReported,
    SandboxChosen,
    SecondReviewSkipped,
    TaskStarted,
    WorkReported,
)
from loop_kit.core.loop.people import record_people
from loop_kit.core.loop.policy import exceeded_budget, pause
from loop_kit.core.loop.refused_push import refuse_push
from loop_kit.core.loop.resuming import IllegalTransition, resume_loop
from loop_kit.core.loop.state import LoopState, Outcome, Phase, Role
from loop_kit.frozen import frozen

Handler = Callable[[LoopState, Any], LoopState]
Row = tuple[Handler, set[Phase]]
"""What handles an event in a phase, and the phases that this may lead to."""

_IDLE, _PAUSED, _DONE = Phase.IDLE, Phase.PAUSED, Phase.DONE
_WORK, _REVIEW = Phase.AWAITING_WORK, Phase.AWAITING_REVIEW

TABLE: Mapping[Phase, Mapping[type[Event], Row]] = {
    _IDLE: {
        LeaseTaken: (handlers.take_lease, {_IDLE}),
        TaskStarted: (handlers.start_task, {_WORK, _DONE}),
    },
    _WORK: {
        LeaseTaken: (handlers.take_lease, {_WORK}),
        LoopResumed: (resume_loop, {_WORK, _REVIEW, _DONE}),
        SandboxChosen: (handlers.record_sandbox, {_WORK}),
        PreparationFailed: (handlers.fail_preparation, {_DONE}),
        AttemptStarted: (handlers.start_attempt, {_WORK}),
        BaseVerified: (handlers.record_base_verification, {_WORK, _DONE}),
        BaseCompared: (approving.record_comparison, {_WORK, _REVIEW}),
        AttemptFailed: (handlers.fail_attempt, {_WORK, _DONE}),
        WorkReported: (handlers.accept_work, {_REVIEW}),
        ChecksRead: (approving.accept_checks, {_WORK, _REVIEW}),
        Halted: (handlers.halt, {_DONE}),
        Commanded: (carry_out, {_WORK, _REVIEW, _PAUSED, _DONE}),
        PeopleRead: (record_people, {_WORK, _REVIEW}),
        PushWasRefused: (refuse_push, {_WORK, _DONE}),
        Published: (handlers.record_post, {_WORK}),
        HandedOver: (handlers.hand_over, {_WORK}),
    },
    _REVIEW: {
        LeaseTaken: (handlers.take_lease, {_REVIEW}),
        LoopResumed: (resume_loop, {_REVIEW, _DONE}),
        HeadVerified: (handlers.record_head_verification, {_REVIEW}),
        BaseCompared: (approving.record_comparison, {_REVIEW, _WORK, _DONE}),
        SandboxChosen: (handlers.record_sandbox, {_REVIEW}),
        PreparationFailed: (handlers.fail_preparation, {_DONE}),
        AttemptStarted: (handlers.start_attempt, {_REVIEW}),
        AttemptFailed: (handlers.fail_attempt, {_REVIEW, _DONE}),
        ReviewReported: (reviewing.accept_review, {_REVIEW, _WORK, _DONE}),
        PassSkipped: (reviewing.skip_pass, {_REVIEW, _WORK, _DONE}),
        SecondReviewSkipped: (reviewing.skip_second_review, {_REVIEW, _WORK, _DONE}),
        ChecksRead: (approving.accept_checks, {_REVIEW, _WORK, _DONE}),
        Halted: (handlers.halt, {_DONE}),
        Commanded: (carry_out, {_REVIEW, _PAUSED, _DONE}),
        PeopleRead: (record_people, {_REVIEW}),
        PushWasRefused: (refuse_push, {_WORK, _DONE}),
        Published: (handlers.record_post, {_REVIEW}),
        HandedOver: (handlers.hand_over, {_REVIEW}),
    },
    _PAUSED: {
        LeaseTaken: (handlers.take_lease, {_PAUSED}),
        LoopResumed: (resume_loop, {_WORK, _REVIEW, _DONE}),
        Commanded: (carry_out, {_PAUSED, _WORK, _REVIEW, _DONE}),
        PeopleRead: (record_people, {_PAUSED}),
        PushWasRefused: (refuse_push, {_DONE}),
        Published: (handlers.record_post, {_PAUSED}),
        HandedOver: (handlers.hand_over, {_PAUSED}),
    },
    _DONE: {
        LeaseTaken: (handlers.take_lease, {_DONE}),
        LoopResumed: (resume_loop, {_WORK, _REVIEW, _DONE}),
        Commanded: (carry_out, {_DONE, _WORK, _REVIEW}),
        PeopleRead: (record_people, {_DONE}),
        PushWasRefused: (refuse_push, {_DONE}),
        MergeLeftOut: (approving.leave_out_merge, {_DONE}),
        Published: (handlers.record_post, {_DONE}),
        HandedOver: (handlers.hand_over, {_DONE}),
    },
}


def transition(state: LoopState, event: Event) -> LoopState:
    """The state after `event`, one step further in `seq`.

    Raises:
        IllegalTransition: the table has no row for this phase and event.
    """
    row = TABLE[state.state].get(type(event))
    if row is None:
        raise IllegalTransition(f"{type(event).__name__} while {state.state}")
    handle, _ = row
    after = handle(state, event)
    intents = outbox.plan_posts(state, after)
    return after.model_copy(update={"seq": state.seq + 1, "outbox": intents})


@frozen
class Step:
    """An event and the state after it."""

    event: Event
    after: LoopState


def outstanding(
    state: LoopState,
    *,
    posts: bool = True,
    prepared: bool = True,
    compares: bool = False,
    checked: bool = True,
) -> Effect | None:
    """What this state asks to be done next; None when it waits for a person, or for checks.

    Without `posts` there is no forge at hand: what is to be posted is left for a run that has one.
    Without `prepared` this machine has not prepared a workspace yet, and nobody is paid before.
    With `compares` the base branch can be looked at, which is made durable with the claim.
    Without `checked` this run has not read the checks of the head yet.
    """
    reading = checking.reading_due(state) if posts and not checked else None
    role, due = awaited_role(state), outbox.due_posts(state) if posts else ()
    is_held = reading is not None and reading.is_approval
    compared = base_moves.due_comparison(state, is_held=is_held) if compares else None
    if due and not is_held:
        return Publish(due)
    if role is None or reading is not None:
        return compared if is_held and compared else reading
    spent = exceeded_budget(state.limits, state.usage)
    skipped = _skip(state, spent)
    if skipped is not None or compared is not None:
        return skipped or compared
    attempt = _next_attempt(state, role)
    return _before_attempt(state, attempt, prepared=prepared) or attempt


def _skip(state: LoopState, spent: str | None) -> Effect | None:
    """What is done without, or why the loop ends; `spent` is the budget that is used up."""
    unpassed = passes.reason_to_skip(state, spent)
    if unpassed:
        return SkipPass(unpassed)
    skipped = second_review.reason_to_skip(state, spent)
    if skipped:
        return SkipSecondReview(skipped)
    return Stop(Outcome.NEEDS_HUMAN, spent, ("budget",)) if spent else None


def _before_attempt(state: LoopState, attempt: RunAgent, *, prepared: bool) -> Effect | None:
    """What is due before this attempt; the claim comes first, for the others may take long."""
    by_worker = attempt.role is Role.WORKER
    verifies_base = by_worker and state.verify and state.baseline is None
    unclaimed = state.lease is not None and not attempt.claimed
    if by_worker and unclaimed and (verifies_base or not prepared):
        return Claim(attempt)
    if not prepared:
        return Prepare(state.tip)
    if verifies_base:
        return Verify(state.start_sha, at_base=True)
    if state.verify and not by_worker and not _is_head_verified(state):
        return Verify(state.head_sha, at_base=False)
    return None


def closing_effect(state: LoopState) -> Stop | HandOver:
    """What a run does when its round is over: it hands over, unless no more jobs are allowed."""
    if not state.is_running or checking.is_approval_held(state):
        return HandOver(continue_to=None)
    most = state.limits.max_dispatches
    if state.usage.dispatches >= most:
        return Stop(Outcome.NEEDS_HUMAN, f"All {most} dispatches are used.", ("budget",))
    return HandOver(continue_to=state.round)


def _is_head_verified(state: LoopState) -> bool:
    return state.verification is not None and state.verification.sha == state.head_sha


def _next_attempt(state: LoopState, role: Role) -> RunAgent:
    """The attempt of `role` that is claimed, or the next one."""
    last = attempt_of(state, role)
    session, rotated = sessions.due_session(state, role)
    return RunAgent(
        role=role,
        round=state.round,
        attempt=last.number if last.claimed else last.number + 1,
        delay=0 if last.claimed else pause(state.limits, last),
        feedback=last.feedback,
        repairs_report=last.report_refused,
        work_sha=last.work_sha,
        session=session,
        rotated=rotated,
        claimed=last.claimed,
    )
