"""What every backend's recorded failures are taken for, and that nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.fake_cli import RecordingReporter, install, job

from loop_kit.adapters.agents.built_in import BACKENDS
from loop_kit.core.agent.diagnosis import Problem, ProblemKind
from loop_kit.core.loop.state import Session
from loop_kit.ports import AgentExit

TEST_LOG = (
    "FAILED test_api.py::test_login - 401 Unauthorized: invalid api key\n"
    "429 Too Many Requests, retry-after: 3600, insufficient_quota\n"
    "bash: line 1: pytest: command not found\npermission denied\nmodel not found\n"
    "error: unexpected argument '--full-auto' found\nexceeded retry limit, last status: 429\n"
    "context_length_exceeded\n"
)


def run(root: Path, backend: str, stream: str | bytes, code: int = 1, **more: Any) -> AgentExit:
    session = more.pop("session", None)
    cli = install(root, backend, stream, code, **more)
    return BACKENDS[backend](cli.setup).run(job(root, session=session), RecordingReporter())


def diagnosed(root: Path, stream: str, code: int = 1) -> Problem:
    found = run(root, stream.partition("-")[0], stream, code).problem
    assert found is not None
    return found


RECORDED = [
    ("codex-err-400", "bad_flags"),
    ("codex-err-401", "authentication"),
    ("codex-err-429", "rate_limit"),
    ("codex-err-429-retry-after-1", "rate_limit"),
    ("codex-err-429-usage-limit", "quota"),
    ("codex-err-500", "overload"),
    ("codex-err-503", "overload"),
    ("codex-err-529", "overload"),
    ("codex-err-drop-headers", "network"),
    ("codex-err-drop-mid", "network"),
    ("codex-err-garbage", "network"),
    ("codex-err-no-key", "authentication"),
    ("codex-err-sse-context", "context_length"),
    ("codex-err-sse-error", "network"),
    ("codex-err-sse-quota", "quota"),
    ("codex-err-sse-rate-limit", "rate_limit"),
    ("codex-err-truncate", "truncated"),
    ("claude-err-401", "authentication"),
    ("claude-err-429", "rate_limit"),
    ("claude-err-500", "overload"),
    ("claude-err-529", "overload"),
    ("claude-err-drop-headers", "network"),
    ("claude-err-refused", "network"),
    ("claude-max-turns", "limit"),
    ("claude-max-budget", "limit"),
    ("claude-schema-exhausted", "truncated"),
    ("opencode-err-400", "bad_flags"),
    ("opencode-err-401", "authentication"),
    ("opencode-err-403", "authentication"),
    ("opencode-err-404", "bad_flags"),
    ("opencode-err-429-retry-after-1", "rate_limit"),
    ("opencode-err-500", "overload"),
    ("opencode-err-529", "overload"),
    ("opencode-err-drop-headers", "network"),
    ("opencode-err-drop-mid", "network"),
    ("opencode-err-refused", "network"),
    ("opencode-err-sse-context", "context_length"),
    ("opencode-err-sse-error", "overload"),
]


@pytest.mark.parametrize(("stream", "kind"), RECORDED)
def test_a_recorded_failure_is_known_by_its_structure(
    tmp_path: Path, stream: str, kind: str
) -> None:
    found = diagnosed(tmp_path, stream)
    assert found.kind == kind
    assert found.message


@pytest.mark.parametrize(
    ("stream", "kind"),
    [("claude-denied", "denied"), ("opencode-err-truncate", "truncated")],
)
def test_exit_code_0_does_not_hide_what_was_cut_short(
    tmp_path: Path, stream: str, kind: str
) -> None:
    assert diagnosed(tmp_path, stream, code=0).kind == kind


WORKED = [
    "codex-worker",
    "codex-apply-patch",
    "codex-err-500-twice-then-ok",
    "codex-err-drop-mid-once",
    "codex-err-bad-tool",
    "claude-worker",
    "opencode-worker",
    "opencode-err-429-twice-then-ok",
    "opencode-err-bad-tool",
]


@pytest.mark.parametrize("stream", WORKED)
def test_a_run_that_worked_has_no_problem(tmp_path: Path, stream: str) -> None:
    assert run(tmp_path, stream.partition("-")[0], stream, 0).problem is None


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ("codex-err-refused", "network"),
        ("codex-err-429-retry-after-3600", "rate_limit"),
        ("claude-err-stall-headers", "unknown"),
    ],
)
def test_what_a_backend_was_waiting_for_when_it_was_ended_is_reported(
    tmp_path: Path, stream: str, kind: str
) -> None:
    assert diagnosed(tmp_path, stream, code=143).kind == kind


@pytest.mark.parametrize(
    ("stream", "seconds"),
    [
        ("codex-err-sse-rate-limit", 1),
        ("opencode-err-429-retry-after-1", 1),
        ("codex-err-429", None),
    ],
)
def test_a_wait_that_was_asked_for_is_read(
    tmp_path: Path, stream: str, seconds: float | None
) -> None:
    assert diagnosed(tmp_path, stream).retry_after == seconds


@dataclass(frozen=True)
class Tongue:
    """How one backend reports that it began, what a tool printed, and the model's message."""

    began: dict[str, Any]
    printed: Callable[[str], dict[str, Any]]
    said: Callable[[str], dict[str, Any]]


def codex_item(**item: Any) -> dict[str, Any]:
    return {"type": "item.completed", "item": item}


def claude_block(role: str, **block: Any) -> dict[str, Any]:
    return {"type": role, "message": {"content": [block]}}


TONGUES = {
    "codex": Tongue(
        {"type": "thread.started", "thread_id": "t-1"},
        lambda log: codex_item(
            type="command_execution", command="pytest", aggregated_output=log, exit_code=1
        ),
        lambda log: codex_item(type="agent_message", text=log),
    ),
    "claude": Tongue(
        {"type": "system", "subtype": "init", "session_id": "s-1"},
        lambda log: claude_block("user", type="tool_result", content=log, is_error=True),
        lambda log: claude_block("assistant", type="text", text=log),
    ),
    "opencode": Tongue(
        {"type": "step_start", "sessionID": "ses_1", "part": {}},
        lambda log: {
            "type": "tool_use",
            "part": {"tool": "bash", "state": {"status": "error", "output": log, "error": log}},
        },
        lambda log: {"type": "text", "part": {"text": log}},
    ),
}


def lines(*events: object) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


@pytest.mark.parametrize("backend", TONGUES)
def test_a_test_log_in_what_tools_print_and_models_say_classifies_nothing(
    tmp_path: Path, backend: str
) -> None:
    tongue = TONGUES[backend]
    stream = lines(tongue.began, tongue.printed(TEST_LOG), tongue.said(TEST_LOG))
    found = run(tmp_path, backend, stream, 1).problem
    assert found == Problem(ProblemKind.UNKNOWN)


@pytest.mark.parametrize("backend", TONGUES)
def test_standard_error_beside_a_stream_is_quoted_and_not_read(
    tmp_path: Path, backend: str
) -> None:
    found = run(tmp_path, backend, lines(TONGUES[backend].began), 1, stderr=TEST_LOG).problem
    assert found == Problem(ProblemKind.UNKNOWN, TEST_LOG.strip())


@pytest.mark.parametrize("backend", TONGUES)
def test_a_run_that_ended_well_is_not_blamed_for_its_log(tmp_path: Path, backend: str) -> None:
    tongue = TONGUES[backend]
    stream = lines(tongue.began, tongue.printed(TEST_LOG), tongue.said(TEST_LOG))
    assert run(tmp_path, backend, stream, 0, stderr=TEST_LOG).problem is None


USAGE = {
    "codex": (
        2,
        "error: unexpected argument '--full-auto' found\n\n  tip: to pass it as a value\n",
    ),
    "claude": (1, "error: unknown option '--nosuch'\n"),
    "opencode": (1, "opencode run [message..]\n\nrun opencode with a message\n\nOptions:\n"),
}


@pytest.mark.parametrize("backend", USAGE)
def test_a_flag_that_a_newer_version_dropped_is_permanent(tmp_path: Path, backend: str) -> None:
    code, said = USAGE[backend]
    found = run(tmp_path, backend, b"", code, stderr=said).problem
    assert found is not None
    assert (found.kind, found.is_permanent) == (ProblemKind.BAD_FLAGS, True)


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (127, "env: node: No such file or directory", "missing_tool"),
        (126, "codex: Permission denied", "missing_tool"),
        (1, "sh: codex-core: command not found", "missing_tool"),
        (1, "authentication failed: key 7 is gone", "authentication"),
        (1, "HTTP 401", "authentication"),
        (1, "the token has expired", "authentication"),
        (3, "overloaded", "unknown"),
        (1, "", "unknown"),
    ],
)
def test_without_a_stream_the_exit_of_the_program_is_diagnosed(
    tmp_path: Path, code: int, said: str, kind: str
) -> None:
    found = run(tmp_path, "codex", b"", code, stderr=said).problem
    assert found is not None
    assert (found.kind, found.message) == (kind, said)


HELD: dict[str, tuple[str | bytes, str]] = {
    "codex": (b"", "Error: thread/resume failed: no rollout found for thread id x\n"),
    "claude": ("claude-resume-bad-id", ""),
    "opencode": (b"", "\x1b[91m\x1b[1mError: \x1b[0mSession not found\n"),
}


@pytest.mark.parametrize("backend", HELD)
def test_a_conversation_that_is_unknown_is_an_invalid_session(tmp_path: Path, backend: str) -> None:
    stream, said = HELD[backend]
    held = Session(session_id="s-1", backend=backend)
    found = run(tmp_path, backend, stream, 1, stderr=said, session=held).problem
    assert found is not None
    assert found.kind is ProblemKind.INVALID_SESSION
    assert "\x1b" not in found.message


@pytest.mark.parametrize("backend", HELD)
def test_a_login_that_is_missing_is_not_blamed_on_the_conversation(
    tmp_path: Path, backend: str
) -> None:
    held = Session(session_id="s-1", backend=backend)
    found = run(tmp_path, backend, b"", 1, stderr="Not logged in\n", session=held).problem
    assert found is not None
    assert found.kind is ProblemKind.AUTHENTICATION
