"""What is tried again, how often, and with which pauses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.fakes import FakeClock

from loop_kit.adapters.retry import MAX_SECONDS, TRIES, Deadline, retry


class Late(Exception):
    def __init__(self, retry_after: float) -> None:
        super().__init__("later")
        self.retry_after = retry_after


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def answers(*outcomes: object) -> Callable[[], object]:
    """A request that gives these answers in turn, and raises those that are errors."""
    rest = list(outcomes)

    def request() -> object:
        outcome = rest.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return request


def is_zero(result: object) -> bool:
    return result == 0


def is_late(error: BaseException) -> bool:
    return isinstance(error, Late)


def test_a_final_answer_is_not_asked_for_again(clock: FakeClock) -> None:
    assert retry(answers(1), clock.sleep, if_result=is_zero, if_error=is_late) == 1
    with pytest.raises(ZeroDivisionError):
        retry(answers(ZeroDivisionError(), 1), clock.sleep, if_result=is_zero, if_error=is_late)

    assert clock.slept == []


def test_nothing_is_repeated_that_nobody_called_repeatable(clock: FakeClock) -> None:
    assert retry(answers(0, 1), clock.sleep) == 0
    with pytest.raises(Late):
        retry(answers(Late(1), 1), clock.sleep)

    assert clock.slept == []


def test_a_fault_that_passes_costs_pauses_that_grow_and_are_jittered(clock: FakeClock) -> None:
    pauses = set()
    for _ in range(8):
        clock.slept.clear()
        assert retry(answers(0, 0, 1), clock.sleep, if_result=is_zero) == 1
        first, second = clock.slept
        assert 1 <= first <= 2 <= second <= 3
        pauses.add(first)

    assert len(pauses) > 1


def test_pauses_are_counted_in_the_unit_of_the_caller(clock: FakeClock) -> None:
    assert retry(answers(0, 1), clock.sleep, if_result=is_zero, pace=0) == 1
    assert clock.slept == [0]


def test_a_fault_that_lasts_is_returned_or_raised_after_the_last_try(clock: FakeClock) -> None:
    assert retry(answers(*[0] * TRIES, 1), clock.sleep, if_result=is_zero) == 0
    with pytest.raises(Late):
        retry(answers(*[Late(1)] * TRIES, 1), clock.sleep, if_error=is_late)

    assert len(clock.slept) == 2 * (TRIES - 1)


def test_a_pause_that_the_server_asks_for_is_made_as_it_is(clock: FakeClock) -> None:
    assert retry(answers(Late(7), Late(11), 1), clock.sleep, if_error=is_late) == 1
    assert clock.slept == [7, 11]


def test_a_caller_with_less_time_makes_no_pause_that_outlasts_it(clock: FakeClock) -> None:
    with pytest.raises(Late):
        retry(answers(Late(30), 1), clock.sleep, if_error=is_late, within=20)
    assert clock.slept == []


def test_no_pause_goes_beyond_the_time_that_all_tries_have(clock: FakeClock) -> None:
    with pytest.raises(Late):
        retry(answers(Late(MAX_SECONDS), 1), clock.sleep, if_error=is_late)
    assert clock.slept == []


def test_a_deadline_leaves_no_more_time_than_all_tries_have() -> None:
    deadline = Deadline()
    assert deadline.time_for_retries() == MAX_SECONDS
    deadline.set(20)
    assert 19 < deadline.time_for_retries() <= 20
    deadline.set(-1)
    assert deadline.time_for_retries() == 0
