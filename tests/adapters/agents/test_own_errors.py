"""What each backend's own error events mean, beyond the failures that were recorded."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.agents.test_diagnosis import TONGUES, lines, run

from loop_kit.core.agent.diagnosis import ProblemKind

NO_QUOTA = '{"error":{"code":"insufficient_quota"}}'


def claude_end(**fields: Any) -> bytes:
    return lines(
        TONGUES["claude"].began,
        {"type": "result", "subtype": "success", "is_error": False, **fields},
    )


def claude_failed(error: str, **fields: Any) -> bytes:
    """An API failure as claude prints it: its own message, then the result."""
    own = {"type": "assistant", "is_api_error_message": True, "error": error, "message": {}}
    return lines(TONGUES["claude"].began, own) + claude_end(is_error=True, result="sorry", **fields)


@pytest.mark.parametrize(
    ("error", "fields", "kind"),
    [
        ("authentication_failed", {"api_error_status": None}, "authentication"),
        ("billing_error", {"api_error_status": 400}, "quota"),
        ("model_not_found", {"api_error_status": 404}, "bad_flags"),
        ("invalid_request", {"terminal_reason": "prompt_too_long"}, "context_length"),
        ("max_output_tokens", {}, "truncated"),
        ("unknown", {"terminal_reason": "api_error"}, "unknown"),
        ("something new", {}, "unknown"),
    ],
)
def test_claude_says_in_its_own_message_what_kind_of_failure_it_was(
    tmp_path: Path, error: str, fields: dict[str, Any], kind: str
) -> None:
    found = run(tmp_path, "claude", claude_failed(error, **fields)).problem
    assert found is not None
    assert found.kind == kind


def test_a_model_that_speaks_of_an_error_code_is_not_the_cli(tmp_path: Path) -> None:
    said = {"type": "assistant", "error": "billing_error", "message": {"content": []}}
    stream = lines(said) + claude_end(is_error=True, result="x")
    found = run(tmp_path, "claude", stream).problem
    assert found is not None
    assert found.kind is ProblemKind.UNKNOWN


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("refusal", "refusal"),
        ("max_tokens", "truncated"),
        ("model_context_window_exceeded", "context_length"),
    ],
)
def test_the_reason_why_the_model_stopped_counts_in_a_success(
    tmp_path: Path, reason: str, kind: str
) -> None:
    found = run(tmp_path, "claude", claude_end(stop_reason=reason, result="I can't."), 0).problem
    assert found is not None
    assert found.kind == kind


def limited(status: str, resets: object) -> bytes:
    info = {"status": status, "resetsAt": resets}
    return lines({"type": "rate_limit_event", "rate_limit_info": info}) + claude_failed(
        "rate_limit", api_error_status=429
    )


def test_the_time_when_a_subscriptions_limit_is_lifted_is_the_wait(tmp_path: Path) -> None:
    stream = limited("rejected", int(time.time()) + 3600)
    wait = run(tmp_path, "claude", stream).problem
    assert wait is not None
    assert 3000 < (wait.retry_after or 0) <= 3600


@pytest.mark.parametrize("resets", [None, "soon", -1, 10**400, True, 1e308])
def test_a_time_that_makes_no_sense_is_no_wait(tmp_path: Path, resets: object) -> None:
    found = run(tmp_path, "claude", limited("rejected", resets)).problem
    assert found is not None
    assert (found.kind, found.retry_after) == (ProblemKind.RATE_LIMIT, None)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            f"unexpected status 429 Too Many Requests: {NO_QUOTA}, url: http://x",
            "quota",
        ),
        ("unexpected status 401 Unauthorized: it said 429, url: http://x", "authentication"),
        ("Incomplete response returned, reason: content_filter", "refusal"),
        ("This content was flagged for possible biological risk.", "refusal"),
        ("the tests failed: unexpected status 401 Unauthorized", "unknown"),
        ("stream disconnected before completion: 401 Unauthorized", "network"),
        ("", "unknown"),
    ],
)
def test_only_the_beginning_of_an_error_of_codex_is_read(
    tmp_path: Path, message: str, kind: str
) -> None:
    failed = {"type": "turn.failed", "error": {"message": message}}
    found = run(tmp_path, "codex", lines(TONGUES["codex"].began, failed)).problem
    assert found is not None
    assert found.kind == kind


def opencode_error(name: str, **data: Any) -> bytes:
    return lines({"type": "error", "sessionID": "ses_1", "error": {"name": name, "data": data}})


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("ProviderAuthError", {"message": "no key"}, "authentication"),
        ("ContextOverflowError", {"message": "too large"}, "context_length"),
        ("MessageOutputLengthError", {}, "truncated"),
        (
            "APIError",
            {"statusCode": 429, "responseBody": NO_QUOTA},
            "quota",
        ),
        ("APIError", {"statusCode": "401", "isRetryable": 1}, "unknown"),
        ("UnknownError", {"message": "Unexpected server error. 401 Unauthorized"}, "unknown"),
    ],
)
def test_an_error_of_opencode_is_known_by_name_status_and_code(
    tmp_path: Path, name: str, data: dict[str, Any], kind: str
) -> None:
    found = run(tmp_path, "opencode", opencode_error(name, **data)).problem
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(("code", "kind"), [(0, "denied"), (1, "unknown"), (-9, "unknown")])
def test_a_tool_call_as_the_last_word_is_a_denial_only_where_opencode_ended_by_itself(
    tmp_path: Path, code: int, kind: str
) -> None:
    step = {"type": "step_finish", "part": {"reason": "tool-calls"}}
    found = run(tmp_path, "opencode", lines(TONGUES["opencode"].began, step), code).problem
    assert found is not None
    assert found.kind == kind
