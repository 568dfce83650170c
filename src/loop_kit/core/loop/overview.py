"""A loop in a few lines, for a person who comes back to it: cost, findings, rounds.

`loop status` has to start fast, so this reads a state as plain JSON, which may be damaged or of
another version: what does not fit is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loop_kit.core.text.numbers import counted, duration, money, short
from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen

_MAX_TEXT = 100
_MAX_ROWS = 10
_MOST = 1e15
Values = Mapping[str, Any]


@frozen
class Spending:
    """What the attempts of one role in one round took; None where it is not known."""

    round: int
    role: str
    backends: Sequence[str]
    attempts: int
    seconds: float | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    estimated_cost_usd: float | None


def spending(state: Values) -> list[Spending]:
    """What each round took by role, in the order in which they came."""
    rounds = [
        (_whole(record.get("round")), list(_mappings(record.get("attempts"))))
        for record in _mappings(state.get("history"))
    ]
    rounds.append((_whole(state.get("round")), list(_mappings(state.get("attempts")))))
    of_role: dict[tuple[int, str], list[Values]] = {}
    for number, attempts in rounds:
        for attempt in attempts:
            of_role.setdefault((number, str(attempt.get("role"))), []).append(attempt)
    return [_spending(*place, attempts) for place, attempts in of_role.items()]


def _spending(number: int, role: str, attempts: Sequence[Values]) -> Spending:
    def count(key: str) -> int | None:
        total = _total(attempts, key)
        return None if total is None else int(total)

    return Spending(
        round=number,
        role=one_line(role, _MAX_TEXT),
        backends=list(dict.fromkeys(str(a["backend"]) for a in attempts if a.get("backend"))),
        attempts=len(attempts),
        seconds=_total(attempts, "seconds"),
        tokens_in=count("tokens_in"),
        tokens_out=count("tokens_out"),
        cost_usd=_total(attempts, "cost_usd"),
        estimated_cost_usd=_total(attempts, "estimated_cost_usd"),
    )


def usage_line(state: Values) -> str | None:
    """What the loop has used, each beside its limit; None for one that has not begun."""
    usage, limits = _mapping(state.get("usage")), _mapping(state.get("limits"))
    rounds = _whole(usage.get("rounds"))
    if not rounds and not usage.get("agent_seconds"):
        return None
    most = _whole(limits.get("max_rounds"))
    parts = [f"{rounds} of {counted(most, 'round')}" if most else counted(rounds, "round")]
    minutes, allowed = _number(usage.get("agent_seconds")), _number(limits.get("max_minutes"))
    if minutes is not None:
        parts.append(duration(minutes) + (f" of {allowed:g} min" if allowed else ""))
    tokens, allowed = _tokens(usage), _number(limits.get("max_tokens"))
    if tokens is not None:
        parts.append(f"{short(tokens)}{f' of {short(int(allowed))}' if allowed else ''} tokens")
    cost, allowed = _money(usage), _number(limits.get("max_cost_usd"))
    parts.append((cost or "cost unknown") + (f" of {allowed:.2f} USD" if allowed else ""))
    return ", ".join(parts)


def finding_lines(state: Values) -> list[str]:
    """One line for each finding that is open."""
    return [
        " ".join(
            part
            for part in (
                str(finding.get("id")),
                str(finding.get("severity") or ""),
                _place(finding),
                one_line(str(finding.get("reason") or ""), _MAX_TEXT),
                _since(finding),
            )
            if part
        )
        for finding in _mappings(state.get("findings"))
        if finding.get("status", "open") == "open"
    ]


def waiting_lines(state: Values) -> list[str]:
    """The checks that an approval of this loop waits for, one line each."""
    names = state.get("waiting_for")
    found = [one_line(str(n), _MAX_TEXT) for n in names] if isinstance(names, list) else []
    more = len(found) - _MAX_ROWS
    return [*found[:_MAX_ROWS], *([f"... {more} more"] if more > 0 else [])]


def round_lines(state: Values) -> list[str]:
    """One line for each of the last rounds."""
    records = list(_mappings(state.get("history")))
    left_out = [f"... {counted(len(records) - _MAX_ROWS, 'earlier round')}"]
    return left_out * (len(records) > _MAX_ROWS) + [_round(r) for r in records[-_MAX_ROWS:]]


def running_line(state: Values, now: float) -> str | None:
    """Which agent is running in this round, and for how long by the clock `now`; None if none."""
    attempt = _mapping(state.get("attempt"))
    if not attempt.get("role"):
        return None
    seconds = _seconds(attempt.get("started_at"))
    since = "" if seconds is None else f" for {duration(max(now - seconds, 0))}"
    backend = f" ({attempt['backend']})" if attempt.get("backend") else ""
    return one_line(f"{attempt['role']}{backend} in round {state.get('round')}{since}")


def _round(record: Values) -> str:
    verified = record.get("verified")
    attempts = list(_mappings(record.get("attempts")))
    seconds = sum(_number(attempt.get("seconds")) or 0 for attempt in attempts)
    agents = dict.fromkeys(str(a["backend"]) for a in attempts if a.get("backend"))
    found = record.get("new_findings")
    parts = (
        f"{record.get('round')}: {str(record.get('decision') or 'no verdict').replace('_', ' ')}",
        "" if verified is None else f"verify {'passed' if verified else 'failed'}",
        f"{', '.join(map(str, found))} new" if isinstance(found, list) and found else "",
        f"+{_whole(record.get('lines_added'))} -{_whole(record.get('lines_deleted'))}",
        duration(seconds) if seconds else "",
        _sum_of_money(attempts) or "",
        ", ".join(agents),
    )
    return one_line(", ".join(part for part in parts if part))


def _place(finding: Values) -> str:
    line = finding.get("line")
    return one_line(f"{finding.get('file') or ''}{f':{line}' if line else ''}", _MAX_TEXT)


def _since(finding: Values) -> str:
    number = _whole(finding.get("round"))
    return f"(since round {number})" if number else ""


def _money(spent: Values) -> str | None:
    return money(_number(spent.get("cost_usd")), _number(spent.get("estimated_cost_usd")))


def _total(attempts: Sequence[Values], key: str) -> float | None:
    known = [value for each in attempts if (value := _number(each.get(key))) is not None]
    return sum(known) if known else None


def _sum_of_money(attempts: Sequence[Values]) -> str | None:
    return money(_total(attempts, "cost_usd"), _total(attempts, "estimated_cost_usd"))


def _tokens(usage: Values) -> int | None:
    into = _number(usage.get("tokens_in"))
    return None if into is None else int(into + (_number(usage.get("tokens_out")) or 0))


def _seconds(text: object) -> float | None:
    """The seconds since 1970 of a time as states have it, `2026-11-28T14:08:36Z`."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def _mapping(value: object) -> Values:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Values]:
    return (
        each for each in (value if isinstance(value, list) else ()) if isinstance(each, Mapping)
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < _MOST else None


def _whole(value: object) -> int:
    return int(_number(value) or 0)
