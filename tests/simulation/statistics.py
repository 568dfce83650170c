"""How sure a simulated number is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Z = 1.96
"""For intervals that hold the true value in 95 of 100 cases."""

T = TypeVar("T")


@dataclass(frozen=True)
class Estimate:
    """A number and its confidence interval."""

    value: float
    low: float
    high: float

    def overlaps(self, low: float, high: float) -> bool:
        return self.low <= high and low <= self.high

    def percent(self) -> str:
        """As a share, with its interval."""
        low, high = 100 * self.low, 100 * self.high
        return f"{100 * self.value:.1f} % ({low:.1f}–{high:.1f})" if self.known else "–"

    def number(self) -> str:
        """As a number, with its interval."""
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})" if self.known else "–"

    @property
    def known(self) -> bool:
        return not math.isnan(self.value)


NOTHING = Estimate(math.nan, 0, 1)


def share(hits: int, cases: int) -> Estimate:
    """A share with Wilson's interval."""
    if not cases:
        return NOTHING
    middle = hits / cases
    scale = 1 + Z * Z / cases
    center = (middle + Z * Z / (2 * cases)) / scale
    spread = Z / scale * math.sqrt(middle * (1 - middle) / cases + Z * Z / (4 * cases * cases))
    return Estimate(middle, max(0.0, center - spread), min(1.0, center + spread))


def resampled(
    cases: Sequence[T], measure: Callable[[list[T]], float], *, times: int = 200, seed: int = 1
) -> Estimate:
    """Any measure of the cases, with the interval that drawing them again gives (bootstrap)."""
    rng = random.Random(seed)
    drawn = (measure(rng.choices(cases, k=len(cases))) for _ in range(times))
    found = sorted(value for value in drawn if not math.isnan(value))
    if not found:
        return NOTHING
    ends = (found[int(0.025 * len(found))], found[min(len(found) - 1, int(0.975 * len(found)))])
    return Estimate(measure(list(cases)), *ends)


def mean_of(values: Sequence[float]) -> Estimate:
    """The mean, with the interval of a normal spread."""
    if not values:
        return NOTHING
    middle = sum(values) / len(values)
    spread = sum((value - middle) ** 2 for value in values) / max(1, len(values) - 1)
    half = Z * math.sqrt(spread / len(values))
    return Estimate(middle, middle - half, middle + half)
