"""Warm resume: which session is resumed, and when it is dropped."""

from __future__ import annotations

import dataclasses

import pytest
from tests.core import builders as b

from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.machine import IllegalTransition, outstanding
from loop_kit.core.loop.messages import (
    Failure,
)
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Role, Session

FIRST = Session(session_id="s-1", backend="codex", started_round=1, tokens_in=10, tokens_out=1)
WARM = Limits(session_rounds=0, max_rounds=9)


def due(state: LoopState) -> RunAgent:
    effect = outstanding(state)
    assert isinstance(effect, RunAgent)
    return effect


def reviewed(limits: Limits, rounds: int = 1) -> LoopState:
    """A loop whose first round left a session of each role, and that was sent back `rounds` times.

    The worker's session is the first one's in every round.
    """
    state = b.awaiting_work(limits)
    for round_ in range(1, rounds + 1):
        work = dataclasses.replace(b.work_reported(round_, round_), session=FIRST)
        state = b.after(state, work, b.rejected(round_))
    return state


def test_the_worker_of_the_next_round_resumes_its_session() -> None:
    effect = due(reviewed(WARM))
    assert (effect.role, effect.round, effect.session) == (Role.WORKER, 2, FIRST)
    assert not effect.rotated


def test_a_role_without_a_conversation_starts_one() -> None:
    state = b.after(reviewed(WARM), b.work_reported(2, 2))
    assert (due(state).role, due(state).session) == (Role.REVIEWER, None)


def test_nothing_is_taken_up_again_where_conversations_do_not_outlive_a_run() -> None:
    state = reviewed(Limits(session_rounds=None, max_rounds=9))
    assert state.sessions["worker"] == FIRST
    assert (due(state).session, due(state).rotated) == (None, False)


@pytest.mark.parametrize(("most", "rounds", "rotated"), [(2, 1, False), (2, 2, True), (1, 1, True)])
def test_a_conversation_is_rotated_after_so_many_rounds(
    most: int, rounds: int, rotated: bool
) -> None:
    effect = due(reviewed(Limits(session_rounds=most, max_rounds=9), rounds))
    assert (effect.rotated, effect.session is None) == (rotated, rotated)


def test_a_conversation_that_its_backend_forgot_is_replaced_at_once() -> None:
    state = b.after(reviewed(WARM), b.attempted(Role.WORKER))
    after = b.after(state, b.failed(Role.WORKER, Failure.STALE_SESSION))
    effect = due(after)
    assert (effect.session, effect.delay, effect.attempt) == (None, 0, 2)
    assert after.attempt is not None
    assert (after.attempt.retries, after.attempt.repairs) == (0, 0)


def test_only_a_conversation_that_was_taken_up_can_be_forgotten() -> None:
    state = b.after(b.awaiting_work(WARM), b.attempted(Role.WORKER))
    with pytest.raises(IllegalTransition, match="resumed no session"):
        b.after(state, b.failed(Role.WORKER, Failure.STALE_SESSION))


def test_the_feedback_of_a_repair_survives_a_forgotten_conversation() -> None:
    state = b.after(
        reviewed(WARM),
        b.attempted(Role.WORKER),
        b.failed(Role.WORKER, Failure.INVALID_REPORT, "no round", session=FIRST),
        b.attempted(Role.WORKER),
        b.failed(Role.WORKER, Failure.STALE_SESSION),
    )
    assert due(state).feedback == "no round"


def test_a_repair_is_asked_for_in_the_conversation_that_made_the_mistake() -> None:
    fresh = FIRST.model_copy(update={"session_id": "s-2"})
    state = b.after(
        b.awaiting_work(WARM),
        b.attempted(Role.WORKER),
        b.failed(Role.WORKER, Failure.INVALID_REPORT, session=fresh),
    )
    assert due(state).session == fresh


@pytest.mark.parametrize("failure", [Failure.PERMANENT, Failure.TIMEOUT, Failure.HISTORY])
def test_a_conversation_that_may_be_what_is_broken_is_given_up(failure: Failure) -> None:
    state = b.after(reviewed(WARM), b.attempted(Role.WORKER), b.failed(Role.WORKER, failure))
    assert "worker" not in state.sessions


def test_a_transient_failure_keeps_the_conversation_once() -> None:
    state = reviewed(WARM)
    resumed = []
    for _ in range(2):
        state = b.after(
            state, b.attempted(Role.WORKER), b.failed(Role.WORKER, Failure.TRANSIENT, session=FIRST)
        )
        resumed.append(due(state).session)
    assert resumed == [FIRST, None]


@pytest.mark.parametrize("failure", [Failure.DEFERRED, Failure.BUDGET])
def test_a_session_that_only_has_to_wait_is_kept(failure: Failure) -> None:
    stopped = b.after(
        reviewed(WARM), b.attempted(Role.WORKER), b.failed(Role.WORKER, failure, session=FIRST)
    )
    assert due(b.after(stopped, b.resumed(WARM))).session == FIRST


def test_commits_of_a_person_end_the_conversations_about_the_code_before() -> None:
    stopped = b.after(reviewed(WARM), b.attempted(Role.WORKER), b.halted(Outcome.INTERRUPTED))
    assert b.after(stopped, b.resumed(WARM)).sessions
    assert not b.after(stopped, b.resumed(WARM, head_sha=b.sha(9))).sessions


@pytest.mark.parametrize("name", ["--help", "", "a b", "$(id)", "../x", "a\nb"])
def test_what_is_no_sessions_name_never_comes_back_to_a_command_line(name: str) -> None:
    odd = FIRST.model_copy(update={"session_id": name})
    state = reviewed(WARM).model_copy(update={"sessions": {"worker": odd}})
    assert due(state).session is None


def test_a_new_loop_starts_without_conversations() -> None:
    old = LoopState(sessions={"worker": FIRST})
    assert not b.after(old, b.task_started(WARM)).sessions
