"""D. How backends are started, timed out, tried again and logged."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from tests.cli.harness import Repo, Steps, assert_refused, is_alive
from tests.seed.helpers import CRASHED, DONE

LONG = "Mind the gap. " * 172
NANOSECONDS = 1_000_000_000


@pytest.mark.parametrize(("backend", "words"), [("codex", "exec"), ("opencode", "run")])
def test_the_prompt_goes_through_standard_input_and_not_through_the_arguments(
    repo: Repo, backend: str, words: str
) -> None:
    assert len(LONG) > 2_400
    repo.card(goal=LONG)
    result = repo.run("--worker-backend", backend, "--reviewer-backend", backend)
    assert result.code == 0, result.text
    for call in repo.calls:
        assert Path(call.argv[0]).name == backend
        assert call.argv[1] == words
        assert LONG.strip() in call.stdin
        assert not any("Mind the gap." in arg for arg in call.argv)
        assert not Path(call.cwd).is_relative_to(repo.root)


def test_codex_is_told_in_a_few_words_where_its_instructions_are(repo: Repo) -> None:
    assert repo.run().code == 0
    said = repo.calls[0].argv[-1]
    assert "stdin" in said
    assert len(said) < 200


def test_claude_reads_its_prompt_and_is_given_a_session(repo: Repo) -> None:
    repo.card(goal=LONG)
    assert repo.run("--worker-backend", "claude", "--reviewer-backend", "claude").code == 0
    sessions = set()
    for call in repo.calls:
        assert Path(call.argv[0]).name == "claude"
        assert "-p" in call.argv
        assert LONG.strip() in call.stdin
        assert not any("Mind the gap." in arg for arg in call.argv)
        assert not Path(call.cwd).is_relative_to(repo.root)
        sessions.add(str(uuid.UUID(call.argv[call.argv.index("--session-id") + 1])))
    assert len(sessions) == 2


def test_an_unknown_backend_is_refused_with_the_list_of_the_known(repo: Repo) -> None:
    for flag in ("--worker-backend", "--reviewer-backend"):
        result = repo.run(flag, "nope")
        assert_refused(result, 3, "nope", "codex", "claude", "opencode")
        assert not (repo.folder / "state.json").exists()
    assert repo.names == []


@pytest.mark.parametrize("backend", ["claude", "opencode"])
def test_a_backend_that_is_not_installed_ends_the_run(repo: Repo, backend: str) -> None:
    (repo.bin / backend).unlink()
    repo.extra = {"PATH": f"{repo.bin}:/usr/bin:/bin"}
    result = repo.run("--worker-backend", backend)
    assert result.code == 2, result.text
    assert "annot find executable" in result.text
    assert backend in result.text
    assert repo.ended == ("done", "worker_dispatch_failed")
    assert repo.names == []


@pytest.mark.parametrize("role", ["worker", "reviewer"])
def test_an_agent_that_hangs_is_ended_and_the_flag_is_named(repo: Repo, role: str) -> None:
    repo.plan({role: [{"gate": "never"}]})
    result = repo.run("--dispatch-timeout", "1")
    assert result.code == 2, result.text
    assert repo.ended == ("done", f"{role}_timeout")
    assert "--dispatch-timeout" in result.text
    assert "--dispatch-timeout" in repo.state["error"]
    assert not is_alive(repo.reached("never"))


def test_an_agent_that_never_reads_megabytes_of_prompt_is_ended_too(repo: Repo) -> None:
    role = repo.root / "docs" / "roles" / "code-writer.md"
    role.parent.mkdir(parents=True)
    role.write_text("Read this. " * 5_000, "utf-8")
    (repo.folder / "templates" / "worker_prompt.txt").write_text("{role_md}\n" * 60, "utf-8")
    (repo.bin / "codex").write_text('#!/bin/sh\necho $$ > "$FAKE_DIR/pid"\nexec sleep 999\n')
    result = repo.run("--dispatch-timeout", "1")
    assert result.code == 2, result.text
    assert repo.ended == ("done", "worker_timeout")
    assert "--dispatch-timeout" in result.text
    assert not is_alive(int((repo.fake / "pid").read_text()))


def started_at(repo: Repo) -> list[int]:
    """When each call of the agent began, in nanoseconds."""
    return [int(path.stem) for path in sorted(repo.fake.glob("*.call"))]


def test_a_call_that_failed_once_is_repeated_after_the_base_delay(repo: Repo) -> None:
    repo.plan({"worker/1/1": CRASHED})
    result = repo.run("--dispatch-retry-base-sec", "1")
    assert result.code == 0, result.text
    assert repo.names == ["worker/1/1", "worker/1/2", "reviewer/1/1"]
    first, second = started_at(repo)[:2]
    assert second - first >= NANOSECONDS
    assert re.findall(r"Waiting (\d+) s", result.out) == ["1"]


def test_a_call_that_always_fails_is_repeated_as_often_as_asked(repo: Repo) -> None:
    repo.plan({"worker": CRASHED})
    result = repo.run("--dispatch-retries", "2", "--dispatch-retry-base-sec", "1")
    assert result.code == 2
    assert repo.names == ["worker/1/1", "worker/1/2", "worker/1/3"]
    first, second, third = started_at(repo)
    assert second - first >= NANOSECONDS
    assert third - second >= 2 * NANOSECONDS
    assert re.findall(r"Waiting (\d+) s", result.out) == ["1", "2"]
    assert "after 3 attempts" in result.text
    assert "after 3 attempts" in repo.state["error"]


def test_a_permanent_failure_is_not_repeated(repo: Repo) -> None:
    repo.plan({"worker": [{"stderr": "authentication failed: key 7 is gone"}, {"exit": 1}]})
    result = repo.run()
    assert result.code == 2
    assert repo.names == ["worker/1/1"]
    assert "Waiting" not in result.out
    for words in ("not retrying", "authentication failed: key 7 is gone"):
        assert words in result.text
        assert words in repo.state["error"]


HINTS = {
    "HTTP 401": "log in to codex",
    "Unauthorized": "log in to codex",
    "the token has expired": "log in to codex",
    "sh: codex-core: command not found": "install codex",
    "the weather is bad": "network",
}


@pytest.mark.parametrize("said", HINTS)
def test_a_failed_call_comes_with_what_to_do_about_it(repo: Repo, said: str) -> None:
    repo.plan({"worker": [{"stderr": said}, {"exit": 1}]})
    result = repo.run("--dispatch-retries", "0")
    assert result.code == 2
    assert HINTS[said] in result.text.lower()
    assert said in result.text


def test_the_dispatch_log_tells_what_was_run_and_all_that_it_said(repo: Repo) -> None:
    talk: Steps = [
        {"say": {"type": "thread.started", "thread_id": "th-7"}},
        {"say": "a line that the console does not show"},
        {"stderr": "a word on standard error"},
    ]
    repo.plan({"worker": [*talk, *DONE]})
    result = repo.run()
    assert result.code == 0
    log = (repo.folder / "logs" / "worker_dispatch.log").read_text("utf-8")
    for words in (
        *("role: worker", "returncode: 0", "session_id=th-7", "codex exec"),
        *("a line that the console does not show", "a word on standard error"),
    ):
        assert words in log
    assert re.search(r"^cmd=\S*codex exec ", log, re.MULTILINE)
    assert "a line that the console does not show" not in result.out
    other = (repo.folder / "logs" / "reviewer_dispatch.log").read_text("utf-8")
    assert "role: reviewer" in other
    assert "session_id" not in other


def session(repo: Repo) -> object:
    return repo.state.get("sessions", {}).get("worker", {}).get("session_id")


def test_the_session_of_codex_is_read_from_its_stream(repo: Repo) -> None:
    lines = ["{", '{"type": "thread.started"', "[1]", {"type": "thread.started", "thread_id": "t9"}]
    repo.plan({"worker": [*({"say": line} for line in lines), *DONE]})
    assert repo.run().code == 0
    assert session(repo) == "t9"


@pytest.mark.parametrize("line", ['{"type": "thread.started"', {"type": "thread.started"}, "text"])
def test_without_a_thread_there_is_no_session(repo: Repo, line: object) -> None:
    repo.plan({"worker": [{"say": line}, *DONE]})
    assert repo.run().code == 0
    assert not session(repo)
    log = (repo.folder / "logs" / "worker_dispatch.log").read_text("utf-8")
    assert "session_id" not in log
