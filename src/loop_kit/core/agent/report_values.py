"""Single values of a report, in the forms in which agents write them."""

import re
from typing import Any, Literal

from loop_kit.patterns import late_pattern

Severity = Literal["high", "medium", "low"]
DispositionStatus = Literal["fixed", "not_fixed", "withdrawn", "upheld"]
Decision = Literal["approve", "changes_required"]

SEVERITIES: dict[str, Severity] = {
    "critical": "high",
    "blocker": "high",
    "high": "high",
    "major": "high",
    "low": "low",
    "minor": "low",
}
DECISIONS: dict[str, Decision] = {
    **dict.fromkeys(("approve", "approved", "approves", "accept", "accepted", "lgtm"), "approve"),
    **dict.fromkeys(("approve_with_comments", "approved_with_comments"), "approve"),
    **dict.fromkeys(("approve_with_suggestions", "approved_with_suggestions"), "approve"),
    **dict.fromkeys(
        (
            *("changes_required", "change_required", "changes_requested", "change_requested"),
            *("requires_changes", "require_changes", "request_changes", "requests_changes"),
            *("needs_changes", "changes_needed", "needs_work", "reject", "rejected"),
        ),
        "changes_required",
    ),
}
STATUSES: dict[str, DispositionStatus] = {
    **dict.fromkeys(("fixed", "resolved", "addressed"), "fixed"),
    **dict.fromkeys(("not_fixed", "unfixed", "not_resolved", "unresolved"), "not_fixed"),
    **dict.fromkeys(("open", "still_open", "not_addressed", "unaddressed"), "not_fixed"),
    **dict.fromkeys(("partly_fixed", "partially_fixed", "partially_addressed"), "not_fixed"),
    **dict.fromkeys(("withdrawn", "withdraw"), "withdrawn"),
    **dict.fromkeys(("upheld", "uphold"), "upheld"),
}
DISPUTED = frozenset({"disputed", "dispute", "disputes"})
YES = frozenset({"true", "yes", "met"})
NOTHING = frozenset({"none", "nothing", "n_a", "null", "no_blocking_issues"})
"""What an agent writes where a list is empty."""

_WHOLE = late_pattern(r"\s*(\d{1,9})(?:\.0+)?\s*", re.ASCII)
_ISSUED = late_pattern(
    r"[\W_]*+(?:([FC])[-_ ]?(\d{1,9})(?!\w)|(\d{1,9})\W*+$)", re.IGNORECASE | re.ASCII
)
_LINE = late_pattern(r"[\s#]*+(?:(?:lines?\b|l)\s*+)?(\d{1,9})(?!\d)", re.IGNORECASE | re.ASCII)


def word(value: object) -> str:
    """A word of a vocabulary: in lower case, with `_` for what separates its parts."""
    return re.sub(r"[\W_]+", "_", value.lower()).strip("_") if isinstance(value, str) else ""


def whole_number(value: object) -> int | None:
    """A whole number, also as `2.0` or as text."""
    if isinstance(value, str):
        written = _WHOLE.fullmatch(value)
        return int(written[1]) if written else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def line_number(value: object) -> int | None:
    """The line in `5`, `5.0`, `"5"`, `"5-6"`, `"L5"`, `"#L5"` or `[5, 6]`: the first of several."""
    if isinstance(value, list) and value:
        value = value[0]
    written = _LINE.match(value) if isinstance(value, str) else None
    line = int(written[1]) if written else whole_number(value)
    return line if line is not None and line > 0 else None


def issued_id(text: str, letter: str) -> str:
    """An id that we issued, `F1` or `C1`; also from `f1`, `[F1]`, `F1: its text` or `1` alone."""
    issued = _ISSUED.match(text)
    if issued is None:
        return text.strip().upper()
    return f"{issued[1] or letter}{issued[2] or issued[3]}".upper()


def entries(value: object, field: str) -> list[dict[str, Any]]:
    """The objects of a list; also of a mapping by their ids, where a plain value is the `field`."""
    if isinstance(value, dict):
        pairs = value.items()
        value = [{"id": id_, **(v if isinstance(v, dict) else {field: v})} for id_, v in pairs]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
