"""The codex backend: how it is called, and what its recorded streams mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.fake_cli import RecordingReporter, install, job

from loop_kit.adapters.agents.codex import INSTRUCTION, codex
from loop_kit.adapters.agents.command_line import PlainReader
from loop_kit.core.agent.diagnosis import ProblemKind
from loop_kit.core.loop.state import Role, Session
from loop_kit.ports import AgentExit


def run(root: Path, stream: str | bytes, code: int = 0, **more: str) -> tuple[AgentExit, list[str]]:
    reporter = RecordingReporter()
    cli = install(root, "codex", stream, code, **more)
    return codex(cli.setup).run(job(root), reporter), reporter.activities


def test_codex_is_called_without_telemetry_and_gets_the_prompt_on_standard_input(
    tmp_path: Path,
) -> None:
    cli = install(tmp_path, "codex", model="gpt-x", args=("-c", "a=b"))
    wanted = job(tmp_path)
    codex(cli.setup).run(wanted, RecordingReporter())
    argv = cli.call["argv"]
    assert argv[:4] == ["exec", "--json", "--color", "never"]
    assert "--dangerously-bypass-approvals-and-sandbox" in argv
    assert argv[argv.index("-C") + 1] == str(wanted.workspace)
    assert argv[-5:] == ["-m", "gpt-x", "-c", "a=b", INSTRUCTION]
    assert "analytics.enabled=false" in argv
    assert wanted.prompt not in " ".join(argv)
    assert cli.call["stdin"] == wanted.prompt
    assert cli.call["cwd"] == str(wanted.workspace)


def test_an_agent_sees_its_job_and_what_it_was_given_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "s3cret")
    cli = install(tmp_path, "codex", environment={"CODEX_API_KEY": "own"})
    wanted = job(tmp_path, Role.REVIEWER)
    codex(cli.setup).run(wanted, RecordingReporter())
    seen = cli.call["env"]
    assert "s3cret" not in str(seen)
    assert seen["CODEX_API_KEY"] == "own"
    assert {k: v for k, v in seen.items() if k.startswith("LOOP_")} == {
        "LOOP_ROLE": "reviewer",
        "LOOP_TASK_ID": "T-001",
        "LOOP_ROUND": "2",
        "LOOP_ATTEMPT": "1",
        "LOOP_BASE_SHA": "b" * 40,
        "LOOP_MAILBOX": str(wanted.mailbox),
        "LOOP_REPORT_PATH": str(wanted.report),
    }


def test_a_whole_run_reports_session_tokens_and_what_was_done(tmp_path: Path) -> None:
    ended, shown = run(tmp_path, "codex-worker")
    assert (ended.exit_code, ended.message) == (0, "")
    assert ended.session_id == "01a203e3-6f9f-7363-aa3f-6d7bd014a9ec"
    assert (ended.spent.tokens_in, ended.spent.tokens_out) == (6300, 280)
    assert (ended.spent.tokens_cached, ended.spent.cost_usd) == (4400, None)
    assert ended.spent.agent_seconds > 0
    assert shown[0] == "Session: 01a203e3-6f9f-7363-aa3f-6d7bd014a9ec"
    assert shown[1] == "Message: Looking at the repository."
    assert shown[2].startswith("Running: git status")


def test_a_patch_shows_the_files_and_a_failed_command_is_no_failure(tmp_path: Path) -> None:
    ended, shown = run(tmp_path, "codex-apply-patch")
    assert ended.message == ""
    assert [line for line in shown if line.startswith("Editing")] == ["Editing: patched.txt"] * 2


def test_an_error_that_was_overcome_is_forgotten(tmp_path: Path) -> None:
    ended, _ = run(tmp_path, "codex-err-drop-mid-once")
    assert ended.message == ""
    assert ended.spent.tokens_out == 50


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("codex-err-401", "401 Unauthorized"),
        ("codex-err-429-usage-limit", "hit your usage limit"),
        ("codex-err-no-key", "Missing environment variable"),
        ("codex-err-truncate", "max_output_tokens"),
    ],
)
def test_a_failed_turn_is_reported_in_its_own_words_with_unknown_usage(
    tmp_path: Path, stream: str, said: str
) -> None:
    ended, _ = run(tmp_path, stream, code=1)
    assert ended.exit_code == 1
    assert said in ended.message
    assert (ended.spent.tokens_in, ended.spent.tokens_out) == (None, None)
    assert ended.session_id


def test_without_a_stream_the_end_of_standard_error_is_the_message(tmp_path: Path) -> None:
    noise = "x" * 10_000 + "\nno such thread\n"
    ended, _ = run(tmp_path, b"", code=1, stderr=noise)
    assert ended.message.endswith("no such thread")
    assert len(ended.message) <= 2000


HOSTILE = [
    b'not json\n{\n[1]\n"x"\nnull\n{}\n',
    b'{"type":"item.completed","item":null}\n{"type":"item.completed","item":{"type":"file_change"}}\n',
    b'{"type":"turn.completed","usage":{"input_tokens":"many","output_tokens":true}}\n',
    b'{"type":"turn.completed","usage":[]}\n{"type":"turn.failed"}\n{"type":"error"}\n',
    b'{"type":["a"],"thread_id":7}\n{"type":"thread.started","thread_id":{"a":1}}\n',
    b'{"type":"item.completed","item":{"type":"command_execution","command":{"a":1}}}\n',
    b"[" * 100_000 + b"\n" + b'{"a":' * 100_000 + b"\n",
    bytes(range(256)) * 100,
]


@pytest.mark.parametrize("stream", HOSTILE)
def test_a_stream_that_is_no_stream_breaks_nothing(tmp_path: Path, stream: bytes) -> None:
    ended, _ = run(tmp_path, stream)
    assert ended.exit_code == 0


def test_the_transcript_holds_the_call_the_output_and_the_end(tmp_path: Path) -> None:
    run(tmp_path, "codex-worker", stderr="a warning\n")
    text = (tmp_path / "logs" / "worker_dispatch.log").read_text()
    assert "role: worker\nround: 2\nattempt: 1\ncmd=" in text
    assert "thread.started" in text
    assert "a warning" in text
    assert text.endswith("returncode: 0\nsession_id=01a203e3-6f9f-7363-aa3f-6d7bd014a9ec\n")


def test_a_backend_that_is_not_installed_says_so_and_costs_nothing(tmp_path: Path) -> None:
    cli = install(tmp_path, "other")
    agent = codex(type(cli.setup)(environment={"PATH": "", "HOME": ""}, logs=tmp_path))
    install_command = "`npm install --global @openai/codex@0.169.0`"
    assert f"Install codex ({install_command}) and put it on PATH" in agent.check()
    assert codex(install(tmp_path / "there", "codex").setup).check() == ""


def test_a_program_that_cannot_be_started_is_a_permanent_failure(tmp_path: Path) -> None:
    cli = install(tmp_path, "codex")
    (cli.folder / "codex").write_text("#!/no/such/interpreter\n")
    ended = codex(cli.setup).run(job(tmp_path), RecordingReporter())
    assert ended.exit_code in {126, 127}
    assert ended.problem is not None
    assert ended.problem.kind is ProblemKind.MISSING_TOOL
    assert ended.message


def test_a_plain_reader_shows_lines_and_knows_nothing(tmp_path: Path) -> None:
    reader = PlainReader(job(tmp_path))
    assert [each.line for each in reader.feed(b"hello \xff")] == ["hello �"]
    assert list(reader.feed(b"  ")) == []
    assert (reader.session_id, reader.problem, reader.spent.tokens_in) == ("", None, None)


THREAD = "01a203e3-6f9f-7363-aa3f-6d7bd014a9ec"


def held(**more: Any) -> Session:
    return Session(session_id=THREAD, backend="codex", tokens_in=6300, tokens_out=280, **more)


def test_a_thread_is_taken_up_again_with_the_prompt_still_on_standard_input(tmp_path: Path) -> None:
    cli = install(tmp_path, "codex", "codex-resume", args=("-c", "a=b"))
    wanted = job(tmp_path, session=held())
    codex(cli.setup).run(wanted, RecordingReporter())
    argv = cli.call["argv"]
    assert argv[0] == "exec"
    assert argv[-5:] == ["-c", "a=b", "resume", THREAD, "-"]
    assert argv.index("-C") < argv.index("resume")
    assert INSTRUCTION not in argv
    assert cli.call["stdin"] == wanted.prompt


def resumed(root: Path, session: Session, stream: str | bytes, code: int = 0) -> AgentExit:
    cli = install(root, "codex", stream, code)
    return codex(cli.setup).run(job(root, session=session), RecordingReporter())


def is_stale(ended: AgentExit) -> bool:
    assert ended.problem is not None
    return ended.problem.kind is ProblemKind.INVALID_SESSION


def test_tokens_of_a_thread_are_counted_once(tmp_path: Path) -> None:
    ended = resumed(tmp_path, held(), "codex-resume")
    assert ended.thread_tokens == (7500, 340)
    assert (ended.spent.tokens_in, ended.spent.tokens_out) == (1200, 60)


def test_a_thread_that_codex_replaced_counts_from_nothing(tmp_path: Path) -> None:
    other = held().model_copy(update={"session_id": "another"})
    spent = resumed(tmp_path, other, "codex-resume").spent
    assert (spent.tokens_in, spent.tokens_out) == (7500, 340)


def test_a_count_that_is_not_of_the_whole_thread_is_taken_as_it_is(tmp_path: Path) -> None:
    large = held().model_copy(update={"tokens_in": 10**9})
    assert resumed(tmp_path, large, "codex-resume").spent.tokens_in == 7500


def test_a_thread_that_codex_does_not_know_is_stale(tmp_path: Path) -> None:
    assert is_stale(resumed(tmp_path, held(), b"", code=1))


def test_a_thread_that_was_opened_and_failed_later_is_not_stale(tmp_path: Path) -> None:
    assert not is_stale(resumed(tmp_path, held(), "codex-err-401", code=1))


def test_a_fresh_attempt_is_never_stale(tmp_path: Path) -> None:
    assert not is_stale(run(tmp_path, b"", code=1)[0])


@pytest.mark.parametrize("id_", ["--last", "-c", "", "a b", "x" * 300, "a\nb", "../x"])
def test_a_name_that_is_no_sessions_never_comes_back_to_a_command_line(
    tmp_path: Path, id_: str
) -> None:
    line = json.dumps({"type": "thread.started", "thread_id": id_}).encode()
    assert run(tmp_path, line + b"\n")[0].session_id == ""


def test_work_is_counted_once_when_it_begins(tmp_path: Path) -> None:
    reporter = RecordingReporter()
    cli = install(tmp_path, "codex", "codex-worker")
    codex(cli.setup).run(job(tmp_path), reporter)
    begun = [each for each in reporter.said if each.category is not None]
    ended = [each for each in reporter.said if each.verb in {"Running", "Reading", "Editing"}]
    assert begun
    assert len(begun) * 2 == len(ended)


def test_work_whose_beginning_was_not_reported_counts_when_it_ends(tmp_path: Path) -> None:
    item = {"id": "i", "type": "command_execution", "command": "pytest"}
    line = json.dumps({"type": "item.completed", "item": item}).encode() + b"\n"
    reporter = RecordingReporter()
    codex(install(tmp_path, "codex", line).setup).run(job(tmp_path), reporter)
    assert [(each.line, each.category) for each in reporter.said] == [("Running: pytest", "test")]


def test_every_line_of_both_streams_is_passed_on_as_it_was_printed(tmp_path: Path) -> None:
    reporter = RecordingReporter()
    cli = install(tmp_path, "codex", b"plain \xff\n{}\n", stderr="a warning\n")
    codex(cli.setup).run(job(tmp_path), reporter)
    assert sorted(reporter.outputs) == ["a warning", "plain �", "{}"]


def test_secrets_are_not_in_the_transcript(tmp_path: Path) -> None:
    secret = "sk-very-secret-key"
    cli = install(
        tmp_path, "codex", f'{{"key": "{secret}"}}\n'.encode(), stderr=secret, secrets=(secret,)
    )
    codex(cli.setup).run(job(tmp_path), RecordingReporter())
    text = (tmp_path / "logs" / "worker_dispatch.log").read_text()
    assert secret not in text
    assert '{"key": "***"}' in text
