"""What a rule concludes from a review: a sentence for people, and what it asks for, if anything."""

from typing import Literal

from loop_kit.core.loop.outcomes import Reason
from loop_kit.frozen import frozen


@frozen
class Judgement:
    """What one rule saw.

    Attributes:
        rule: Its name, which is that of its settings.
        text: What it saw, in words that a maintainer understands.
        stop: Why the loop stops for a person, if it does.
        next_round: What the next round is instead of a usual one.
    """

    rule: str
    text: str
    stop: Reason | None = None
    next_round: Literal["fresh", "simplify"] | None = None


def listed(ids: list[str]) -> str:
    """`F1`, `F1 and F2`, `F1, F2 and F3`."""
    *first, last = ids
    return f"{', '.join(first)} and {last}" if first else last
