"""Whatever ended a loop, the next run continues at the phase that is outstanding."""

import pytest
from tests.core import builders as b

from loop_kit.core.loop.effects import (
    RunAgent,
    Verify,
)
from loop_kit.core.loop.machine import outstanding, transition
from loop_kit.core.loop.messages import (
    BaseVerified,
    Failure,
    HandedOver,
    HeadVerified,
)
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Phase, Role

RESUMABLE = [outcome for outcome in Outcome if outcome is not Outcome.APPROVED]


def waiting(phase: Phase) -> LoopState:
    return b.awaiting_work() if phase is Phase.AWAITING_WORK else b.awaiting_review()


@pytest.mark.parametrize("outcome", RESUMABLE)
@pytest.mark.parametrize("phase", [Phase.AWAITING_WORK, Phase.AWAITING_REVIEW])
def test_every_outcome_but_approved_continues_where_it_stopped(
    phase: Phase, outcome: Outcome
) -> None:
    before = waiting(phase)
    stopped = transition(before, b.halted(outcome))
    assert (stopped.state, stopped.resume_phase) == ("done", phase)
    assert outstanding(stopped) is None
    state = transition(stopped, b.resumed())
    assert (state.state, state.round, state.outcome) == (phase, 1, None)
    assert (state.error, state.failed_at, state.reasons, state.resume_phase) == ("", "", (), None)
    assert outstanding(state) == outstanding(before)


@pytest.mark.parametrize("failure", b.AGENT_FAILURES[Role.REVIEWER])
def test_a_worker_whose_commits_were_saved_is_never_run_again_for_that_round(
    failure: Failure,
) -> None:
    limits = Limits(dispatch_retries=0)
    event = b.failed(Role.REVIEWER, failure, repairable=False)
    stopped = b.after(b.awaiting_review(limits), b.attempted(Role.REVIEWER), event)
    state = transition(stopped, b.resumed(limits))
    effect = outstanding(state)
    assert isinstance(effect, RunAgent)
    assert (effect.role, effect.round, effect.attempt) == (Role.REVIEWER, 1, 2)
    assert state.head_sha == b.sha(1)


def test_a_run_that_died_inside_an_attempt_repeats_only_that_attempt() -> None:
    died = b.after(b.awaiting_review(), b.attempted(Role.REVIEWER))
    effect = outstanding(transition(died, b.resumed()))
    assert effect == RunAgent(Role.REVIEWER, round=1, attempt=2)


def test_an_attempt_is_never_numbered_twice_so_that_each_has_a_fresh_mailbox() -> None:
    state = b.awaiting_work()
    numbers = []
    for _ in range(4):
        effect = outstanding(state)
        assert isinstance(effect, RunAgent)
        numbers.append(effect.attempt)
        state = b.after(state, b.attempted(Role.WORKER), b.halted(Outcome.INTERRUPTED), b.resumed())
    assert numbers == [1, 2, 3, 4]


def test_resuming_gives_fresh_retries_and_a_fresh_repair_and_still_quotes_the_reason() -> None:
    limits = Limits(dispatch_retries=1)
    bad = b.failed(Role.WORKER, Failure.INVALID_REPORT, "missing 'round'", work_sha=b.sha(3))
    gone = b.failed(Role.WORKER, Failure.TRANSIENT)
    stopped = b.after(b.awaiting_work(limits), bad, gone, gone)
    assert stopped.outcome is Outcome.WORKER_DISPATCH_FAILED
    state = transition(stopped, b.resumed(limits))
    effect = outstanding(state)
    assert isinstance(effect, RunAgent)
    assert (effect.delay, effect.feedback, effect.work_sha) == (0, "missing 'round'", b.sha(3))
    assert b.after(state, gone, bad).state is Phase.AWAITING_WORK


def test_exhausted_rounds_stay_exhausted_until_a_person_allows_more() -> None:
    limits = Limits(max_rounds=1)
    stopped = transition(b.awaiting_review(limits), b.rejected(1))
    again = transition(stopped, b.resumed(limits))
    assert (again.outcome, again.resume_phase) == (Outcome.MAX_ROUNDS_EXHAUSTED, "awaiting_work")
    state = transition(again, b.resumed(Limits(max_rounds=2)))
    assert outstanding(state) == RunAgent(Role.WORKER, round=2, attempt=1)
    assert [finding.id for finding in state.findings] == ["F1"]


def test_the_verification_of_the_base_is_not_repeated_by_a_resume() -> None:
    state = b.after(b.awaiting_work(verify=("check 1",)), BaseVerified(b.verified(0, 1), b.AT))
    state = b.after(state, b.halted(Outcome.INTERRUPTED), b.resumed())
    assert outstanding(state) == RunAgent(Role.WORKER, round=1, attempt=1)


def test_the_continuation_that_was_asked_for_is_used_up_by_the_next_run() -> None:
    state = b.after(b.awaiting_review(), b.rejected(1), HandedOver(2))
    assert state.continue_to == 2
    assert transition(state, b.resumed()).continue_to is None


def test_an_accepted_push_of_a_person_is_what_the_worker_builds_on() -> None:
    stopped = transition(b.awaiting_work(), b.halted(Outcome.NEEDS_HUMAN))
    assert transition(stopped, b.resumed(head_sha=b.sha(9))).tip == b.sha(9)
    assert transition(stopped, b.resumed()).tip == b.START


def pushed_before_the_review() -> LoopState:
    """A person's commit was accepted as the head after the worker's was verified."""
    state = b.after(b.awaiting_work(verify=("check 1",)), BaseVerified(b.verified(0, 0), b.AT))
    state = transition(state, b.work_reported(1, 1, verification=b.verified(1, 0)))
    return b.after(state, b.halted(Outcome.NEEDS_HUMAN), b.resumed(head_sha=b.sha(9)))


def test_a_push_accepted_before_the_review_is_verified_before_it_is_reviewed() -> None:
    state = pushed_before_the_review()
    assert outstanding(state) == Verify(b.sha(9), at_base=False)
    state = transition(state, HeadVerified(b.verified(9, 0)))
    assert outstanding(state) == RunAgent(Role.REVIEWER, round=1, attempt=1)
    assert (state.history[0].head_sha, state.history[0].verified) == (b.sha(9), True)


def test_a_push_that_does_not_verify_cannot_be_approved() -> None:
    state = b.after(pushed_before_the_review(), HeadVerified(b.verified(9, 1, tail="boom")))
    state = transition(state, b.approved(1))
    assert (state.outcome, state.findings[0].scenario) == (None, "exit code 1\nboom")
    assert state.history[0].decision == "changes_required"


def test_the_round_is_recorded_with_the_push_that_was_accepted() -> None:
    assert pushed_before_the_review().history[0].head_sha == b.sha(9)


def test_an_interruption_exits_130_and_a_cancellation_0() -> None:
    assert transition(b.awaiting_work(), b.halted(Outcome.INTERRUPTED)).exit_code == 130
    assert transition(b.awaiting_work(), b.halted(Outcome.CANCELLED)).exit_code == 0
    assert b.awaiting_work().exit_code == 0
