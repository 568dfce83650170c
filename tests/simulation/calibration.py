"""Whether unguarded loops of the simulation give the numbers that the field logs give."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.simulation.agents import mean
from tests.simulation.runner import Result

LATE = 8
"""From this round on a round is late."""


def _findings(loops: Iterable[Result], first: int = 1) -> list[tuple[int, int, bool]]:
    return [each for loop in loops for each in loop.reported if each[0] >= first]


def on_newer_lines(loops: list[Result], first: int = 1) -> float:
    """The share of findings on lines that did not exist at the first review."""
    return mean(origin > 1 for _, origin, _ in _findings(loops, first))


def _new_share(loops: list[Result]) -> float:
    """Of the blockers of all rounds but the first, those that are new."""
    later = [each for loop in loops for each in loop.reviews if each[0] > 1]
    new, carried = sum(each[1] for each in later), sum(each[2] for each in later)
    return new / max(1, new + carried)


def _late_findings(loops: list[Result]) -> float:
    """New findings per late round."""
    return mean(new for loop in loops for round_, new, _ in loop.reviews if round_ >= LATE)


def _hidden(loops: list[Result]) -> float:
    """The share of approvals in whose head a careful review finds a production bug."""
    return mean(loop.fails_audit for loop in loops if loop.approved)


@dataclass(frozen=True)
class Target:
    """One number of the field, the range in which the simulation has to be, and its source."""

    what: str
    field: str
    low: float
    high: float
    source: str
    populations: tuple[str, ...]
    measure: Callable[[list[Result]], float]

    def of(self, loops: Iterable[Result]) -> list[Result]:
        """The loops that it is measured on: those like the loops of its log."""
        return [loop for loop in loops if loop.population in self.populations]


_LONG = ("long loops", "large changes")

TARGETS = (
    Target(
        "findings on lines newer than the first review",
        "69 %",
        0.62,
        0.76,
        "shepherdjerred/monorepo #2311",
        _LONG,
        on_newer_lines,
    ),
    Target(
        "the same from round 8 on",
        "93 %",
        0.88,
        0.98,
        "shepherdjerred/monorepo #2311",
        _LONG,
        lambda loops: on_newer_lines(loops, LATE),
    ),
    Target(
        "blockers of a later round that are new",
        "79 %",
        0.70,
        0.86,
        "wafflebase #881",
        _LONG,
        _new_share,
    ),
    Target(
        "new findings of a round from round 8 on",
        "about 1",
        0.7,
        1.5,
        "woojubb/robota #1648",
        ("typical loops",),
        _late_findings,
    ),
    Target(
        "the same in large changes",
        "3",
        2.3,
        3.9,
        "pmcfadin/cqlite #3649",
        ("large changes",),
        _late_findings,
    ),
    Target(
        "approvals that hide a blocker",
        "24 to 27 %",
        0.19,
        0.31,
        "gitmoot #1520, ifc-lite #3661",
        ("typical loops",),
        _hidden,
    ),
)
