"""What agents used: one attempt, and all of a loop.

Money that a backend reports and money that is estimated from its tokens are never in one sum: the
first is what is paid, the second is as good as a table of prices.
"""

from typing import TypeVar

from loop_kit.core.agent.role import Role
from loop_kit.core.record import ExtensibleRecord, Record

N = TypeVar("N", int, float)


class Spent(Record):
    """What one attempt used, and of what. None means not reported, which is not nothing.

    `tokens_cached` are those of `tokens_in` that the model had read before.
    """

    agent_seconds: float = 0
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    estimated_cost_usd: float | None = None
    backend: str | None = None
    model: str | None = None


class Usage(ExtensibleRecord):
    """What the loop has used so far; `unreported` counts attempts without token numbers."""

    rounds: int = 0
    agent_seconds: float = 0
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    estimated_cost_usd: float | None = None
    dispatches: int = 0
    unreported: int = 0

    @property
    def money(self) -> float:
        """US dollars that count against a budget: what is reported and what is estimated."""
        return (self.cost_usd or 0) + (self.estimated_cost_usd or 0)

    def plus(self, spent: Spent) -> "Usage":
        """The usage after one more attempt."""
        return self.model_copy(
            update={
                "agent_seconds": round(self.agent_seconds + spent.agent_seconds, 3),
                "tokens_in": add(self.tokens_in, spent.tokens_in),
                "tokens_cached": add(self.tokens_cached, spent.tokens_cached),
                "tokens_out": add(self.tokens_out, spent.tokens_out),
                "cost_usd": add(self.cost_usd, spent.cost_usd),
                "estimated_cost_usd": add(self.estimated_cost_usd, spent.estimated_cost_usd),
                "unreported": self.unreported + (spent.tokens_in is None),
            }
        )


class AttemptRecord(ExtensibleRecord):
    """One attempt as the audit trail has it.

    `result` is "reported", "interrupted", "lost" (its run died), or why it failed; `why` says that
    in words. Of `cost_usd` and `estimated_cost_usd` at most one is known.
    """

    role: Role
    number: int = 1
    result: str = "reported"
    why: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    backend: str | None = None
    model: str | None = None
    seconds: float | None = None
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    estimated_cost_usd: float | None = None


def add(total: N | None, more: N | None) -> N | None:
    """The sum of what is known; None where nothing is."""
    if total is None or more is None:
        return more if total is None else total
    return total + more


def cost_text(cost_usd: float | None, estimated_cost_usd: float | None) -> str | None:
    """Money in words, what is reported and what is estimated apart; None where it is unknown."""
    estimated = None
    if estimated_cost_usd is not None:
        estimated = f"about {estimated_cost_usd:.2f} USD (estimated)"
    if cost_usd is None:
        return estimated
    reported = f"{cost_usd:.2f} USD"
    return f"{reported} and {estimated}" if estimated else reported


def unknown_cost(backend: str, spent: Spent) -> str:
    """The warning that a budget in money does not count what a backend used."""
    why = f"{spent.model} has no known price" if spent.model else "is unknown"
    return (
        f"{backend} reported no cost, and its model {why}: max-cost-usd does not count it."
        " Set a model with a price, max-tokens or max-minutes."
    )
