"""The opencode backend: how it is called, and what its recorded streams mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.fake_cli import RecordingReporter, install, job

from loop_kit.adapters.agents.opencode import opencode
from loop_kit.core.agent.diagnosis import ProblemKind
from loop_kit.core.loop.state import Role, Session
from loop_kit.ports import AgentExit

ID = "ses_dfc1c60daffe1V5GNga9VABge0"


def run(
    root: Path, stream: str | bytes, code: int = 0, **more: Any
) -> tuple[AgentExit, RecordingReporter]:
    reporter = RecordingReporter()
    cli = install(root, "opencode", stream, code)
    return opencode(cli.setup).run(job(root, **more), reporter), reporter


def test_opencode_is_called_so_that_the_repository_cannot_steer_it(tmp_path: Path) -> None:
    cli = install(tmp_path, "opencode", model="x/y", args=("--agent", "build"))
    wanted = job(tmp_path, Role.REVIEWER)
    opencode(cli.setup).run(wanted, RecordingReporter())
    argv = cli.call["argv"]
    assert argv[:4] == ["run", "--format", "json", "--auto"]
    assert argv[argv.index("--dir") + 1] == str(wanted.workspace)
    assert argv[-4:] == ["-m", "x/y", "--agent", "build"]
    assert "-s" not in argv
    assert cli.call["stdin"] == wanted.prompt
    assert wanted.prompt not in argv
    assert cli.call["env"]["OPENCODE_DISABLE_PROJECT_CONFIG"] == "1"


def test_a_session_is_taken_up_again_in_the_same_directory(tmp_path: Path) -> None:
    cli = install(tmp_path, "opencode", "opencode-resume")
    wanted = job(tmp_path, session=Session(session_id=ID, backend="opencode"))
    opencode(cli.setup).run(wanted, RecordingReporter())
    argv = cli.call["argv"]
    assert argv[argv.index("-s") + 1] == ID
    assert argv[argv.index("--dir") + 1] == str(wanted.workspace)


def test_a_whole_run_reports_session_tokens_money_and_what_was_done(tmp_path: Path) -> None:
    ended, reporter = run(tmp_path, "opencode-worker")
    assert (ended.exit_code, ended.message, ended.session_id) == (0, "", ID)
    assert (ended.spent.tokens_in, ended.spent.tokens_out) == (4 * 1200 + 1500, 4 * 60 + 40)
    assert ended.spent.cost_usd == pytest.approx(0.0029)
    shown = reporter.activities
    assert shown[:2] == [f"Session: {ID}", "Message: Looking at the repository."]
    assert any(line.startswith("Running: git status --short") for line in shown)
    assert any(line.startswith("Writing: ") for line in shown)
    assert shown.count(f"Session: {ID}") == 1


def test_a_resumed_run_costs_its_own_steps(tmp_path: Path) -> None:
    ended, _ = run(tmp_path, "opencode-resume")
    assert 0 < (ended.spent.tokens_in or 0) < 4 * 1200


def test_an_api_error_is_reported_with_its_status(tmp_path: Path) -> None:
    ended, _ = run(tmp_path, "opencode-err-401", code=1)
    assert "APIError 401" in ended.message
    assert ended.spent.tokens_in is None
    assert ended.problem is not None
    assert ended.problem.is_permanent


def test_a_reply_that_was_cut_off_is_reported_although_the_exit_code_is_0(tmp_path: Path) -> None:
    ended, _ = run(tmp_path, "opencode-err-truncate")
    assert ended.exit_code == 0
    assert "cut off" in ended.message


def test_a_session_that_opencode_does_not_know_is_stale(tmp_path: Path) -> None:
    session = Session(session_id=ID, backend="opencode")
    problem = run(tmp_path, b"", code=1, session=session)[0].problem
    assert problem is not None
    assert problem.kind is ProblemKind.INVALID_SESSION


HOSTILE = [
    b'{"type":"tool_use"}\n{"type":"tool_use","part":[]}\n{"type":"tool_use","part":{"state":3}}\n',
    b'{"type":"step_finish","part":{"tokens":[1],"cost":"x","reason":["stop"]}}\n',
    b'{"type":"step_finish","part":{"tokens":{"input":-5,"cache":7,"output":true},"cost":-1}}\n',
    b'{"type":"step_finish","part":{"cost":NaN}}\n{"type":"error","error":"x"}\n{"type":"error"}\n',
    b'{"type":"text","part":{"text":{"a":1}}}\n{"sessionID":["x"]}\n{"sessionID":"--help"}\n',
]


@pytest.mark.parametrize("stream", HOSTILE)
def test_a_stream_that_is_no_stream_breaks_nothing(tmp_path: Path, stream: bytes) -> None:
    ended, _ = run(tmp_path, stream)
    assert (ended.exit_code, ended.session_id) == (0, "")
    assert (ended.spent.tokens_in or 0) >= 0
    assert (ended.spent.cost_usd or 0) >= 0


EMPTY = b'{"type":"step_finish","sessionID":"ses_1","part":{"reason":"unknown"}}\n'


def endless(root: Path, line: bytes) -> AgentExit:
    """A run of a program that prints `line` for ever."""
    cli = install(root, "opencode")
    (root / "line").write_bytes(line)
    (cli.folder / "opencode").write_text(f'#!/bin/sh\nwhile :; do cat "{root}/line"; done\n')
    return opencode(cli.setup).run(job(root, timeout=5), RecordingReporter())


def test_steps_without_an_answer_are_ended_although_they_print(tmp_path: Path) -> None:
    assert "no answer in" in endless(tmp_path, EMPTY).timed_out


def test_steps_with_an_answer_go_on_until_their_time_is_up(tmp_path: Path) -> None:
    text = b'{"type":"text","sessionID":"ses_1","part":{"text":"x"}}\n'
    assert "--dispatch-timeout" in endless(tmp_path, text + EMPTY).timed_out
