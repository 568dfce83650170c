"""Everything that the page says, computed: the same scale gives the same numbers anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from tests.simulation.ceiling import Ceiling, ceiling
from tests.simulation.experiment import cases, run_all
from tests.simulation.outcomes import Outcomes, observe
from tests.simulation.policies import (
    RULES,
    UNGUARDED,
    agent_task_runner,
    max_rounds,
    on_word,
    ours,
    unprompted,
    unverified,
    with_careful_second,
    with_second,
    without,
)
from tests.simulation.populations import FIELD, POPULATIONS
from tests.simulation.runner import Policy, Result
from tests.simulation.toy import ToyOutcomes, ToyPolicy, observe_toy
from tests.simulation.traits import Population

ROUNDS = (3, 10)
"""Of the action by default, and more than the field finds useful."""

EARLIEST = (2, 4)
"""The first review that can say that a fix failed, and the first after which our rules stop."""


@dataclass(frozen=True)
class Scale:
    """How many loops of the mixture each part of the page is computed from."""

    policies: int
    calibration: int
    ablation: int
    sweep: int

    @classmethod
    def of(cls, loops: int) -> Scale:
        """The parts by the loops that each policy is compared on."""
        return cls(loops, 3 * loops // 10, loops // 10, loops // 40)


QUICK = 20
"""Loops of the mixture that a test runs again."""

Compared = Mapping[int, tuple[Outcomes, ...]]


@dataclass(frozen=True)
class Report:
    """The results of all parts."""

    scale: Scale
    field: tuple[Result, ...]
    policies: Compared
    ablation: Compared
    sweep: tuple[tuple[Assumption, Outcomes, Outcomes], ...]
    settings: Compared
    """Max-rounds alone, the defaults, and each other setting, on the same loops."""
    ceiling: Ceiling
    fewest: Mapping[int, Outcomes]
    """Loops that may be ones that cannot succeed, ended after so many rounds."""
    toy: Mapping[int, tuple[ToyOutcomes, ...]]
    """Max-rounds alone, the rules, and the rules with a second reviewer, by the most rounds."""


@dataclass(frozen=True)
class Assumption:
    """A parameter that nobody has published, at another value than the typical one."""

    part: str
    name: str
    value: float

    def of(self, population: Population) -> Population:
        """The population under this assumption, unless it is about this very parameter."""
        traits = getattr(population, self.part)
        if getattr(traits, self.name) != getattr(type(traits)(), self.name):
            return population
        return replace(population, **{self.part: replace(traits, **{self.name: self.value})})


def _assumptions(part: str, **ranges: tuple[float, ...]) -> Iterator[Assumption]:
    for name, values in ranges.items():
        yield from (Assumption(part, name, value) for value in values)


ASSUMPTIONS = (
    *_assumptions("task", old_defects=(0.0, 1.0), criterion=(0.2, 0.8), verified=(0.0, 1.0)),
    *_assumptions(
        "worker",
        fixes=(0.6, 0.9),
        decay=(0.5, 1.0),
        mints=(0.1, 0.7),
        simplifies=(0.2, 0.8),
        disputes_false=(0.2, 0.8),
        repeats=(0.2, 0.8),
    ),
    *_assumptions(
        "reviewer",
        sees=(0.6, 0.9),
        after_boast=(0.2, 0.8),
        first_cap=(2, 12),
        claims_last=(0.5, 1.0),
        sees_unfixed=(0.7, 0.95),
        doubts_fixed=(0.0, 0.1),
        agrees=(0.0, 0.2),
        forgets=(0.0, 0.2),
        insists=(0.2, 0.8),
        withdraws_false=(0.6, 0.95),
        withdraws_real=(0.1, 0.5),
        yields=(0.4, 1.0),
        restates=(0.0, 0.3),
        reverses=(0.0, 0.15),
        nowhere=(0.0, 0.3),
        complies=(0.4, 1.0),
        late=(0.3, 1.0),
    ),
    *_assumptions("infrastructure", fails=(0.02, 0.15)),
)

BLOCKING = ("high", "criterion")
SETTINGS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "`bar.late_fix: [any]`": {"bar": {"late_fix": ("any",)}},
    "`bar.last_fix: [high, criterion]`": {"bar": {"last_fix": BLOCKING}},
    "`bar.first_round` and `bar.last_fix: [high, criterion]`": {
        "bar": {"last_fix": BLOCKING, "first_round": BLOCKING}
    },
    "the same and `stalled.rounds: 3`": {
        "bar": {"last_fix": BLOCKING, "first_round": BLOCKING},
        "stalled": {"rounds": 3},
    },
    "`bar.older_work: [any]`": {"bar": {"older_work": ("any",)}},
    "`bar.pre_existing: [any]`": {"bar": {"pre_existing": ("any",)}},
    "`bar.nowhere: [any]`": {"bar": {"nowhere": ("any",)}},
    "`stalled.rounds: 3`": {"stalled": {"rounds": 3}},
    "`contested.upheld: 3`": {"contested": {"upheld": 3}},
    "`stalled.rounds: 3` and `contested.upheld: 3`": {
        "stalled": {"rounds": 3},
        "contested": {"upheld": 3},
    },
    "`oscillation.rounds: 0`": {"oscillation": {"rounds": 0}},
    "`oscillation.rounds: 1`": {"oscillation": {"rounds": 1}},
    "`diff_growth.limit: 2`": {"diff_growth": {"limit": 2}},
    "`diff_growth.limit: 8`": {"diff_growth": {"limit": 8}},
}
"""Other values of the settings than their defaults."""


def compared(rounds: int) -> tuple[Policy, ...]:
    """The policies of the page; the third is the default, the last agent-task-runner itself."""
    alone = (max_rounds(rounds), on_word(rounds), ours(rounds))
    others = (with_second(rounds), with_careful_second(rounds), unprompted(rounds))
    return (*alone, *others, agent_task_runner(rounds))


def changed_policies(rounds: int) -> Iterator[Policy]:
    """The default rules with each of the other settings."""
    return (replace(ours(rounds, **each), name=name) for name, each in SETTINGS.items())


def compare(loops: int, pool: Executor | None = None) -> Compared:
    """The policies on the same loops of the mixture, by the rounds that they have at most."""
    return {
        rounds: tuple(
            observe(cases(POPULATIONS, policy, loops), pool) for policy in compared(rounds)
        )
        for rounds in ROUNDS
    }


def compute(scale: Scale, pool: Executor | None, say: Callable[[str], None]) -> Report:
    """Run all loops of all parts."""

    def mixture(policy: Policy, loops: int, people: Iterable[Population] = POPULATIONS) -> Outcomes:
        return observe(cases(people, policy, loops), pool)

    say("calibration")
    field = run_all(cases(FIELD, UNGUARDED, scale.calibration), pool)
    say("policies")
    policies = compare(scale.policies, pool)
    ablation = {}
    for rounds in ROUNDS:
        say(f"without each rule, {rounds} rounds")
        rules = (without(rounds, rule) for rule in RULES)
        less = (ours(rounds), unverified(rounds), *rules)
        ablation[rounds] = tuple(mixture(each, scale.ablation) for each in less)
    say("other settings")
    settings = {
        rounds: (
            mixture(max_rounds(rounds), scale.ablation),
            ablation[rounds][0],
            *(mixture(policy, scale.ablation) for policy in changed_policies(rounds)),
        )
        for rounds in ROUNDS
    }
    sweep = []
    for assumption in ASSUMPTIONS:
        say(f"{assumption.name} = {assumption.value:g}")
        people = [assumption.of(each) for each in POPULATIONS]
        before, after = (mixture(each, scale.sweep, people) for each in (max_rounds(10), ours(10)))
        sweep.append((assumption, before, after))
    say("the ceiling")
    most = ceiling(POPULATIONS, ROUNDS, scale.policies // 5)
    hopeless = [each for each in POPULATIONS if each.worker.hopeless or each.satisfied_once]
    fewest = {n: mixture(ours(n), scale.policies, hopeless) for n in EARLIEST}
    toys = {n: toy(n, scale.policies // 5) for n in ROUNDS}
    parts = (policies, ablation, tuple(sweep), settings, most, fewest, toys)
    return Report(scale, tuple(field), *parts)


def toy(rounds: int, loops: int) -> tuple[ToyOutcomes, ...]:
    """The toy model of the same populations under the policies that the targets are about."""
    alone = ToyPolicy(rounds)
    judged = (alone, replace(alone, rules=True), replace(alone, rules=True, second=True))
    return tuple(observe_toy(POPULATIONS, policy, loops) for policy in judged)
