"""Amounts of money, time and tokens that a person adds to the limits of one loop by command."""

import re
from typing import Annotated

from pydantic import Field

from loop_kit.core.record import Record
from loop_kit.patterns import late_pattern

MAX_AMOUNT = 1_000_000_000
"""More of any unit than one command may add."""

EXAMPLES = "`/loop budget 2 USD`, `/loop budget 30 min` or `/loop budget 500k tokens`"

_AMOUNT = late_pattern(
    r"(?P<number>\d{1,9}(?:\.\d{1,4})?)(?P<factor>[km]?)\s*"
    r"(?P<unit>usd|min|mins|minutes?|tokens?)",
    re.IGNORECASE | re.ASCII,
)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


class Budget(Record):
    """What is added to the operator's limits; a limit that does not exist needs no addition."""

    cost_usd: Annotated[float, Field(ge=0, le=MAX_AMOUNT, allow_inf_nan=False)] = 0
    minutes: Annotated[float, Field(ge=0, le=MAX_AMOUNT, allow_inf_nan=False)] = 0
    tokens: Annotated[int, Field(ge=0, le=MAX_AMOUNT)] = 0

    @property
    def words(self) -> str:
        """The amounts, as a command gives them."""
        amounts = {"USD": self.cost_usd, "min": self.minutes, "tokens": self.tokens}
        return ", ".join(f"{amount:g} {unit}" for unit, amount in amounts.items() if amount)

    def plus(self, more: "Budget") -> "Budget":
        """Both together, within what one record can hold."""
        return Budget(
            cost_usd=min(round(self.cost_usd + more.cost_usd, 6), MAX_AMOUNT),
            minutes=min(round(self.minutes + more.minutes, 6), MAX_AMOUNT),
            tokens=min(self.tokens + more.tokens, MAX_AMOUNT),
        )


def parse_budget(text: str) -> Budget | None:
    """The amount in `2 USD`, `30 min` or `500k tokens`; None where it is none, or nothing."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        return None
    unit, factor = found["unit"].lower(), found["factor"].lower()
    if factor and not unit.startswith("token"):
        return None
    number = float(found["number"]) * _FACTORS[factor]
    if not 0 < number <= MAX_AMOUNT:
        return None
    if unit == "usd":
        return Budget(cost_usd=number)
    if unit.startswith("min"):
        return Budget(minutes=number)
    return Budget(tokens=int(number)) if number >= 1 else None
