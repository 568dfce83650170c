"""The codex backend: how it is called, and what its recorded streams mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.fake_cli import RecordingReporter, install, job

from loop_kit.adapters.agents.codex import INSTRUCTION, codex
from loop_kit.adapters.agents.command_line import PlainReader
from loop_kit.core.state import Role
from loop_kit.ports import Ended


def run(root: Path, stream: str | bytes, code: int = 0, **more: str) -> tuple[Ended, list[str]]:
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


def test_a_whole_run_tells_session_tokens_and_what_was_done(tmp_path: Path) -> None:
    ended, shown = run(tmp_path, "codex-worker")
    assert (ended.exit_code, ended.message) == (0, "")
    assert ended.session_id == "01a203e3-6f9f-7363-aa3f-6d7bd014a9ec"
    assert (ended.spent.tokens_in, ended.spent.tokens_out) == (6300, 280)
    assert ended.spent.cost_usd is None
    assert ended.spent.agent_seconds > 0
    assert shown[0] == "Message: Looking at the repository."
    assert shown[1].startswith("Running: /bin/bash -lc 'git status")


def test_a_patch_shows_the_files_and_a_failed_command_is_no_failure(tmp_path: Path) -> None:
    ended, shown = run(tmp_path, "codex-apply-patch")
    assert ended.message == ""
    assert [line for line in shown if line.startswith("Editing")] == [
        "Editing: /agents/work/cxsb/patched.txt"
    ] * 2


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
def test_a_failed_turn_is_told_in_its_own_words_with_unknown_usage(
    tmp_path: Path, stream: str, said: str
) -> None:
    ended, _ = run(tmp_path, stream, code=1)
    assert ended.exit_code == 1
    assert said in ended.message
    assert (ended.spent.tokens_in, ended.spent.tokens_out) == (None, None)
    assert ended.session_id


@pytest.mark.parametrize("stream", ["codex-err-401", "codex-err-no-key"])
def test_a_login_that_is_missing_or_wrong_is_permanent(tmp_path: Path, stream: str) -> None:
    assert run(tmp_path, stream, code=1)[0].permanent


def test_a_broken_connection_is_not_permanent(tmp_path: Path) -> None:
    assert not run(tmp_path, "codex-err-truncate", code=1)[0].permanent


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
    assert text.endswith("returncode: 0\nsession_id: 01a203e3-6f9f-7363-aa3f-6d7bd014a9ec\n")


def test_a_backend_that_is_not_installed_says_so_and_costs_nothing(tmp_path: Path) -> None:
    cli = install(tmp_path, "other")
    agent = codex(type(cli.setup)(environment={"PATH": "", "HOME": ""}, logs=tmp_path))
    assert "Install codex and put it on PATH" in agent.check()
    assert codex(install(tmp_path / "there", "codex").setup).check() == ""


def test_a_program_that_cannot_be_started_is_a_permanent_failure(tmp_path: Path) -> None:
    cli = install(tmp_path, "codex")
    (cli.folder / "codex").write_text("#!/no/such/interpreter\n")
    ended = codex(cli.setup).run(job(tmp_path), RecordingReporter())
    assert (ended.exit_code, ended.permanent) == (126, True)
    assert "cannot start codex" in ended.message


def test_a_plain_reader_shows_lines_and_knows_nothing() -> None:
    reader = PlainReader()
    assert list(reader.feed(b"hello \xff")) == ["hello �"]
    assert list(reader.feed(b"  ")) == []
    assert (reader.session_id, reader.problem, reader.spent.tokens_in) == ("", "", None)
