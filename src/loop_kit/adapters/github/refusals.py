"""Classifies the errors of GitHub's API: transient ones, and refusals with their remedy.

"403" in a log at three in the morning helps nobody, so every refusal that a setting or a
`permissions:` line can fix names it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from loop_kit.errors import ForgeRefused

_DEFAULT_WAIT = 60.0
_LIMITS = {"RATE_LIMITED", "RATE_LIMIT"}
_READING = {
    "issue": "issues: read",
    "closingIssuesReferences": "issues: read",
    "pullRequest": "pull-requests: read",
    "statusCheckRollup": "checks: read",
    "checkSuites": "checks: read",
}
_FINAL = frozenset({200, 400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 426, 451})
"""The statuses of a final refusal: 200 in GraphQL; a rate limit has others and 403."""
_TRANSIENT = ("something went wrong", "timeout", "timed out", "couldn't respond")


class Refused(ForgeRefused):
    """A final refusal of the API; `status` is that of the answer, 200 for an error of GraphQL."""

    def __init__(self, status: int, sentence: str, remedy: str) -> None:
        super().__init__(sentence, remedy)
        self.status = status


def is_rate_limit(status: int, headers: Mapping[str, str], data: Any) -> bool:
    """Whether this is a rate limit and no final refusal, in any form that GitHub uses."""
    used_up = "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    kinds = {part.get("type") for part in _details(data) if isinstance(part, dict)}
    return status == 429 or (status == 403 and used_up) or bool(_LIMITS & kinds)


def wait_for(headers: Mapping[str, str], now: float) -> float:
    """The seconds to wait; `now` is Unix time."""
    if headers.get("retry-after", "").isdigit():
        return float(headers["retry-after"])
    if headers.get("x-ratelimit-reset", "").isdigit():
        return max(1.0, float(headers["x-ratelimit-reset"]) - now)
    return _DEFAULT_WAIT


def error_message(data: Any, message: str = "") -> str:
    """GitHub's message and its details on one line."""
    parts = [
        str(part.get("message") or part.get("code") or "") if isinstance(part, dict) else str(part)
        for part in _details(data)
    ]
    whole = data.get("message") if isinstance(data, dict) else ""
    once = "; ".join(dict.fromkeys(parts))
    return " ".join(f"{whole or message or ''} {once}".split())[:400]


def refusal(status: int, message: str, permissions: Iterable[str]) -> Refused:
    """A final refusal; `permissions` are those it requires, such as "issues: write"."""
    low = message.lower()
    if status == 401:
        sentence = "GitHub does not know the token (401)."
        return Refused(status, sentence, "Pass a valid `github-token`.")
    remedy = "Look at what GitHub says and correct the setting."
    needed = sorted(set(permissions) - {""})
    if "not accessible" in low and needed:
        lines = needed[0] if len(needed) == 1 else f"{{{', '.join(needed)}}}"
        remedy = f"Add to the job: `permissions: {lines}`."
    elif "locked" in low:
        remedy = "Unlock the conversation, or look at the job's summary instead."
    answered = "answered" if status == 200 else f"answered {status}"
    return Refused(status, f"GitHub {answered}: {message}", remedy)


def is_absence(data: Any) -> bool:
    """Whether a GraphQL answer reports only objects that do not exist in the repository.

    False when the repository itself does not exist: then nothing is known about its objects.
    """
    kinds = {part.get("type") for part in _details(data) if isinstance(part, dict)}
    whole = data.get("data") if isinstance(data, dict) else None
    return kinds <= {"NOT_FOUND"} and isinstance(whole, dict) and None not in whole.values()


def split_errors(data: Any, optional: Collection[str]) -> tuple[list[Any], list[Any]]:
    """The errors of a GraphQL answer, and those final ones at the aliases `optional`.

    What reports an object that does not exist any more is in neither.
    """
    required: list[Any] = []
    refused: list[Any] = []
    for part in _details(data):
        path = part.get("path") if isinstance(part, dict) else None
        is_optional = isinstance(path, list) and bool(path) and path[0] in optional
        if is_optional and part.get("type") == "NOT_FOUND":
            continue
        final = is_optional and not is_transient({"errors": [part]})
        (refused if final else required).append(part)
    return required, refused


def is_final(status: int, data: Any) -> bool:
    """Whether an error that is no rate limit would be the same at any other time."""
    return status in _FINAL and not is_transient(data)


def is_transient(data: Any) -> bool:
    """Whether a GraphQL answer reports an internal error of GitHub, which may be over soon."""
    parts = [part for part in _details(data) if isinstance(part, dict)]
    return any(
        "type" not in part and str(part.get("message", "")).lower().startswith(_TRANSIENT)
        for part in parts
    )


def missing_permissions(data: Any) -> list[str]:
    """The permissions that a GraphQL query lacked, from the fields that were refused."""
    paths = [part.get("path") for part in _details(data) if isinstance(part, dict)]
    fields = [_refused_field(path) for path in paths if isinstance(path, list)]
    return [_READING[field] for field in fields if field]


def pulls_forbidden(link: str) -> ForgeRefused:
    """The error that Actions may not open pull requests; on the page `link` a person can."""
    return ForgeRefused(
        "GitHub Actions may not open pull requests in this repository.",
        "Allow it in Settings, Actions, General: 'Allow GitHub Actions to create and approve"
        f" pull requests'; or open it yourself: {link}",
        anchor="pull-requests-not-allowed",
    )


def _refused_field(path: Sequence[Any]) -> str:
    return next((part for part in reversed(path) if part in _READING), "")


def _details(data: Any) -> list[Any]:
    errors = data.get("errors") if isinstance(data, dict) else None
    return errors if isinstance(errors, list) else [errors] if errors else []
