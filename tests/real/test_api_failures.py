"""What the loop makes of a model that fails, by what the real agents then say and exit with."""

from __future__ import annotations

import pytest
from tests.real.harness import Agent, Bench
from tests.real.scripts import ONE_ROUND, failing, reviewer, scenario, turn, worker
from tests.support.scripted_model_script import Fault, Read, Script, Step

AGENTS: tuple[Agent, ...] = ("codex", "claude", "opencode")
IMPATIENT: tuple[Agent, ...] = ("codex", "claude")
"""opencode's own retries cannot be switched off."""
APPROVES = reviewer(1, approves=True)


def failing_first(times: int, **how: object) -> Script:
    """A worker whose first `times` requests fail, and who then does its work."""
    fault = Fault(times=times, **how)  # type: ignore[arg-type]
    return worker(1, Step(say="Here.", call=Read("calc.py"), fault=fault))


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.impatient()
    return bench


@pytest.mark.parametrize("agent", AGENTS)
def test_a_key_that_is_refused_stops_the_loop_at_once_and_is_named(
    bench: Bench, agent: Agent
) -> None:
    bench.served.scenario = scenario(failing("worker", Fault("status", status=401)))

    result = bench.review(agent, agent)

    assert result.code == 2, result.text
    assert bench.ended == ("done", "worker_dispatch_failed")
    assert bench.problems() == ["authentication"]
    assert f"Log in to {agent}" in bench.state["error"]
    assert "API key" in bench.state["error"]


@pytest.mark.parametrize("agent", IMPATIENT)
def test_a_key_that_is_missing_stops_the_loop_before_the_model_is_asked(
    bench: Bench, agent: Agent
) -> None:
    del bench.extra["SCRIPTED_KEY"], bench.extra["ANTHROPIC_API_KEY"]

    result = bench.review(agent, agent)

    assert result.code == 2, result.text
    assert bench.problems() == ["authentication"]
    assert f"Log in to {agent}" in bench.state["error"]
    assert bench.served.exchanges == []


@pytest.mark.parametrize("agent", IMPATIENT)
@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate_limit"), (500, "overload"), (529, "overload")]
)
def test_a_failure_that_may_pass_is_tried_again(
    bench: Bench, agent: Agent, status: int, kind: str
) -> None:
    first = failing_first(1, how="status", status=status)
    bench.served.scenario = scenario(first, APPROVES)

    result = bench.review(agent, "codex")

    assert result.code == 0, result.text
    assert bench.problems() == [kind, "", ""]
    assert len(bench.commands("worker")) == 2


@pytest.mark.parametrize(("agent", "how"), [("codex", "reset midway"), ("claude", "reset")])
def test_a_connection_that_breaks_is_tried_again(bench: Bench, agent: Agent, how: str) -> None:
    bench.served.scenario = scenario(failing_first(1, how=how), APPROVES)

    result = bench.review(agent, "codex")

    assert result.code == 0, result.text
    assert bench.problems() == ["network", "", ""]
    assert len(bench.commands("worker")) == 2


def test_claude_mends_a_reply_that_breaks_off_by_itself(bench: Bench) -> None:
    bench.served.scenario = scenario(failing_first(1, how="reset midway"), APPROVES)

    result = bench.review("claude", "codex")

    assert result.code == 0, result.text
    assert [each.asked.streamed for each in bench.served.of("worker 1")][:2] == [True, False]
    assert len(bench.commands("worker")) == 1


def test_opencode_waits_for_a_rate_limit_by_itself(bench: Bench) -> None:
    headers = {"retry-after": "1"}
    first = failing_first(1, how="status", status=429, headers=headers)
    bench.served.scenario = scenario(first, APPROVES)

    result = bench.review("opencode", "codex")

    assert result.code == 0, result.text
    assert len(bench.commands("worker")) == 1
    assert [each.outcome for each in bench.served.of("worker 1")][:2] == ["status", "served"]


@pytest.mark.parametrize("agent", IMPATIENT)
def test_a_failure_that_does_not_pass_ends_the_loop_after_the_retries(
    bench: Bench, agent: Agent
) -> None:
    bench.served.scenario = scenario(failing("worker", Fault("status", status=500)))

    result = bench.review(agent, agent, "--dispatch-retries", "1")

    assert result.code == 2, result.text
    assert bench.ended == ("done", "worker_dispatch_failed")
    assert bench.problems() == ["overload", "overload"]
    assert "--resume" in bench.state["error"]


@pytest.mark.parametrize("agent", IMPATIENT)
def test_a_quota_that_is_used_up_stops_the_loop_at_once(bench: Bench, agent: Agent) -> None:
    codes = {"codex": "insufficient_quota", "claude": "billing_error"}
    fault = Fault("status", status=429 if agent == "codex" else 402, code=codes[agent])
    bench.served.scenario = scenario(failing("worker", fault))

    result = bench.review(agent, agent)

    assert result.code == 2, result.text
    assert bench.problems() == ["quota"]


def test_a_task_that_is_too_long_for_the_model_stops_the_loop_at_once(bench: Bench) -> None:
    fault = Fault("event", code="context_length_exceeded", message="too long for this model")
    bench.served.scenario = scenario(failing("worker", fault))

    result = bench.review("codex", "codex")

    assert result.code == 2, result.text
    assert bench.problems() == ["context_length"]
    assert "Make the task smaller" in bench.state["error"]


@pytest.mark.parametrize("agent", AGENTS)
def test_a_reply_that_is_cut_off_is_not_taken_for_success(bench: Bench, agent: Agent) -> None:
    cut = Step(say="Here.", fault=Fault("truncate"))
    bench.served.scenario = scenario(Script("worker 1", turn("worker", 1), (cut,) * 20))

    result = bench.review(agent, agent, "--dispatch-retries", "0")

    assert result.code == 2, result.text
    assert bench.ended == ("done", "worker_dispatch_failed")
    assert set(bench.problems()) == {"truncated"}


@pytest.mark.parametrize("agent", AGENTS)
def test_a_page_in_the_place_of_a_reply_is_not_taken_for_success(
    bench: Bench, agent: Agent
) -> None:
    bench.served.scenario = scenario(failing("worker", Fault("html")))

    result = bench.review(agent, agent, "--dispatch-retries", "0", "--dispatch-timeout", "15")

    assert result.code == 2, result.text
    assert bench.state["outcome"] in {"worker_dispatch_failed", "worker_timeout"}
    assert bench.alive() == []


@pytest.mark.parametrize("agent", AGENTS)
def test_work_that_is_done_and_reported_is_kept_though_the_agent_then_fails(
    bench: Bench, agent: Agent
) -> None:
    done = worker(1)
    broken = Step(say="Here.", fault=Fault("status", status=401))
    steps = (*done.steps[:-1], broken)
    bench.served.scenario = scenario(Script(done.name, done.when, steps), APPROVES)

    result = bench.review(agent, "codex")

    assert result.code == 0, result.text
    assert bench.problems()[0] == "authentication"
    assert len(bench.commands("worker")) == 1
    assert bench.git("show", "HEAD:calc.py") == "VALUE = 1"


@pytest.mark.parametrize("agent", AGENTS)
def test_a_flag_that_the_installed_version_does_not_know_stops_the_loop_at_once(
    bench: Bench, agent: Agent
) -> None:
    result = bench.review(agent, agent, "--worker-args=--no-such-flag")

    assert result.code == 2, result.text
    assert bench.problems() == ["bad_flags"]
    assert "--worker-args" in bench.state["error"]
    assert bench.served.exchanges == []


def test_a_failure_of_the_reviewer_keeps_the_work_and_is_continued(bench: Bench) -> None:
    refused = failing("reviewer", Fault("status", status=401))
    bench.served.scenario = scenario(worker(1), refused)
    result = bench.review("codex", "claude")
    assert result.code == 2, result.text
    assert bench.ended == ("done", "reviewer_dispatch_failed")
    bench.served.scenario = ONE_ROUND

    result = bench.review("codex", "claude", "--resume")

    assert result.code == 0, result.text
    assert len(bench.commands("worker")) == 1
    assert bench.ended == ("done", "approved")
