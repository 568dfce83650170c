"""Why an agent failed, judged by the machine-readable output of its backend.

A status, an error code, the kind of an event or an exit code decides; never the words of a test
log. What an agent's tools print reaches standard error and the stream as well, so text is read only
where nothing but the backend can have written it: in its own error events, and on the standard
error of a program that ended before it opened a stream.

A permanent problem would be the same in the next attempt and stops the loop at once. Any other may
pass. `UNFINISHED` ones are the agent's own and go back to it once, as a missing report does.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from loop_kit.core.text.sanitize import visible
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

MAX_MESSAGE = 2000
MAX_WAIT = 24 * 3600.0


class ProblemKind(StrEnum):
    """What went wrong; `limit` is a limit on turns or money that the backend itself was given."""

    AUTHENTICATION = "authentication"
    QUOTA = "quota"
    RATE_LIMIT = "rate_limit"
    OVERLOAD = "overload"
    NETWORK = "network"
    CONTEXT_LENGTH = "context_length"
    REFUSAL = "refusal"
    TRUNCATED = "truncated"
    DENIED = "denied"
    MISSING_TOOL = "missing_tool"
    INVALID_SESSION = "invalid_session"
    BAD_FLAGS = "bad_flags"
    LIMIT = "limit"
    UNKNOWN = "unknown"


PERMANENT = frozenset(
    {
        ProblemKind.AUTHENTICATION,
        ProblemKind.QUOTA,
        ProblemKind.CONTEXT_LENGTH,
        ProblemKind.REFUSAL,
        ProblemKind.MISSING_TOOL,
        ProblemKind.BAD_FLAGS,
    }
)
UNFINISHED = frozenset({ProblemKind.TRUNCATED, ProblemKind.DENIED})


@frozen
class Problem:
    """One failure: `message` in the backend's words, `retry_after` in seconds, at most a day."""

    kind: ProblemKind
    message: str = ""
    retry_after: float | None = None

    @property
    def is_permanent(self) -> bool:
        """Whether trying again cannot help."""
        return self.kind in PERMANENT


def problem(kind: ProblemKind, text: str, retry_after: float | None = None) -> Problem:
    """A `Problem` from text and numbers that are not trusted."""
    return Problem(kind, printable_tail(text), bounded_wait(retry_after))


def printable_tail(text: str) -> str:
    """The end of `text`, short and without terminal control sequences."""
    return visible(text[-4 * MAX_MESSAGE :]).strip()[-MAX_MESSAGE:]


def bounded_wait(seconds: float | None) -> float | None:
    """A requested wait within bounds, or None."""
    if seconds is None or not math.isfinite(seconds) or seconds <= 0:
        return None
    return min(seconds, MAX_WAIT)


_CODES: Mapping[str, ProblemKind] = {
    **dict.fromkeys(
        (
            *("authentication_error", "authentication_failed", "invalid_api_key"),
            *("permission_error", "oauth_org_not_allowed", "account_on_hold"),
            *("verification_required", "cloud_credential_error", "ProviderAuthError"),
        ),
        ProblemKind.AUTHENTICATION,
    ),
    **dict.fromkeys(
        (
            *("insufficient_quota", "billing_error", "usage_limit_reached"),
            *("usage_not_included", "organization_spend_limit_exceeded"),
        ),
        ProblemKind.QUOTA,
    ),
    **dict.fromkeys(
        ("rate_limit", "rate_limit_error", "rate_limit_exceeded"), ProblemKind.RATE_LIMIT
    ),
    **dict.fromkeys(
        ("overloaded", "overloaded_error", "server_is_overloaded", "slow_down"),
        ProblemKind.OVERLOAD,
    ),
    **dict.fromkeys(("connection_failed", "timeout_error"), ProblemKind.NETWORK),
    **dict.fromkeys(
        (
            *("context_length_exceeded", "model_context_window_exceeded", "prompt_too_long"),
            *("request_too_large", "ContextOverflowError"),
        ),
        ProblemKind.CONTEXT_LENGTH,
    ),
    **dict.fromkeys(
        ("refusal", "content_filter", "content-filter", "cyber_policy"), ProblemKind.REFUSAL
    ),
    **dict.fromkeys(
        ("max_tokens", "max_output_tokens", "length", "MessageOutputLengthError"),
        ProblemKind.TRUNCATED,
    ),
    **dict.fromkeys(("not_found_error", "model_not_found"), ProblemKind.BAD_FLAGS),
}
_VAGUE: Mapping[str, ProblemKind] = {
    "server_error": ProblemKind.OVERLOAD,
    "invalid_request": ProblemKind.BAD_FLAGS,
    "invalid_request_error": ProblemKind.BAD_FLAGS,
}
_STATUSES: Mapping[int, ProblemKind] = {
    400: ProblemKind.BAD_FLAGS,
    401: ProblemKind.AUTHENTICATION,
    402: ProblemKind.QUOTA,
    403: ProblemKind.AUTHENTICATION,
    404: ProblemKind.BAD_FLAGS,
    405: ProblemKind.BAD_FLAGS,
    408: ProblemKind.NETWORK,
    413: ProblemKind.CONTEXT_LENGTH,
    422: ProblemKind.BAD_FLAGS,
    429: ProblemKind.RATE_LIMIT,
}


def from_codes(codes: Iterable[str], status: int = 0) -> ProblemKind:
    """The kind by an API's error codes and types, the most specific first, and its HTTP status.

    A specific code counts more than the status; a vague one ("bad request", "server error") counts
    less.
    """
    known_codes = tuple(codes)
    named = next((_CODES[code] for code in known_codes if code in _CODES), None)
    if named is not None:
        return named
    if status in _STATUSES:
        return _STATUSES[status]
    if 500 <= status <= 599:
        return ProblemKind.OVERLOAD
    return next((_VAGUE[code] for code in known_codes if code in _VAGUE), ProblemKind.UNKNOWN)


def from_status(
    status: int,
    message: str,
    codes: Iterable[str] = (),
    headers: Mapping[str, object] | None = None,
) -> Problem:
    """The problem that an HTTP response describes, with the wait that its headers ask for."""
    wait = retry_after(headers or {})
    return problem(from_codes(codes, status), message, wait)


def retry_after(headers: Mapping[str, object]) -> float | None:
    """The seconds that the headers of an answer (names in lower case) ask to wait, or None.

    A date is counted from the answer's own `date`, so no local clock is needed.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return bounded_wait(milliseconds / 1000)
    asked = headers.get("retry-after")
    seconds = _number(asked)
    if seconds is not None:
        return bounded_wait(seconds)
    return bounded_wait(_between(headers.get("date"), asked))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _between(first: object, second: object) -> float | None:
    from email.utils import parsedate_to_datetime as parsed

    try:
        return (parsed(str(second)) - parsed(str(first))).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None


@frozen
class ApiError:
    """The error object of an API's answer: its message, and its codes, the most specific first."""

    message: str
    codes: tuple[str, ...]


def api_error(text: str) -> ApiError | None:
    """The error object that `text` is, by itself or under `error`; None when there is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    inner = document.get("error")
    error = inner if isinstance(inner, dict) else document
    codes = tuple(v for k in ("code", "type") if isinstance(v := error.get(k), str))
    message = error.get("message")
    if not codes and not isinstance(message, str):
        return None
    return ApiError(message if isinstance(message, str) else text, codes)


_SHELL_EXITS = {126: ProblemKind.MISSING_TOOL, 127: ProblemKind.MISSING_TOOL}
_EXITS: Mapping[str, Mapping[int, ProblemKind]] = {
    "scripted": {64: ProblemKind.BAD_FLAGS, 65: ProblemKind.BAD_FLAGS}
}
_SILENT: tuple[tuple[ProblemKind, re.Pattern[str]], ...] = (
    (
        ProblemKind.BAD_FLAGS,
        late_pattern(
            r"^error: (?:unexpected argument|unknown (?:option|command)|unrecognized|invalid value"
            r"|option '|the argument '|a value is required|the following required)"
            r"|^Error: (?:Unknown feature flag|Model provider `|Unknown argument)"
            r"|^Error loading config|no longer supported"
            r"|\Aopencode run \[message"
            r"|^ +(?:-\w, )?--[a-z-]+ .*\[(?:boolean|string|array|number)\]",
            re.MULTILINE | re.IGNORECASE,
        ),
    ),
    (
        ProblemKind.AUTHENTICATION,
        late_pattern(
            r"\b401\b|unauthori[sz]ed|authenticat|(?:invalid|expired) token"
            r"|token (?:has )?expired|api[ _]key|\bnot logged in|\blog ?in\b|/login",
            re.IGNORECASE,
        ),
    ),
    (
        ProblemKind.MISSING_TOOL,
        late_pattern(
            r"cannot find executable|command not found|native binary not installed", re.IGNORECASE
        ),
    ),
)


def from_exit(backend: str, exit_code: int, tail: str) -> Problem:
    """The problem of a program with only an exit code; `tail` is quoted, not parsed."""
    known = {**_SHELL_EXITS, **_EXITS.get(backend, {})}
    return problem(known.get(exit_code, ProblemKind.UNKNOWN), tail)


def from_stderr(backend: str, exit_code: int, tail: str) -> Problem:
    """The problem of a backend that ended before its stream began.

    Its tools never ran, so the end of its standard error is its own message.
    """
    found = from_exit(backend, exit_code, tail)
    if found.kind is not ProblemKind.UNKNOWN:
        return found
    kinds = (kind for kind, words in _SILENT if words.search(found.message))
    return problem(next(kinds, ProblemKind.UNKNOWN), tail)


# --- remedies: one sentence for each kind and backend ----------------------------------------

_RESUME = ", then continue with --resume."
_LOGIN: Mapping[str, str] = {
    "codex": "Log in to codex (`codex login`) or set its API key (CODEX_API_KEY)",
    "claude": "Log in to claude (`claude setup-token`) or set its API key (ANTHROPIC_API_KEY)",
    "opencode": "Log in to opencode (`opencode auth login`) or set its provider's API key",
}
_OTHER_LOGIN = "Log in to {backend} or set its API key"
_KEYS: Mapping[str, str] = {
    "codex": "Pass a valid key as the input `openai-api-key`",
    "claude": "Pass a valid `anthropic-api-key` or `claude-code-oauth-token` as input",
}
_OTHER_KEY = "Set the key of {backend} in the workflow's `env:`, and name it in `agent-env`"
_LIMITS: Mapping[str, str] = {"claude": " (--max-turns, --max-budget-usd)"}
_SENTENCES: Mapping[ProblemKind, str] = {
    ProblemKind.QUOTA: (
        "Wait until the account of {backend} has usage again, or choose another model or backend"
    ),
    ProblemKind.RATE_LIMIT: "Wait a while, or ask {backend}'s provider for a higher rate limit",
    ProblemKind.OVERLOAD: "Wait until the provider of {backend} has recovered",
    ProblemKind.NETWORK: "Check the network and the proxy between here and {backend}'s provider",
    ProblemKind.CONTEXT_LENGTH: (
        "Make the task smaller, or choose a model with a larger context with {model}"
    ),
    ProblemKind.REFUSAL: "Reword the task card, or choose another model with {model}",
    ProblemKind.TRUNCATED: (
        "Make the task smaller, or choose a model with a larger output limit with {model}"
    ),
    ProblemKind.DENIED: "Allow {backend} the tools that it was denied with {args}",
    ProblemKind.MISSING_TOOL: "Install {backend} and put it on PATH",
    ProblemKind.INVALID_SESSION: "Start a new conversation of {backend}",
    ProblemKind.BAD_FLAGS: (
        "Correct {model} and {args}, or install a version of {backend} that fits{doctor}"
    ),
    ProblemKind.LIMIT: "Raise the limit in {args}{limits} or make the task smaller",
    ProblemKind.UNKNOWN: "Check {backend}'s login and the network",
}


_FLAG_OF_BOTH = {"second_reviewer": "second-reviewer"}
"""Roles whose one flag names backend and model."""


def remedy(kind: ProblemKind, backend: str, role: str, *, in_ci: bool = False) -> str:
    """What to do about a problem of `kind` that `backend` had as `role`.

    On a laptop it ends with how to continue; in CI the post says that by itself.
    """
    ending = "." if in_ci else _RESUME
    if backend == "scripted":
        return f"Correct the script{ending}"
    if kind is ProblemKind.AUTHENTICATION:
        keys, other = (_KEYS, _OTHER_KEY) if in_ci else (_LOGIN, _OTHER_LOGIN)
        return f"{keys.get(backend, other.format(backend=backend))}{ending}"
    quoted = "`{}`" if in_ci else "--{}"
    sentence = _SENTENCES[kind].format(
        backend=backend,
        model=quoted.format(_FLAG_OF_BOTH.get(role, f"{role}-model")),
        args=quoted.format(_FLAG_OF_BOTH.get(role, f"{role}-args")),
        limits=_LIMITS.get(backend, ""),
        doctor="" if in_ci else " (`loop doctor` names it)",
    )
    return f"{sentence}{ending}"


_READ_ONLY = ("Read-only file system", "EROFS", "os error 30")
_CLOSED_BY_LANDLOCK = ("Permission denied", "EACCES", "os error 13")


def sandbox_hint(exit_code: int | None, stderr: str, sandbox: str) -> str | None:
    """Which settings help an agent that could not write in its sandbox; None if that is not it."""
    is_confined = bool(sandbox) and not sandbox.startswith(("off", "none"))
    closed = (*_READ_ONLY, *(_CLOSED_BY_LANDLOCK if sandbox.startswith("Landlock") else ()))
    if not (is_confined and exit_code and any(words in stderr for words in closed)):
        return None
    return (
        "The agent failed where it could not write: in the sandbox only its workspace, its own home"
        " and temporary folders are writable. Name a cache in `shared_caches`, bring files in by"
        " `workspace-include` or `workspace-setup`, or set `sandbox: off`."
    )
