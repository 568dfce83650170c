"""Pictures of a report: the timeline to scale, the grid of findings, the plots."""

from __future__ import annotations

from tests.usecases.report_loops import long_loop, loop

from loop_kit.core.loop.state import LoopState
from loop_kit.core.report.grid import Run, finding_runs, verify_runs
from loop_kit.core.report.plots import plots
from loop_kit.core.report.timeline import timeline


def test_the_timeline_is_to_scale_with_verify_waits_and_failures() -> None:
    line = timeline(long_loop(9))
    first = [(bar.kind, bar.failed) for bar in line.bars[:4]]
    assert first == [("worker", False), ("verify", False), ("waiting", False), ("reviewer", False)]
    worker, verify = line.bars[:2]
    assert round(worker.width / verify.width, 1) == round(97 / 15, 1)
    assert [bar.label for bar in line.bars if bar.failed] == [
        "Round 9, worker, 3 min: it is still wrong"
    ]
    assert [mark.round for mark in line.marks] == list(range(1, 10))
    assert abs(sum(bar.width for bar in line.bars) - 100) < 0.1


def test_a_wait_of_a_night_leaves_room_for_the_work() -> None:
    state = long_loop(2)
    second = state.history[1]
    night = [
        one.model_copy(
            update={"started_at": "2025-01-03T09:00:00Z", "ended_at": f"2025-01-03T09:0{n}:00Z"}
        )
        for n, one in enumerate(second.attempts, 1)
    ]
    later = second.model_copy(update={"attempts": tuple(night)})
    line = timeline(state.model_copy(update={"history": (state.history[0], later)}))
    (cut,) = [bar for bar in line.bars if bar.cut]
    assert cut.width < 25
    assert cut.label.startswith("Waiting, 29 h")
    assert line.seconds > 29 * 3600 > line.busy


def test_times_that_are_missing_or_overlap_break_nothing() -> None:
    assert timeline(LoopState()).bars == []
    state = loop()
    assert len(timeline(state).bars) == 5
    broken = [
        one.model_copy(update={"started_at": "2025-99-99", "ended_at": None})
        for one in state.history[0].attempts
    ]
    damaged = state.history[0].model_copy(update={"attempts": tuple(broken)})
    assert len(timeline(state.model_copy(update={"history": (damaged,)})).bars) == 0


def test_a_finding_is_a_row_of_runs() -> None:
    state = long_loop(12)
    rows = {finding.id: finding_runs(state, finding) for finding in state.findings}
    assert rows["F1"] == [Run("raised", 1, 1), Run("open", 2, 11)]
    assert [(run.status, run.rounds) for run in rows["F2"]] == [
        *(("", 3), ("raised", 1), ("open", 1), ("waived", 1), ("", 6)),
    ]
    assert rows["F1"][1].words == "open, 11 rounds"


def test_a_dispute_is_in_the_row_of_its_round() -> None:
    state = long_loop(6)
    second = state.findings[1].model_copy(update={"round": 2, "closed_round": 5, "status": "fixed"})
    statuses = [run.status for run in finding_runs(state, second)]
    assert statuses == ["", "raised", "disputed", "fixed", ""]


def test_verify_is_a_row_too() -> None:
    assert [(run.status, run.rounds) for run in verify_runs(long_loop(6))] == [
        *(("passed", 4), ("failed", 1), ("passed", 1)),
    ]


def test_each_measure_is_a_plot_with_its_numbers_in_words() -> None:
    found = {plot.title: plot for plot in plots(long_loop(3))}
    assert list(found) == ["Money", "Tokens", "Time of agents", "Lines of the whole change"]
    money = found["Money"]
    assert money.words == (
        "Money: round 1 0.40 USD, round 2 0.40 USD, round 3 0.40 USD; 1.20 USD in all"
    )
    assert money.series == ["worker", "reviewer"]
    worker, reviewer = money.bars[:2]
    assert (worker.height, reviewer.height, reviewer.y) == (25.0, 75.0, 0.0)
    assert found["Lines of the whole change"].total == "35 now"
    assert plots(LoopState()) == []
    assert "200 rounds, at most" in plots(long_loop(200))[0].words
