"""The most right approvals that any policy could reach with the agents of a population.

An omniscient policy knows which findings are production bugs, sends back nothing else, and approves
at the first head without one, whatever the reviewer says. It has the same worker, the same reviewer
and the same rounds, so what that reviewer never sees and that worker never fixes stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes import MemoryMailbox
from tests.simulation.agents import Cast, Fixer, Review
from tests.simulation.runner import change_of
from tests.simulation.statistics import Estimate, share
from tests.simulation.traits import Population
from tests.simulation.world import Change, Defect


@dataclass(frozen=True)
class Ceiling:
    """Of this many loops of each population, the seeds that can be approved rightly."""

    loops: int
    reached: dict[tuple[str, int], int]

    def of(self, population: str, rounds: int) -> Estimate:
        return share(self.reached[population, rounds], self.loops)

    def of_mixture(self, rounds: int) -> Estimate:
        """Over all populations: each has the same share."""
        found = [hits for (_, most), hits in self.reached.items() if most == rounds]
        return share(sum(found), self.loops * len(found))


def ceiling(populations: tuple[Population, ...], rounds: tuple[int, ...], loops: int) -> Ceiling:
    """How many of the first `loops` seeds of each population can be approved within `rounds`."""
    reached = dict.fromkeys(((each.name, n) for each in populations for n in rounds), 0)
    for population in populations:
        for seed in range(loops):
            number = first_right_round(population, seed, max(rounds))
            for most in rounds if number else ():
                reached[population.name, most] += number <= most
    return Ceiling(loops, reached)


def first_right_round(population: Population, seed: int, rounds: int) -> int:
    """The first round whose head has no production bug, 0 if none of them has."""
    change = change_of(population, seed)
    cast = Cast(population, change, MemoryMailbox())
    change.lines.append(1)
    change.first_work()
    sent: list[Defect] = []
    for round_ in range(1, (1 if population.satisfied_once else rounds) + 1):
        if round_ > 1:
            fixer = Fixer(population, change, round_, fresh=False)
            for bug in sent:
                fixer.fix(bug)
            change.lines.append(fixer.fixes)
            fixer.mint()
        if not change.hides_blocker():
            return round_
        sent = _bugs(change, [*sent, *Review(cast, round_, {}).found()])
    return 0


def _bugs(change: Change, found: list[Defect]) -> list[Defect]:
    """The production bugs that are known: those found, and those that the verify commands find."""
    known = {id(each) for each in found}
    return [
        bug
        for bug in change.live()
        if bug.production and (id(bug) in known or (bug.tested and change.verified))
    ]
