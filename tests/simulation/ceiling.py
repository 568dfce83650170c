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
    first: dict[tuple[str, int], int]
    """The first round of each population and seed that could be approved, 0 for none."""

    def of(self, population: str, rounds: int) -> Estimate:
        """Of the loops of one population."""
        return self._share([n for (name, _), n in self.first.items() if name == population], rounds)

    def of_mixture(self, rounds: int) -> Estimate:
        """Over all populations: each has the same share."""
        return self._share([*self.first.values()], rounds)

    def _share(self, first: list[int], rounds: int) -> Estimate:
        return share(sum(0 < number <= rounds for number in first), len(first))


def ceiling(populations: tuple[Population, ...], rounds: tuple[int, ...], loops: int) -> Ceiling:
    """When the first `loops` seeds of each population can be approved, within `rounds`."""
    most = max(rounds)
    seeds = [(each, seed) for each in populations for seed in range(loops)]
    first = {(each.name, seed): first_right_round(each, seed, most) for each, seed in seeds}
    return Ceiling(loops, first)


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
