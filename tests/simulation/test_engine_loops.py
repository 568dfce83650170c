"""What the simulated loops of the real engine have to hold, whatever their numbers are."""

from __future__ import annotations

import pytest
from tests.simulation.policies import max_rounds, ours, with_second
from tests.simulation.populations import POPULATIONS
from tests.simulation.runner import run
from tests.simulation.traits import Population

SEEDS = range(6)


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda population: population.name)
def test_no_approval_has_an_open_finding_and_no_loop_is_longer_than_its_rounds(
    population: Population,
) -> None:
    for policy in (ours(3), with_second(5)):
        for seed in SEEDS:
            loop = run(population, policy, seed)
            assert loop.ignored == 0
            assert loop.rounds <= policy.limits.max_rounds


def test_the_same_seed_is_the_same_loop() -> None:
    first, again = (run(POPULATIONS[0], ours(5), 3) for _ in range(2))

    assert first == again
    assert first.reported == again.reported


def test_the_reviewers_word_alone_approves_what_has_open_findings() -> None:
    loops = [run(each, max_rounds(5), seed) for each in POPULATIONS for seed in SEEDS]

    assert any(loop.ignored for loop in loops)
