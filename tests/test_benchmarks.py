"""What `make bench` computes from what it has measured, and where it puts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import rooms, rounds, table
from benchmarks.measure import Cost, ProgramFailed, run
from benchmarks.rounds import AGENTS, OURS, PEER, SCRIPT, Sample
from benchmarks.table import Row

from loop_kit.adapters.process.room.rungs import candidates


def turn(ours: float, peer: float, script: float) -> rounds.Turn:
    seconds = {OURS: ours, PEER: peer, SCRIPT: script, AGENTS: 0.1}
    return {n: Sample(Cost(2 * s, 3 * s), Cost(s, s / 2)) for n, s in seconds.items()}


def test_an_overhead_is_a_round_without_its_agents_and_a_ratio_is_of_one_turn() -> None:
    turns = [turn(0.3, 1.1, 0.2), turn(0.5, 0.5, 0.3), turn(0.3, 0.5, 0.2)]
    assert rounds.overhead_ratio(turns, PEER) == pytest.approx(0.5)
    assert rounds.overhead_ratio(turns, SCRIPT) == pytest.approx(2.0)
    assert rounds.overhead(turns, OURS) == pytest.approx(200)
    assert rounds.cold_ratio(turns) == pytest.approx(0.6)


def test_a_page_gets_the_table_between_its_marks_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "speed.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- end -->\nafter\n")
    table.fill(page, [Row("a round", "1 x", "2 x")])
    text = page.read_text()
    assert text.startswith("before\n<!-- measured -->\n\n| what |")
    assert "| a round | 1 x | 2 x |\n\n<!-- end -->\nafter\n" in text
    assert "old" not in text


def test_a_program_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="ended with exit code 3"):
        run(["sh", "-c", "exit 3"], tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path / "log")


def test_the_start_of_each_room_of_this_machine_is_measured(tmp_path: Path) -> None:
    found = rooms.starts(tmp_path, 1)

    assert {room.name for room in found} <= {str(rung) for rung in candidates(in_job=False)}
    assert found
