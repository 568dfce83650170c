"""Unguarded loops of the simulation give the numbers that the field logs give."""

from __future__ import annotations

import pytest
from tests.simulation.calibration import TARGETS, Target
from tests.simulation.experiment import cases, run_all
from tests.simulation.policies import UNGUARDED
from tests.simulation.populations import FIELD
from tests.simulation.runner import Result
from tests.simulation.statistics import resampled

LOOPS = 300


@pytest.fixture(scope="module")
def loops() -> list[Result]:
    return run_all(cases(FIELD, UNGUARDED, LOOPS))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.what)
def test_an_unguarded_loop_gives_the_number_of_the_field(
    target: Target, loops: list[Result]
) -> None:
    measured = resampled(target.of(loops), target.measure, times=100)

    assert measured.overlaps(target.low, target.high), measured
