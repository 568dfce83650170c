"""What every clock promises."""

from __future__ import annotations

import re

import pytest
from tests.fakes import FakeClock

from loop_kit.adapters.system_clock import SystemClock
from loop_kit.ports import Clock


@pytest.fixture(params=[FakeClock, SystemClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_dates_are_utc_in_one_form_and_sort_as_text(clock: Clock) -> None:
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    dates = [clock.now(), clock.later(60), clock.later(3600), clock.later(2 * 86_400)]
    assert all(form.fullmatch(date) for date in dates)
    assert dates == sorted(dates)
    assert len(set(dates)) == 4


def test_sleeping_passes_time_and_time_never_goes_back(clock: Clock) -> None:
    before = clock.seconds()
    clock.sleep(0.01)
    assert clock.seconds() >= before + 0.01
    assert clock.seconds() >= before
