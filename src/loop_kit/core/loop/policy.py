"""Small decisions about time and money: how long to wait, and what may still be spent."""

from typing import TypeVar

from loop_kit.core.agent.diagnosis import bounded_wait
from loop_kit.core.card.task import CardLimits
from loop_kit.core.loop.budget import Budget
from loop_kit.core.loop.state import Attempt, Limits, Usage
from loop_kit.frozen import frozen

MAX_BACKOFF_SEC = 60.0

N = TypeVar("N", int, float)


def backoff(base: float, retry: int) -> float:
    """Seconds to wait before the `retry`th retry (1, 2, ...): base, 2 base, ..., at most 60."""
    return min(MAX_BACKOFF_SEC, max(1.0, base) * 2.0 ** min(retry - 1, 16))


def pause(limits: Limits, last: Attempt) -> float:
    """Seconds to wait before the attempt after `last`: the backoff, or longer when asked to."""
    if not last.waits:
        return 0
    asked = bounded_wait(last.retry_after) or 0
    return max(asked, backoff(limits.dispatch_retry_base_sec, last.retries))


def exceeded_budget(limits: Limits, usage: Usage) -> str | None:
    """Which cumulative budget is used up, as a sentence, or None. Unknown usage never counts."""
    minutes = usage.agent_seconds / 60
    tokens = (usage.tokens_in or 0) + (usage.tokens_out or 0)
    if limits.max_minutes is not None and minutes >= limits.max_minutes:
        return f"{minutes:.1f} of {limits.max_minutes:g} agent minutes are used."
    if limits.max_tokens is not None and tokens >= limits.max_tokens:
        return f"{tokens} of {limits.max_tokens} tokens are used."
    if limits.max_cost_usd is not None and usage.money >= limits.max_cost_usd:
        estimated = usage.estimated_cost_usd
        part = f" ({estimated:.2f} of it estimated from tokens)" if estimated else ""
        return f"{usage.money:.2f} of {limits.max_cost_usd:.2f} USD are used{part}."
    return None


def money_left(limits: Limits, usage: Usage) -> float | None:
    """US dollars that the next attempt may cost, or None where there is no limit."""
    return None if limits.max_cost_usd is None else limits.max_cost_usd - usage.money


def seconds_left(limits: Limits, usage: Usage) -> float | None:
    """Seconds that agents may still run, or None where there is no limit."""
    return None if limits.max_minutes is None else limits.max_minutes * 60 - usage.agent_seconds


def add_rounds(limits: Limits, rounds: int) -> Limits:
    """The limits with `rounds` more rounds, and the dispatches for them."""
    more = {
        "max_rounds": limits.max_rounds + rounds,
        "max_dispatches": limits.max_dispatches + rounds,
    }
    return limits.model_copy(update=more) if rounds else limits


def allowed_addition(limits: Limits, budget: Budget) -> Budget:
    """As much of `budget` as fits below the ceilings; nothing for a limit that does not exist."""
    return Budget(
        cost_usd=_room(limits.max_cost_usd, limits.max_cost_usd_ceiling, budget.cost_usd),
        minutes=_room(limits.max_minutes, limits.max_minutes_ceiling, budget.minutes),
        tokens=_room(limits.max_tokens, limits.max_tokens_ceiling, budget.tokens),
    )


def add_budget(limits: Limits, budget: Budget) -> Limits:
    """The limits with what was added to them, as far as the ceilings allow it."""
    allowed = allowed_addition(limits, budget)
    return limits.model_copy(
        update={
            "max_cost_usd": _plus(limits.max_cost_usd, allowed.cost_usd),
            "max_minutes": _plus(limits.max_minutes, allowed.minutes),
            "max_tokens": _plus(limits.max_tokens, allowed.tokens),
        }
    )


def subtract_budget(limits: Limits, budget: Budget) -> Limits:
    """The limits before `budget` was added to them."""
    return limits.model_copy(
        update={
            "max_cost_usd": _plus(limits.max_cost_usd, -budget.cost_usd),
            "max_minutes": _plus(limits.max_minutes, -budget.minutes),
            "max_tokens": _plus(limits.max_tokens, -budget.tokens),
        }
    )


def _room(limit: N | None, ceiling: N | None, wanted: N) -> N:
    if limit is None:
        return wanted - wanted
    return wanted if ceiling is None else max(wanted - wanted, min(wanted, ceiling - limit))


def _plus(limit: N | None, more: N) -> N | None:
    return None if limit is None else limit + more


def lower_limits(limits: Limits, card: CardLimits) -> Limits:
    """The operator's limits after the card has lowered them; a card can raise nothing."""
    return limits.model_copy(
        update={
            "max_rounds": _lower(limits.max_rounds, card.max_rounds),
            "max_minutes": _lower(limits.max_minutes, card.max_minutes),
            "max_tokens": _lower(limits.max_tokens, card.max_tokens),
            "max_cost_usd": _lower(limits.max_cost_usd, card.max_cost_usd),
            "rules": limits.rules.with_growth_limit(
                _lower(limits.rules.diff_growth.limit or None, card.max_diff_growth)
            ),
        }
    )


def _lower(operator: N | None, card: N | None) -> N | None:
    if operator is None or card is None:
        return card if operator is None else operator
    return min(operator, card)


@frozen
class NeededBudget:
    """A budget that is used up, by its setting: how much was used, of what, and what to add."""

    name: str
    unit: str
    used: float
    limit: float
    amount: float


def budget_to_continue(limits: Limits, usage: Usage) -> NeededBudget:
    """What is used up, and an amount that lets the loop continue: as much as it had, or more.

    Raises:
        ValueError: nothing is used up.
    """
    tokens = (usage.tokens_in or 0) + (usage.tokens_out or 0)
    budgets = (
        ("max-minutes", "min", usage.agent_seconds / 60, limits.max_minutes),
        ("max-tokens", "tokens", tokens, limits.max_tokens),
        ("max-cost-usd", "USD", usage.money, limits.max_cost_usd),
    )
    for name, unit, used, limit in budgets:
        if limit is not None and used >= limit:
            return NeededBudget(name, unit, used, limit, limit if used < 2 * limit else used)
    raise ValueError("no budget is used up")
