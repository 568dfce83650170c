"""People as agents: what is taken from them, what is waited out, and what is passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.fake_cli import RecordingReporter, job

from loop_kit.adapters.agents.manual import ManualAgent
from loop_kit.adapters.loop_dir.loop_folder import write_atomically
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Role
from loop_kit.ports import AgentExit


def report(**more: Any) -> bytes:
    return json.dumps({"task_id": "T-001", "round": 2, "head_sha": "x", **more}).encode()


class Person(RecordingReporter):
    """Saves the next version of the report each time that something is said."""

    def __init__(self, path: Path, *versions: bytes) -> None:
        super().__init__()
        self._path = path
        self._versions = list(versions)

    def _save(self) -> None:
        if self._versions:
            write_atomically(self._path, self._versions.pop(0))

    def note(self, message: str) -> None:
        super().note(message)
        self._save()

    def warn(self, message: str) -> None:
        super().warn(message)
        self._save()


def wait(root: Path, *versions: bytes, role: Role = Role.WORKER) -> tuple[AgentExit, Person, bytes]:
    wanted = job(root, role)
    person = Person(root / ".loop" / bus.REPORTS[role], *versions)
    ended = ManualAgent(root / ".loop", timeout=20).run(wanted, person)
    return ended, person, wanted.report.read_bytes() if wanted.report.exists() else b""


@pytest.mark.parametrize("role", list(Role))
def test_a_report_in_the_loops_folder_is_taken(tmp_path: Path, role: Role) -> None:
    ended, person, taken = wait(tmp_path, report(), role=role)
    assert (ended, taken) == (AgentExit(), report())
    assert f"Tell the {role.job.value.title()}: round 2 of T-001 is yours." in person.notes[0]
    assert "Nobody is started for you; `--auto-dispatch` starts agents." in person.notes[0]


def test_a_report_for_another_round_or_task_is_passed_over(tmp_path: Path) -> None:
    _, person, taken = wait(tmp_path, report(round=1), report(task_id="T-000"), report())
    assert taken == report()
    assert "is for T-001 round 1" in person.warnings[0]
    assert "is for T-000 round 2" in person.warnings[1]


def test_a_half_saved_report_is_waited_out(tmp_path: Path) -> None:
    _, person, taken = wait(tmp_path, b'{"task_id": "T-0', report())
    assert taken == report()
    assert "Waiting for it to be corrected" in person.warnings[0]


@pytest.mark.parametrize("raw", [b"[]", b'{"task_id": 7, "round": "2"}', b"{}"])
def test_what_validation_can_say_better_is_handed_on(tmp_path: Path, raw: bytes) -> None:
    assert wait(tmp_path, raw)[2] == raw


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    agent = ManualAgent(tmp_path, timeout=0.3)
    ended = agent.run(job(tmp_path), RecordingReporter())
    assert ended.timed_out == "no work_report.json within 0.3 s (--timeout)"


def test_a_folder_in_place_of_the_report_is_waited_out(tmp_path: Path) -> None:
    (tmp_path / "work_report.json").mkdir()
    reporter = RecordingReporter()
    ended = ManualAgent(tmp_path, timeout=0.5).run(job(tmp_path), reporter)
    assert ended.timed_out
    assert "not a regular file" in reporter.warnings[0]


def test_people_are_asked_once_and_not_sent_back(tmp_path: Path) -> None:
    agent = ManualAgent(tmp_path)
    assert (agent.check(), agent.is_program, agent.name) == ("", False, "manual")
