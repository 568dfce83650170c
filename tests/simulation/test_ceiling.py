"""No policy reaches more right approvals than the ceiling, and what cannot succeed reaches none."""

from __future__ import annotations

from tests.simulation.ceiling import ceiling, first_right_round
from tests.simulation.policies import max_rounds
from tests.simulation.populations import POPULATIONS
from tests.simulation.runner import change_of, run

SEEDS = range(20)


def test_a_first_work_without_a_bug_is_right_in_round_one() -> None:
    people = POPULATIONS[0]
    for seed in SEEDS:
        change = change_of(people, seed)
        change.lines.append(1)
        change.first_work()
        assert (first_right_round(people, seed, 3) == 1) is not change.hides_blocker()


def test_what_its_worker_cannot_fix_is_never_right() -> None:
    (weak,) = [each for each in POPULATIONS if each.worker.hopeless]
    assert [first_right_round(weak, seed, 10) for seed in SEEDS] == [0] * len(SEEDS)


def test_the_ceiling_is_above_what_rounds_alone_reach_and_grows_with_them() -> None:
    most = ceiling(POPULATIONS, (1, 3, 10), len(SEEDS))
    loops = [run(each, max_rounds(3), seed) for each in POPULATIONS for seed in range(5)]
    right = sum(loop.approved and loop.is_right for loop in loops) / len(loops)

    assert most.of_mixture(1).value < most.of_mixture(3).value < most.of_mixture(10).value
    assert right <= most.of_mixture(3).value
