"""The claude backend: how it is called, and what its recorded streams mean."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from tests.adapters.fake_cli import RecordingReporter, install, job

from loop_kit.adapters.agents.claude import claude
from loop_kit.core.agent.diagnosis import ProblemKind
from loop_kit.core.loop.state import Session
from loop_kit.ports import AgentExit


def run(root: Path, stream: str | bytes, code: int = 0) -> tuple[AgentExit, list[str]]:
    reporter = RecordingReporter()
    cli = install(root, "claude", stream, code)
    return claude(cli.setup).run(job(root), reporter), reporter.activities


def test_claude_is_called_so_that_the_repository_cannot_steer_it(tmp_path: Path) -> None:
    cli = install(tmp_path, "claude", model="sonnet", args=("--max-turns", "5"))
    wanted = job(tmp_path)
    claude(cli.setup).run(wanted, RecordingReporter())
    argv = cli.call["argv"]
    assert argv[:4] == ["-p", "--output-format", "stream-json", "--verbose"]
    assert "--strict-mcp-config" in argv
    assert argv[argv.index("--setting-sources") + 1] in {"", "user"}
    assert argv[argv.index("--add-dir") + 1] == str(wanted.mailbox)
    assert argv[-4:] == ["--model", "sonnet", "--max-turns", "5"]
    assert str(uuid.UUID(argv[argv.index("--session-id") + 1]))
    assert cli.call["stdin"] == wanted.prompt
    assert cli.call["env"]["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] == "1"


def test_every_attempt_is_a_session_of_its_own(tmp_path: Path) -> None:
    cli = install(tmp_path, "claude")
    seen = set()
    for _ in range(2):
        claude(cli.setup).run(job(tmp_path), RecordingReporter())
        argv = cli.call["argv"]
        seen.add(argv[argv.index("--session-id") + 1])
    assert len(seen) == 2


def test_a_whole_run_reports_session_tokens_money_and_what_was_done(tmp_path: Path) -> None:
    ended, shown = run(tmp_path, "claude-worker")
    assert (ended.exit_code, ended.message) == (0, "")
    assert ended.session_id == "50c884b3-7de4-406e-a252-f8441f191d08"
    assert (ended.spent.tokens_in, ended.spent.tokens_out) == (6300, 280)
    assert ended.spent.cost_usd == pytest.approx(0.01408)
    assert "Writing: /agents/work/claude-repo/greeting.txt" in shown
    assert shown[0] == "Session: 50c884b3-7de4-406e-a252-f8441f191d08"
    assert any(line.startswith("Running: git status") for line in shown)


def test_tools_that_were_denied_are_named(tmp_path: Path) -> None:
    ended, _ = run(tmp_path, "claude-denied")
    assert (ended.exit_code, ended.message) == (0, "claude denied it Bash")


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("claude-err-401", "Failed to authenticate"),
        ("claude-max-turns", "error_max_turns"),
        ("claude-max-budget", "error_max_budget_usd"),
        ("claude-resume-bad-id", "error_during_execution"),
    ],
)
def test_a_failure_is_reported_although_it_may_call_itself_a_success(
    tmp_path: Path, stream: str, said: str
) -> None:
    ended, _ = run(tmp_path, stream, code=1)
    assert said in ended.message
    assert not ended.message.startswith("success")


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("claude-max-turns", "Reached maximum number of turns (2)"),
        ("claude-max-budget", "Reached maximum budget"),
        ("claude-resume-bad-id", "No conversation found"),
    ],
)
def test_the_reason_that_claude_gives_is_passed_on(tmp_path: Path, stream: str, said: str) -> None:
    assert said in run(tmp_path, stream, code=1)[0].message


def test_what_a_run_spent_until_its_budget_was_used_up_is_known(tmp_path: Path) -> None:
    spent = run(tmp_path, "claude-max-budget", code=1)[0].spent
    assert (spent.tokens_in, spent.cost_usd) == (1000, 0.01)


def test_a_run_that_was_killed_has_unknown_usage(tmp_path: Path) -> None:
    init = b'{"type":"system","subtype":"init","session_id":"s","model":"claude-opus-5[1m]"}\n'
    ended, _ = run(tmp_path, init, code=143)
    assert (ended.session_id, ended.spent.tokens_in, ended.spent.cost_usd) == ("s", None, None)
    assert ended.spent.model == "claude-opus-5"


HOSTILE = [
    b'{"type":"assistant"}\n{"type":"assistant","message":[]}\n',
    b'{"type":"assistant","message":{"content":[1,{"type":"tool_use","input":3,"name":null}]}}\n',
    b'{"type":"assistant","message":{"content":[{"type":"text","text":["x"]}]}}\n',
    b'{"type":"result","usage":{"input_tokens":"x"},"subtype":"success","total_cost_usd":"1"}\n',
    b'{"type":"result","usage":{"output_tokens":-5},"subtype":"success","total_cost_usd":-1}\n',
    b'{"type":"result","usage":{},"subtype":"success","total_cost_usd":NaN}\n',
    b'{"session_id":["x"],"type":"result"}\n',
    b'{"type":"result","permission_denials":[1,{}],"subtype":"success","errors":[[]]}\n',
    b'{"type":"result","subtype":["x"],"is_error":1,"api_error_status":"x","result":{}}\n',
    b'{"type":"rate_limit_event","rate_limit_info":[]}\n{"type":"system","subtype":"api_retry"}\n',
    b'{"type":"result","subtype":"success","usage":{"input_tokens":1' + b"0" * 400 + b"}}\n",
    b'{"type":"result","usage":{},"subtype":"success","total_cost_usd":1' + b"0" * 400 + b"}\n",
]


@pytest.mark.parametrize("stream", HOSTILE)
def test_a_stream_that_is_no_stream_breaks_nothing(tmp_path: Path, stream: bytes) -> None:
    ended, _ = run(tmp_path, stream)
    assert ended.exit_code == 0
    cost = ended.spent.cost_usd
    assert cost is None or cost >= 0
    assert (ended.spent.tokens_out or 0) >= 0


SESSION = Session(session_id="50c884b3-7de4-406e-a252-f8441f191d08", backend="claude")


def resumed(root: Path, stream: str | bytes, code: int = 0) -> tuple[AgentExit, list[str]]:
    cli = install(root, "claude", stream, code)
    ended = claude(cli.setup).run(job(root, session=SESSION), RecordingReporter())
    return ended, cli.call["argv"]


def test_a_session_is_taken_up_again_by_its_id(tmp_path: Path) -> None:
    ended, argv = resumed(tmp_path, "claude-resume")
    assert argv[argv.index("--resume") + 1] == SESSION.session_id
    assert "--session-id" not in argv
    assert ended.session_id == SESSION.session_id
    assert ended.problem is None


def test_a_resumed_run_costs_what_it_added_to_its_session(tmp_path: Path) -> None:
    spent = resumed(tmp_path, "claude-resume")[0].spent
    assert (spent.tokens_in, spent.tokens_out) == (1200, 60)
    assert spent.cost_usd == pytest.approx(0.00296)


def test_an_older_claude_reports_each_run_by_itself(tmp_path: Path) -> None:
    line = (
        b'{"type":"result","subtype":"success","total_cost_usd":0.5,'
        b'"usage":{"input_tokens":5,"output_tokens":1}}\n'
    )
    assert resumed(tmp_path, line)[0].spent.cost_usd == 0.5


def test_a_session_that_claude_does_not_know_is_stale(tmp_path: Path) -> None:
    ended, _ = resumed(tmp_path, "claude-resume-bad-id", code=1)
    assert ended.problem is not None
    assert ended.problem.kind is ProblemKind.INVALID_SESSION


def test_a_session_that_was_opened_and_failed_later_is_not_stale(tmp_path: Path) -> None:
    ended, _ = resumed(tmp_path, "claude-err-401", code=1)
    assert ended.problem is not None
    assert ended.problem.kind is ProblemKind.AUTHENTICATION


@pytest.mark.parametrize(("given", "seen"), [({}, "3"), ({"CLAUDE_CODE_MAX_RETRIES": "7"}, "7")])
def test_claude_does_not_try_again_for_minutes(
    tmp_path: Path, given: dict[str, str], seen: str
) -> None:
    cli = install(tmp_path, "claude", environment=given)
    claude(cli.setup).run(job(tmp_path), RecordingReporter())
    assert cli.call["env"]["CLAUDE_CODE_MAX_RETRIES"] == seen
