"""Sessions over rounds and attempts, and what the feed says of them and of where time went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.engine.world import World, two_rounds
from tests.fakes import Act

from loop_kit.core.agent.diagnosis import Problem, ProblemKind
from loop_kit.core.loop.state import Limits, Phase, Role
from loop_kit.ports import AgentExit, Assignment

UNKNOWN_SESSION = Problem(ProblemKind.INVALID_SESSION)
TOO_LONG = Problem(ProblemKind.CONTEXT_LENGTH, "ran out of room")
WARM = Limits(session_rounds=0, dispatch_retry_base_sec=1)


@pytest.fixture
def warm(world: World) -> World:
    world.local = True
    world.limits = WARM
    world.script = talking(two_rounds)
    return world


def talking(script: Callable[[Assignment], Act]) -> Callable[[Assignment], Act]:
    """`script` by agents that report a session, the same one when they resume one."""

    def reported(job: Assignment) -> Act:
        act = script(job)
        id_ = job.session.session_id if job.session else f"{job.role.value}-{job.round}"
        tokens = (100 * job.round, 10 * job.round)
        return replace(act, ended=replace(act.ended, session_id=id_, thread_tokens=tokens))

    return reported


def forgetful(job: Assignment) -> Act:
    """Round 2 does not know the session that round 1 left."""
    if job.session is not None:
        return Act(report=None, ended=AgentExit(exit_code=1, problem=UNKNOWN_SESSION))
    return talking(two_rounds)(job)


def resumes(world: World) -> list[tuple[object, object]]:
    events = [data for name, data in world.reporter.events if name == "dispatch_resume"]
    return [(data["role"], data["status"]) for data in events]


def test_both_roles_go_on_in_their_sessions(warm: World) -> None:
    state = warm.job()
    assert state.outcome == "approved"
    held = [job.session.session_id if job.session else None for job in warm.jobs]
    assert held == [None, None, "worker-1", "reviewer-1"]
    assert state.sessions["worker"].started_round == 1
    assert state.sessions["worker"].tokens_in == 200
    statuses = [status for _, status in resumes(warm)]
    assert statuses == ["resume_miss", "resume_miss", "resume_hit", "resume_hit"]


def test_a_session_of_another_backend_is_not_taken_up(warm: World) -> None:
    engine = warm.engine()
    engine.begin(warm.start(), warm.load())
    engine.run(last_round=1)
    other = warm.agent()
    other.name = "other"
    engine = warm.engine(agent=other)
    engine.begin(warm.start(), warm.load())
    engine.run()
    assert [job.session for job in warm.jobs] == [None] * 4


def test_a_session_that_is_gone_costs_one_attempt_and_no_pause(warm: World) -> None:
    warm.script = forgetful
    state = warm.job()
    assert state.outcome == "approved"
    second = [(job.role, job.attempt) for job in warm.jobs if job.round == 2]
    assert second == [(Role.WORKER, 1), (Role.WORKER, 2), (Role.REVIEWER, 1), (Role.REVIEWER, 2)]
    assert ("worker", "fallback_invalid_resume") in resumes(warm)
    assert warm.clock.slept == []


def test_a_session_that_is_too_long_for_the_model_is_replaced_at_once(warm: World) -> None:
    def script(job: Assignment) -> Act:
        if job.session is not None:
            return Act(report=None, ended=AgentExit(exit_code=1, problem=TOO_LONG))
        return talking(two_rounds)(job)

    warm.script = script
    state = warm.job()
    assert state.outcome == "approved"
    assert [job.session is None for job in warm.jobs if job.round == 2] == [False, True] * 2
    assert warm.clock.slept == []


def test_a_fresh_conversation_that_is_too_long_is_the_end(warm: World) -> None:
    warm.script = lambda _: Act(report=None, ended=AgentExit(exit_code=1, problem=TOO_LONG))
    state = warm.job()
    assert (state.outcome, len(warm.jobs)) == ("worker_dispatch_failed", 1)
    assert "Make the task smaller" in state.error


def test_a_backend_that_complains_of_a_session_it_was_not_given_is_only_tried_again(
    warm: World,
) -> None:
    warm.script = lambda _: Act(report=None, ended=AgentExit(exit_code=1, problem=UNKNOWN_SESSION))
    state = warm.job()
    assert (state.outcome, len(warm.jobs)) == ("worker_dispatch_failed", 3)


def test_a_session_is_rotated_when_it_is_old(warm: World) -> None:
    warm.limits = Limits(session_rounds=1)
    warm.job()
    assert [job.session for job in warm.jobs] == [None] * 4
    assert resumes(warm)[2:] == [("worker", "resume_rotated"), ("reviewer", "resume_rotated")]


def test_in_ci_no_session_is_reported_and_none_is_resumed(world: World) -> None:
    world.script = talking(two_rounds)
    world.job()
    world.job()
    assert [job.session for job in world.jobs] == [None] * 4
    assert resumes(world) == []


def test_tokens_of_a_session_survive_an_attempt_that_reported_none(warm: World) -> None:
    def script(job: Assignment) -> Act:
        act = talking(two_rounds)(job)
        if (job.role, job.round, job.attempt) == (Role.WORKER, 2, 1):
            silent = replace(act.ended, thread_tokens=None, exit_code=1)
            return Act(report=None, ended=silent)
        return act

    warm.script = script
    engine = warm.engine()
    engine.begin(warm.start(), warm.load())
    engine.run(last_round=1)
    before = engine.state.sessions["worker"]
    assert before.tokens_in == 100
    engine.run()
    retried = next(job for job in warm.jobs if (job.round, job.attempt) == (2, 2))
    assert retried.session == before


def test_every_attempt_tells_where_its_time_went(world: World) -> None:
    state = world.job()
    assert state.state is Phase.AWAITING_WORK
    measured = [data for name, data in world.reporter.events if name == "dispatch_phase_metrics"]
    assert [(data["role"], data["attempt"], data["backend"]) for data in measured] == [
        ("worker", 1, "fake"),
        ("reviewer", 1, "fake"),
    ]
    assert measured[0]["startup_ms"] == 0
    assert measured[0]["context_to_work_ms"] is None
    names = [name for name, _ in world.reporter.events]
    assert names.index("dispatch_first_stdout") < names.index("dispatch_complete")
    missed = [data for name, data in world.reporter.events if name == "dispatch_first_work_action"]
    assert missed[0]["status"] == "not_observed"
