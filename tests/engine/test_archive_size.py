"""The archive grows with what the rounds said: no round repeats what the rounds before it did."""

from __future__ import annotations

from pathlib import Path

from tests.engine.world import World
from tests.fakes import Act

from loop_kit.core.loop.state import Limits, Role
from loop_kit.ports import Assignment

ISSUE = {"severity": "high", "file": "a.py", "reason": "wrong", "scenario": "a(1) fails"}


def never_approved(job: Assignment) -> Act:
    """Each round adds a file to the diff; each review repeats the one open finding."""
    if job.role is Role.WORKER:
        name = f"round_{job.round}.py"
        return Act({"notes": "done"}, {name: b"line\n" * 400}, commit=f"Round {job.round}")
    known = {"id": "F1"} if job.round > 1 else {}
    return Act({"decision": "changes_required", "blocking_issues": [{**ISSUE, **known}]})


def test_the_archive_is_linear_in_the_rounds(tmp_path: Path) -> None:
    limits = Limits(max_rounds=40)
    world = World(tmp_path, script=never_approved, local=True, limits=limits)
    world.job()
    archived = {
        rounds: sum(
            len(content)
            for name, content in world.server.files.items()
            if name.startswith("archive/") and int(name.split("/r")[-1].split("_")[0]) <= rounds
        )
        for rounds in (10, 20, 40)
    }
    assert archived[20] < 2.3 * archived[10]
    assert archived[40] < 2.3 * archived[20]
    assert archived[40] < 40 * 8_000
