"""Problems that a backend reports: waited out, left to a person, or sent back to the agent."""

from __future__ import annotations

import re

import pytest
from tests.engine.test_attempts import every_attempt, first_attempt
from tests.engine.world import World
from tests.fakes import Act

from loop_kit.core.agent.diagnosis import Problem, ProblemKind
from loop_kit.core.loop.state import Outcome, Role
from loop_kit.engine.options import Options
from loop_kit.ports import AgentExit


def broken_by(
    kind: ProblemKind, message: str, retry_after: float | None = None, *, code: int = 1
) -> AgentExit:
    return AgentExit(exit_code=code, problem=Problem(kind, message, retry_after))


@pytest.mark.parametrize("role", [Role.WORKER, Role.REVIEWER])
def test_a_wait_that_was_asked_for_is_waited(world: World, role: Role) -> None:
    busy = broken_by(ProblemKind.RATE_LIMIT, "slow down", 90)
    world.script = first_attempt(role, Act(None, ended=busy))

    assert world.job().continue_to == 2
    assert world.clock.slept == [90]


@pytest.mark.parametrize(
    ("round_timeout", "wait"), [(None, 901.0), (600.0, 601.0), (5400.0, 86_400.0)]
)
def test_a_wait_that_is_longer_than_the_run_stops_the_loop_and_says_when_to_go_on(
    world: World, round_timeout: float | None, wait: float
) -> None:
    world.options = Options(round_timeout=round_timeout)
    usual = world.script
    busy = broken_by(ProblemKind.RATE_LIMIT, "slow down", wait)
    world.script = every_attempt(Role.WORKER, Act(None, ended=busy))

    state = world.job()

    assert (state.outcome, state.resume_phase) == ("worker_dispatch_failed", "awaiting_work")
    assert (len(world.jobs), world.clock.slept) == (1, [])
    assert "not retrying" not in state.error
    assert re.search(rf"A pause of {wait:.0f} s is due: try again after 2030-01-\d\dT", state.error)
    world.script = usual
    assert world.to_the_end().outcome is Outcome.APPROVED


def test_a_wait_that_fits_the_run_is_no_reason_to_stop(world: World) -> None:
    world.options = Options(round_timeout=600)
    busy = broken_by(ProblemKind.RATE_LIMIT, "slow down", 590)
    world.script = first_attempt(Role.WORKER, Act(None, ended=busy))

    assert world.job().continue_to == 2
    assert world.clock.slept == [590]


def test_a_pause_of_ours_is_not_begun_when_the_round_is_over_before_it_ends(world: World) -> None:
    world.options = Options(round_timeout=12)
    world.limits = world.limits.model_copy(update={"dispatch_retry_base_sec": 5.0})
    busy = broken_by(ProblemKind.OVERLOAD, "busy")
    world.script = every_attempt(Role.WORKER, Act(None, ended=busy))

    state = world.job()

    assert (world.clock.slept, len(world.jobs)) == ([5], 2)
    assert "A pause of 10 s is due" in state.error


@pytest.mark.parametrize("role", [Role.WORKER, Role.REVIEWER])
def test_a_limit_of_the_backend_needs_a_person(world: World, role: Role) -> None:
    used = broken_by(ProblemKind.LIMIT, "error_max_turns")
    world.script = every_attempt(role, Act(None, ended=used))

    state = world.job()

    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("budget",))
    assert len([job for job in world.jobs if job.role is role]) == 1
    assert f"`{role.value}-args`" in state.error


def test_a_model_that_refuses_is_quoted_although_the_exit_code_is_0(world: World) -> None:
    refused = broken_by(ProblemKind.REFUSAL, "I will not.", code=0)
    world.script = every_attempt(Role.WORKER, Act(None, ended=refused))

    state = world.job()

    assert (state.outcome, len(world.jobs)) == (Outcome.WORKER_DISPATCH_FAILED, 1)
    assert "the model refused, and said: I will not." in state.error


@pytest.mark.parametrize(("kind", "code"), [("truncated", 0), ("truncated", 1), ("denied", 0)])
def test_an_agent_that_did_not_finish_is_asked_to_once(world: World, kind: str, code: int) -> None:
    short = broken_by(ProblemKind(kind), "it was cut off", code=code)
    world.script = every_attempt(Role.WORKER, Act(None, ended=short))

    state = world.job()

    assert (state.outcome, len(world.jobs)) == (Outcome.WORKER_DISPATCH_FAILED, 2)
    assert "without writing work_report.json: it was cut off" in world.jobs[1].prompt
    assert "it was cut off" in state.error
    assert world.clock.slept == []


@pytest.mark.parametrize("kind", ProblemKind)
def test_a_usable_report_counts_more_than_any_problem(world: World, kind: ProblemKind) -> None:
    act = Act({"notes": "done"}, {"a.py": b"x\n"}, "Work", broken_by(kind, "x", 3600))
    world.script = first_attempt(Role.WORKER, act)

    assert world.job().continue_to == 2
    assert world.asked(Role.WORKER) == [1]


def test_the_kind_of_a_failure_is_in_the_feed(world: World) -> None:
    world.script = every_attempt(
        Role.WORKER, Act(None, ended=broken_by(ProblemKind.QUOTA, "no more"))
    )

    world.job()

    failures = [data for name, data in world.reporter.events if name == "dispatch_fail"]
    assert [data["problem"] for data in failures] == ["quota"]
