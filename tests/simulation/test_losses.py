"""Each loop without a right approval has one event that cost it, and no other loop has."""

from __future__ import annotations

import pytest
from tests.simulation.ceiling import first_right_round
from tests.simulation.losses import FAILED, SMALL, UNSEEN, lost
from tests.simulation.policies import max_rounds, ours
from tests.simulation.populations import POPULATIONS
from tests.simulation.runner import Policy, run

SEEDS = range(4)


@pytest.mark.parametrize("policy", [max_rounds(3), ours(3)], ids=lambda policy: policy.name)
def test_every_loop_is_approved_rightly_or_lost_to_one_event(policy: Policy) -> None:
    loops = [run(each, policy, seed) for each in POPULATIONS for seed in SEEDS]

    assert [bool(loop.lost_by) for loop in loops] == [
        not (loop.approved and loop.is_right) for loop in loops
    ]
    assert all(
        loop.lost_by.startswith("approved with") is loop.approved for loop in loops if loop.lost_by
    )
    assert all("right" in loop.lost_by for loop in loops if loop.is_right and loop.lost_by)


def test_only_what_could_be_approved_in_time_counts_as_lost() -> None:
    loops = [("a", 0, SMALL), ("a", 1, SMALL), ("a", 2, ""), ("b", 0, UNSEEN), ("b", 1, FAILED)]
    right_in = {("a", 0): 3, ("a", 1): 4, ("a", 2): 1, ("b", 0): 0, ("b", 1): 1}

    assert lost(loops, right_in, 3) == {("a", SMALL): 1, ("b", FAILED): 1}


def test_what_is_never_right_is_lost_by_no_policy() -> None:
    (weak,) = [each for each in POPULATIONS if each.worker.hopeless]
    right_in = {(weak.name, seed): first_right_round(weak, seed, 10) for seed in SEEDS}

    assert lost([(weak.name, seed, SMALL) for seed in SEEDS], right_in, 10) == {}
