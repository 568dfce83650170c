"""The tables of failures: what codes and statuses mean, how long to wait, and the remedies."""

from __future__ import annotations

import pytest

from loop_kit.core.agent.diagnosis import (
    MAX_MESSAGE,
    MAX_WAIT,
    PERMANENT,
    UNFINISHED,
    ProblemKind,
    api_error,
    from_codes,
    from_exit,
    from_status,
    from_stderr,
    problem,
    remedy,
    retry_after,
    sandbox_hint,
)
from loop_kit.core.loop.failures import (
    explain_failure,
    explain_timeout,
    explain_unfinished,
    process_failure,
)
from loop_kit.core.loop.messages import (
    Failure,
)
from loop_kit.core.loop.state import Role


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "bad_flags"),
        (401, "authentication"),
        (402, "quota"),
        (403, "authentication"),
        (404, "bad_flags"),
        (408, "network"),
        (413, "context_length"),
        (422, "bad_flags"),
        (429, "rate_limit"),
        (500, "overload"),
        (503, "overload"),
        (529, "overload"),
        (599, "overload"),
        (0, "unknown"),
        (200, "unknown"),
        (600, "unknown"),
        (-1, "unknown"),
    ],
)
def test_a_status_tells_the_kind(status: int, kind: str) -> None:
    assert from_codes((), status) == kind


@pytest.mark.parametrize(
    ("codes", "status", "kind"),
    [
        (("insufficient_quota", "rate_limit_error"), 429, "quota"),
        (("context_length_exceeded", "invalid_request_error"), 400, "context_length"),
        (("context_length_exceeded", "server_error"), 0, "context_length"),
        (("invalid_request_error",), 401, "authentication"),
        (("server_error",), 0, "overload"),
        (("server_error",), 429, "rate_limit"),
        (("", "new_code"), 0, "unknown"),
    ],
)
def test_a_telling_code_counts_more_than_the_status_and_a_vague_one_less(
    codes: tuple[str, ...], status: int, kind: str
) -> None:
    assert from_codes(codes, status) == kind


DATED = {"date": "Sun, 22 Nov 2026 14:49:03 GMT", "retry-after": "Sun, 22 Nov 2026 14:51:03 GMT"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30),
        ({"retry-after": 30}, 30),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "30"}, 1.5),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": 10**400}, None),
        ({"retry-after": "999999999"}, MAX_WAIT),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": True}, None),
        ({"retry-after": ["1"]}, None),
        (DATED, 120),
        ({**DATED, "date": "once"}, None),
        ({**DATED, "date": "Sun, 22 Nov 2026 14:49:03"}, None),
        ({**DATED, "date": "Sun, 22 Nov 2026 15:49:03 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 14:51:03 GMT"}, None),
    ],
)
def test_the_wait_is_read_from_the_headers_without_a_clock(
    headers: dict[str, object], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


def test_a_status_comes_with_its_message_and_wait() -> None:
    found = from_status(429, "slow\x1b[31m down", (), {"retry-after": "7"})
    assert (found.kind, found.message, found.retry_after) == ("rate_limit", "slow down", 7)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('{"error": {"type": "a", "code": "b", "message": "m"}}', ("b", "a")),
        ('{"type": "a", "code": null}', ("a",)),
        ('{"error": {"message": "m"}}', ()),
    ],
)
def test_an_error_object_tells_its_codes(text: str, codes: tuple[str, ...]) -> None:
    found = api_error(text)
    assert found is not None
    assert found.codes == codes


@pytest.mark.parametrize(
    "text", ["", "words", "[1]", "{", "{}", '{"error": 1}', '{"a":' * 100_000, '{"code": 7}']
)
def test_what_is_no_error_object_is_none(text: str) -> None:
    assert api_error(text) is None


def test_a_problem_is_short_and_nothing_that_a_terminal_obeys() -> None:
    found = problem(ProblemKind.UNKNOWN, "x" * 10**6 + "\x1b]0;title\x07\x9b31m the end ")
    assert len(found.message) == MAX_MESSAGE
    assert found.message.endswith("x31m the end")


@pytest.mark.parametrize("backend", ["scripted", "command", "codex"])
def test_a_program_that_was_not_found_is_a_missing_tool(backend: str) -> None:
    assert from_exit(backend, 127, "sh: x: not found").kind is ProblemKind.MISSING_TOOL


def test_an_exit_code_means_only_what_its_backend_means_by_it() -> None:
    assert from_exit("scripted", 64, "no scene").is_permanent
    assert not from_exit("codex", 64, "no scene").is_permanent


@pytest.mark.parametrize(
    ("tail", "kind"),
    [
        ("WARNING: x\nerror: unexpected argument '--full-auto' found\n", "bad_flags"),
        ("error: option '--max-turns <turns>' argument 'x' is invalid.", "bad_flags"),
        ("Error: Unknown feature flag: plugins", "bad_flags"),
        ("Error: Model provider `nope` not found", "bad_flags"),
        ("Error: Invalid API key", "authentication"),
        ("Not logged in - Please run /login", "authentication"),
        ("Error: login required", "authentication"),
        ("native binary not installed", "missing_tool"),
        ("connection reset", "unknown"),
        ("port 4010 is busy", "unknown"),
        ("blogging is slow", "unknown"),
        ("the file is not found", "unknown"),
    ],
)
def test_a_program_without_a_stream_is_known_by_its_last_words(tail: str, kind: str) -> None:
    assert from_stderr("codex", 1, tail).kind == kind


def test_every_kind_is_permanent_unfinished_or_may_pass() -> None:
    assert not PERMANENT & UNFINISHED
    passing = set(ProblemKind) - PERMANENT - UNFINISHED
    assert {kind.value for kind in passing} == {
        *("rate_limit", "overload", "network", "invalid_session", "limit", "unknown"),
    }


@pytest.mark.parametrize("kind", ProblemKind)
@pytest.mark.parametrize("backend", ["codex", "claude", "opencode", "scripted", "mine"])
def test_every_kind_has_one_sentence_of_remedy(kind: ProblemKind, backend: str) -> None:
    said = remedy(kind, backend, "reviewer")
    assert said.endswith(", then continue with --resume.")
    assert "{" not in said
    assert "worker" not in said


@pytest.mark.parametrize("kind", ProblemKind)
@pytest.mark.parametrize("backend", ["codex", "claude", "opencode", "scripted", "mine"])
def test_no_remedy_in_ci_is_for_a_laptop(kind: ProblemKind, backend: str) -> None:
    said = remedy(kind, backend, "reviewer", in_ci=True)
    assert said.endswith(".")
    laptop = ("--resume", "--reviewer", "login`", "setup-token", "loop doctor", "{")
    assert [word for word in laptop if word in said] == []


@pytest.mark.parametrize(
    ("kind", "backend", "words"),
    [
        (ProblemKind.AUTHENTICATION, "codex", "codex login"),
        (ProblemKind.AUTHENTICATION, "claude", "claude setup-token"),
        (ProblemKind.AUTHENTICATION, "opencode", "opencode auth login"),
        (ProblemKind.AUTHENTICATION, "mine", "Log in to mine"),
        (ProblemKind.MISSING_TOOL, "codex", "Install codex"),
        (ProblemKind.BAD_FLAGS, "codex", "--worker-args"),
        (ProblemKind.LIMIT, "claude", "--max-turns"),
        (ProblemKind.UNKNOWN, "codex", "Check codex's login and the network"),
        (ProblemKind.UNKNOWN, "scripted", "Correct the script"),
    ],
)
def test_a_remedy_names_the_command_or_the_setting(
    kind: ProblemKind, backend: str, words: str
) -> None:
    assert words in remedy(kind, backend, "worker")


@pytest.mark.parametrize(
    ("kind", "code", "resumed", "failure"),
    [
        (None, 0, False, None),
        (None, 1, False, "transient"),
        ("authentication", 0, False, "permanent"),
        ("authentication", 1, True, "permanent"),
        ("overload", 1, False, "transient"),
        ("unknown", 0, False, "transient"),
        ("truncated", 1, False, None),
        ("denied", 0, False, None),
        ("limit", 1, True, "budget"),
        ("context_length", 1, False, "permanent"),
        ("context_length", 1, True, "stale_session"),
        ("invalid_session", 1, True, "stale_session"),
        ("invalid_session", 1, False, "transient"),
    ],
)
def test_a_problem_decides_what_becomes_of_the_attempt(
    kind: str | None, code: int, resumed: bool, failure: str | None
) -> None:
    told = problem(ProblemKind(kind), "x") if kind else None
    assert process_failure(code, "", told, resumed=resumed) == failure


def test_a_timeout_is_a_timeout_and_tells_what_was_waited_for() -> None:
    told = problem(ProblemKind.CONTEXT_LENGTH, "Reconnecting")
    assert process_failure(-9, "timed out", told, resumed=True) is Failure.TIMEOUT
    assert (
        explain_timeout("timed out", "codex", told)
        == "timed out. Before that, codex said: Reconnecting"
    )
    assert explain_timeout("timed out", "codex", None) == "timed out"


def test_a_refusal_says_that_the_model_refused_and_quotes_it() -> None:
    told = problem(ProblemKind.REFUSAL, "I can't help with that.")
    said = explain_failure("claude", Role.WORKER, 0, told, Failure.PERMANENT)
    assert said == (
        "claude ended with a permanent error, not retrying (refusal, exit code 0): the model"
        " refused, and said: I can't help with that. Reword the task card, or choose another model"
        " with --worker-model, then continue with --resume."
    )


def test_a_program_that_said_nothing_is_told_by_its_exit_code() -> None:
    said = explain_failure("codex", Role.REVIEWER, 3, None, Failure.TRANSIENT)
    assert said.startswith("codex ended with an error (exit code 3). Check codex's login")


def test_what_a_report_lacks_is_told_with_why_the_agent_did_not_finish() -> None:
    told = problem(ProblemKind.DENIED, "claude denied it Bash")
    said = explain_unfinished("no report", "claude", Role.WORKER, told)
    assert said.startswith("no report: claude denied it Bash. Allow claude the tools")
    other = problem(ProblemKind.OVERLOAD, "x")
    assert explain_unfinished("no report", "claude", Role.WORKER, other) == "no report"


READ_ONLY = "npm error code EROFS\nnpm error rofs Read-only file system"


def test_an_agent_that_cannot_write_in_its_sandbox_is_told_which_settings_help() -> None:
    hint = sandbox_hint(1, READ_ONLY, "user namespace; network: open")

    assert hint is not None
    for setting in ("shared_caches", "workspace-include", "workspace-setup", "sandbox: off"):
        assert setting in hint


def test_what_landlock_closes_is_denied_and_not_read_only() -> None:
    denied = "touch: cannot touch '/usr/x': Permission denied"

    assert sandbox_hint(1, denied, "Landlock; network: open") is not None
    assert sandbox_hint(1, denied, "namespaces; network: open") is None


@pytest.mark.parametrize(
    ("code", "stderr", "sandbox"),
    [
        (0, READ_ONLY, "namespaces"),
        (1, "no", "namespaces"),
        (1, READ_ONLY, "off"),
        (1, READ_ONLY, "none"),
        (1, READ_ONLY, ""),
    ],
)
def test_who_does_not_fail_by_a_sandbox_gets_no_hint(code: int, stderr: str, sandbox: str) -> None:
    assert sandbox_hint(code, stderr, sandbox) is None
