"""The toy model is the same each time, and its rules do what rules are for."""

from __future__ import annotations

import pytest
from tests.simulation.populations import POPULATIONS
from tests.simulation.toy import ToyPolicy, observe_toy, run_toy

ALONE, RULES = ToyPolicy(10), ToyPolicy(10, rules=True)


def test_the_same_seed_is_the_same_loop_and_no_longer_than_its_rounds() -> None:
    for seed in range(20):
        first, again = (run_toy(POPULATIONS[0], RULES, seed) for _ in range(2))
        assert first == again
        assert first.calls <= 2 * RULES.rounds


def test_what_its_worker_cannot_fix_is_never_approved_rightly() -> None:
    (weak,) = [each for each in POPULATIONS if each.worker.hopeless]
    for policy in (ALONE, RULES, ToyPolicy(10, rules=True, second=True)):
        ends = [run_toy(weak, policy, seed) for seed in range(50)]
        assert not any(end.approved and end.right for end in ends)


def test_the_rules_approve_more_rightly_hide_less_and_save_calls() -> None:
    alone, rules, second = (
        observe_toy(POPULATIONS, policy, 100)
        for policy in (ALONE, RULES, ToyPolicy(10, rules=True, second=True))
    )

    assert rules.right_approvals.value > alone.right_approvals.value
    assert second.audited.value < rules.audited.value < alone.audited.value
    assert rules.wasted_calls.value == pytest.approx(0.62 * alone.wasted_calls.value, rel=0.2)
