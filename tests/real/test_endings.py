"""However a run ends, nothing that an agent started outlives it; a tool has its own session."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.cli.harness import ended_by, eventually, is_alive
from tests.real.harness import Agent, Bench
from tests.real.scripts import ONE_ROUND, failing, scenario, turn
from tests.support.scripted_model_script import Fault, Script, Shell, Step

STUCK = 600


def at_work(pid: Path) -> Script:
    """A worker whose shell tool runs something long that notes its process id in `pid`."""
    command = f"echo $$ > '{pid}.draft' && mv '{pid}.draft' '{pid}' && exec sleep {STUCK}"
    return Script("worker 1", turn("worker", 1), (Step(call=Shell(command)),))


def stalling(how: str) -> Script:
    """A worker whose model stops sending."""
    assert how in {"stall", "stall midway"}
    return failing("worker", Fault("stall" if how == "stall" else "stall midway"))


@pytest.mark.parametrize("agent", ["codex", "claude", "opencode"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_agent_and_the_tool_that_it_runs(
    bench: Bench, tmp_path: Path, agent: Agent, number: signal.Signals
) -> None:
    pid = tmp_path / "tool.pid"
    bench.served.scenario = scenario(at_work(pid))
    process = bench.begin(agent, agent)
    eventually(pid.exists, "the tool runs")
    tool = int(pid.read_text())
    assert is_alive(tool)
    assert os.getsid(tool) != os.getsid(process.pid)

    said = ended_by(process, number)

    assert process.returncode == 130, said
    assert bench.ended == ("done", "interrupted")
    assert bench.alive() == []
    assert not is_alive(tool)


@pytest.mark.parametrize("agent", ["codex", "claude"])
@pytest.mark.parametrize("how", ["stall", "stall midway"])
def test_an_interrupt_ends_an_agent_whose_model_has_stopped_sending(
    bench: Bench, agent: Agent, how: str
) -> None:
    bench.served.scenario = scenario(stalling(how))
    process = bench.begin(agent, agent)
    bench.answered("worker 1")

    said = ended_by(process, signal.SIGINT)

    assert process.returncode == 130, said
    assert bench.state["resume_phase"] == "awaiting_work"
    assert bench.alive() == []


def test_what_an_interrupt_broke_off_is_continued(bench: Bench) -> None:
    bench.served.scenario = scenario(stalling("stall"))
    process = bench.begin("claude", "codex")
    bench.answered("worker 1")
    ended_by(process, signal.SIGINT)
    bench.served.scenario = ONE_ROUND

    result = bench.review("claude", "codex", "--resume")

    assert result.code == 0, result.text
    assert bench.ended == ("done", "approved")
    assert bench.git("show", "HEAD:calc.py") == "VALUE = 1"


@pytest.mark.parametrize(("agent", "seconds"), [("codex", 4), ("claude", 6), ("opencode", 20)])
def test_a_tool_that_takes_too_long_is_ended_with_its_agent(
    bench: Bench, tmp_path: Path, agent: Agent, seconds: int
) -> None:
    pid = tmp_path / "tool.pid"
    bench.served.scenario = scenario(at_work(pid))

    result = bench.review(agent, agent, "--dispatch-timeout", str(seconds))

    assert result.code == 2, result.text
    assert bench.ended == ("done", "worker_timeout")
    assert "--dispatch-timeout" in result.text
    assert not is_alive(int(pid.read_text()))
    assert bench.alive() == []


@pytest.mark.parametrize("agent", ["codex", "claude"])
def test_an_agent_that_prints_nothing_is_ended_by_the_idle_timeout(
    bench: Bench, agent: Agent
) -> None:
    bench.served.scenario = scenario(stalling("stall"))

    result = bench.review(agent, agent, "--idle-timeout", "3", "--dispatch-retries", "0")

    assert result.code == 2, result.text
    assert bench.ended == ("done", "worker_timeout")
    assert "3 s" in bench.state["error"]
    assert bench.alive() == []
