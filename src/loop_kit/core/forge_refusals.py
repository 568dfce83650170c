"""What GitHub's API says against a request, understood: not now, or a no with what mends it.

"403" in a log at three in the morning helps nobody, so every no that a setting or a `permissions:`
line can turn into a yes names it.
"""

from collections.abc import Mapping
from typing import Any

from loop_kit.errors import ForgeRefused

_DEFAULT_WAIT = 60.0


def is_rate_limit(status: int, headers: Mapping[str, str], data: Any) -> bool:
    """Whether this is a limit and no final no, by any of the ways in which GitHub says so."""
    used_up = "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    kinds = {part.get("type") for part in _details(data) if isinstance(part, dict)}
    return status == 429 or (status == 403 and used_up) or "RATE_LIMITED" in kinds


def wait_for(headers: Mapping[str, str], now: float) -> float:
    """How many seconds to wait; `now` is Unix time."""
    if headers.get("retry-after", "").isdigit():
        return float(headers["retry-after"])
    if headers.get("x-ratelimit-reset", "").isdigit():
        return max(1.0, float(headers["x-ratelimit-reset"]) - now)
    return _DEFAULT_WAIT


def said(data: Any, message: str = "") -> str:
    """GitHub's message and its details on one line."""
    parts = [
        str(part.get("message") or part.get("code") or "") if isinstance(part, dict) else str(part)
        for part in _details(data)
    ]
    whole = data.get("message") if isinstance(data, dict) else ""
    return " ".join(f"{whole or message or ''} {'; '.join(parts)}".split())[:400]


def refusal(status: int, message: str, scope: str) -> ForgeRefused:
    """A final no; `scope` is the permission that the request needs."""
    low = message.lower()
    if status == 401:
        return ForgeRefused("GitHub does not know the token (401).", "Pass a valid `github-token`.")
    remedy = "Look at what GitHub says and correct the setting."
    if "not accessible" in low:
        remedy = f"Add to the job: `permissions: {scope}: write`."
    elif "locked" in low:
        remedy = "Unlock the conversation, or look at the job's summary instead."
    return ForgeRefused(f"GitHub answered {status}: {message}", remedy)


def pulls_forbidden(link: str) -> ForgeRefused:
    """Actions may not open pull requests; `link` is the page on which a person can."""
    return ForgeRefused(
        "GitHub Actions may not open pull requests in this repository.",
        "Allow it in Settings, Actions, General: 'Allow GitHub Actions to create and approve"
        f" pull requests'; or open it yourself: {link}",
    )


def _details(data: Any) -> list[Any]:
    errors = data.get("errors") if isinstance(data, dict) else None
    return errors if isinstance(errors, list) else [errors] if errors else []
