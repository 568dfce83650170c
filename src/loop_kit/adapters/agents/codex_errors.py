"""What codex's `error` and `turn.failed` events mean. Checked against codex 0.169.

They hold only a message, whose beginning is fixed for each kind of error; the rest may quote the
provider. So only the beginning, a status or an error object is read.
"""

import re

from loop_kit.core.agent.diagnosis import Problem, ProblemKind, api_error, from_codes, problem

_APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"
_RECONNECTING = re.compile(r"Reconnecting\.\.\. (?:\d+/\d+|[\w ]+) \((.*)\)\Z", re.DOTALL)
_STATUS = re.compile(
    r"(?:unexpected status|exceeded retry limit, last status:) (\d{3})\b[^:{]*(?:: )?(.*)",
    re.DOTALL,
)
_INCOMPLETE = re.compile(r"(?:stream error: )?Incomplete response returned, reason: (\w+)")
_PAUSE = re.compile(r"try again in\s*(\d{1,9}(?:\.\d+)?)\s*(ms|s|seconds?)\b", re.IGNORECASE)
_BEGINNINGS: tuple[tuple[str, ProblemKind], ...] = (
    ("You've hit your usage limit", ProblemKind.QUOTA),
    ("Quota exceeded", ProblemKind.QUOTA),
    ("To use Codex with your ChatGPT plan", ProblemKind.QUOTA),
    ("rate limit exceeded", ProblemKind.RATE_LIMIT),
    ("Codex ran out of room in the model's context window", ProblemKind.CONTEXT_LENGTH),
    ("context window exceeded", ProblemKind.CONTEXT_LENGTH),
    ("Missing environment variable", ProblemKind.AUTHENTICATION),
    ("Your access token could not be refreshed", ProblemKind.AUTHENTICATION),
    ("Not logged in", ProblemKind.AUTHENTICATION),
    ("This content was flagged", ProblemKind.REFUSAL),
    ("This request has been flagged", ProblemKind.REFUSAL),
    ("This request was blocked", ProblemKind.REFUSAL),
    ("session budget exceeded", ProblemKind.LIMIT),
    ("We're currently experiencing high demand", ProblemKind.OVERLOAD),
    ("Selected model is at capacity", ProblemKind.OVERLOAD),
    ("server overloaded", ProblemKind.OVERLOAD),
    ("stream disconnected before completion", ProblemKind.NETWORK),
    ("Connection failed", ProblemKind.NETWORK),
)


def codex_problem(message: str) -> Problem:
    """The problem that codex reports by `message`."""
    wrapped = _RECONNECTING.match(message)
    text = (wrapped.group(1) if wrapped else message).replace(_APOSTROPHE, "'")
    return problem(_kind(text), message, _pause(text))


def _kind(text: str) -> ProblemKind:
    error = api_error(text)
    if error is not None:
        return from_codes(error.codes)
    status = _STATUS.match(text)
    if status is not None:
        body = api_error(status.group(2).rpartition(", url: ")[0])
        return from_codes(body.codes if body else (), int(status.group(1)))
    incomplete = _INCOMPLETE.match(text)
    if incomplete is not None:
        return from_codes([incomplete.group(1)])
    kinds = (kind for words, kind in _BEGINNINGS if text.startswith(words))
    return next(kinds, ProblemKind.UNKNOWN)


def _pause(text: str) -> float | None:
    found = _PAUSE.search(text) if text.startswith("rate limit exceeded") else None
    if found is None:
        return None
    return float(found.group(1)) / (1000 if found.group(2).lower() == "ms" else 1)
