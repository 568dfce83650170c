"""What a loop, a round or an agent has used, as posts have it."""

from loop_kit.core.loop.usage import Spent, Usage, cost_text
from loop_kit.core.text.numbers import counted, duration, money, short
from loop_kit.patterns import late_pattern

_RECORDED = late_pattern(r"\d{4}-\d\d-\d\dT(\d\d:\d\d)")


def spent(used: Usage | Spent) -> list[str]:
    """Money, or tokens where it is unknown, and time, as far as they are known."""
    cost = money(used.cost_usd, used.estimated_cost_usd)
    if cost is None and used.tokens_in is not None:
        cost = f"{short(used.tokens_in + (used.tokens_out or 0))} tokens"
    time = duration(used.agent_seconds) if used.agent_seconds else None
    return [each for each in (cost, time) if each]


def clock_time(at: str | None) -> str | None:
    """The hour and the minute of a recorded time."""
    found = _RECORDED.match(at or "")
    return f"{found[1]} UTC" if found else None


def usage_text(usage: Usage) -> str:
    """The usage in words; "unknown" for what is not reported."""
    tokens = (
        "tokens unknown"
        if usage.tokens_in is None
        else f"{short(usage.tokens_in)} tokens in, {short(usage.tokens_out or 0)} out"
    )
    cost = cost_text(usage.cost_usd, usage.estimated_cost_usd) or "cost unknown"
    rounds = counted(usage.rounds, "round")
    return f"{rounds}, {duration(usage.agent_seconds)} of agents, {tokens}, {cost}"
