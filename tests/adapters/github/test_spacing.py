"""Writes of a round are never spaced, and those of a long series always are."""

from __future__ import annotations

from tests.fakes import FakeClock

from loop_kit.adapters.github.spacing import BURST, Spacing


def spaced(seconds: float) -> tuple[Spacing, FakeClock]:
    clock = FakeClock()
    return Spacing(seconds, clock.sleep, clock.seconds), clock


def test_as_many_writes_as_a_round_makes_pass_without_a_wait() -> None:
    spacing, clock = spaced(1)
    for _ in range(BURST):
        spacing.wait()
    assert clock.slept == []


def test_the_writes_of_a_long_series_come_one_in_a_second() -> None:
    spacing, clock = spaced(1)
    for _ in range(BURST + 50):
        spacing.wait()
    assert round(sum(clock.slept)) == 50
    assert max(clock.slept) <= 1


def test_a_pause_is_credited_up_to_a_burst() -> None:
    spacing, clock = spaced(1)
    for _ in range(BURST):
        spacing.wait()
    clock.passed += 3600
    for _ in range(BURST):
        spacing.wait()
    assert clock.slept == []
    spacing.wait()
    assert clock.slept != []


def test_a_server_of_ones_own_is_not_waited_for() -> None:
    spacing, clock = spaced(0)
    for _ in range(100):
        spacing.wait()
    assert clock.slept == []
