"""From what happened in an attempt to its metrics, and from many attempts to a summary."""

from __future__ import annotations

import pytest

from loop_kit.core.agent.timing import PHASES, SUBPHASES, MetricSummary, PhaseTimer, summaries


def test_an_attempt_is_split_at_first_word_first_action_and_report() -> None:
    timer = PhaseTimer()
    timer.stdout(120)
    timer.stdout(130)
    timer.action("read", 400)
    timer.action("search", 600)
    timer.action("read", 700)
    timer.action("edit", 1000)

    assert timer.metrics(artifact_ms=3000, total_ms=3500) == {
        "startup_ms": 120,
        "context_to_work_ms": 280,
        "work_to_artifact_ms": 2600,
        "total_ms": 3500,
        "read_ms": 500,
        "read_count": 2,
        "search_ms": 100,
        "search_count": 1,
        "edit_ms": 2000,
        "edit_count": 1,
        "test_ms": None,
        "test_count": 0,
        "unknown_ms": None,
        "unknown_count": 0,
    }


def test_what_was_not_observed_is_none_and_not_zero() -> None:
    found = PhaseTimer().metrics(artifact_ms=None, total_ms=50)

    assert {name for name, value in found.items() if value is None} == {*PHASES[:3], *SUBPHASES}
    assert found["total_ms"] == 50


def test_a_report_without_an_action_has_no_work() -> None:
    timer = PhaseTimer()
    timer.stdout(5)
    found = timer.metrics(artifact_ms=10, total_ms=10)

    assert (found["startup_ms"], found["context_to_work_ms"]) == (5, None)
    assert found["work_to_artifact_ms"] is None


def test_without_a_report_the_last_action_lasts_until_the_end() -> None:
    timer = PhaseTimer()
    timer.action("test", 10)
    found = timer.metrics(artifact_ms=None, total_ms=100)

    assert (found["test_ms"], found["work_to_artifact_ms"]) == (90, None)


def test_an_action_that_took_no_time_is_counted_with_zero() -> None:
    timer = PhaseTimer()
    timer.action("read", 10)
    timer.action("edit", 10)
    found = timer.metrics(artifact_ms=10, total_ms=10)

    assert (found["read_ms"], found["read_count"], found["edit_ms"]) == (0, 1, 0)


def test_times_that_go_back_are_never_negative() -> None:
    timer = PhaseTimer()
    timer.stdout(-5)
    timer.action("read", 100)
    timer.action("edit", 50)
    found = timer.metrics(artifact_ms=20, total_ms=-1)

    assert [value for value in found.values() if value is not None and value < 0] == []
    assert (found["read_ms"], found["edit_ms"]) == (0, 0)


def test_asking_twice_gives_the_same() -> None:
    timer = PhaseTimer()
    timer.action("read", 1)

    assert timer.metrics(10, 10) == timer.metrics(10, 10)


def test_percentiles_are_values_that_were_measured() -> None:
    rows = [{"total_ms": value} for value in (40, 10, 30, 20)]
    hundred = [{"total_ms": value} for value in range(100, 0, -1)]

    assert summaries(rows)["total_ms"] == MetricSummary(4, 0, 25.0, 20.0, 40.0)
    assert summaries(hundred)["total_ms"] == MetricSummary(100, 0, pytest.approx(50.5), 50.0, 95.0)
    assert summaries([{"total_ms": 7}])["total_ms"] == MetricSummary(1, 0, 7.0, 7.0, 7.0)


def test_what_is_no_time_is_missing() -> None:
    nonsense: list[object] = [
        *(True, False, None, "5", [5], -1, -0.5, float("nan"), float("inf"), 1.7e308, 10**400),
    ]
    rows = [{"startup_ms": value} for value in nonsense]

    found = summaries([*rows, {}, {"startup_ms": 0}, {"startup_ms": 2.5}])["startup_ms"]

    assert found == MetricSummary(2, len(nonsense) + 1, 1.25, 0.0, 2.5)


def test_nothing_is_summed_up_as_nothing() -> None:
    assert summaries(iter(())) == dict.fromkeys(
        (*PHASES, *SUBPHASES), MetricSummary(0, 0, None, None, None)
    )
    assert list(summaries([], ["read_ms"])) == ["read_ms"]
