"""What a room costs the program that is started in it, beside the same program without one."""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

from loop_kit.adapters.process import process
from loop_kit.adapters.process.namespace import Bare
from loop_kit.adapters.process.room.plan import RoomPlan
from loop_kit.adapters.process.room.rungs import Rung, box_of, candidates


class Room(NamedTuple):
    """A way to confine programs here, and the median of what starting one costs in milliseconds."""

    name: str
    milliseconds: float


def starts(folder: Path, times: int) -> list[Room]:
    """Every way of this machine in which a program starts, each tried so many times."""
    bare = _median(folder, None, times)
    measured = {rung: _median(folder, rung, times) for rung in candidates(in_job=False)}
    return [
        Room(str(rung), found - bare)
        for rung, found in measured.items()
        if found is not None and bare is not None
    ]


def _median(folder: Path, rung: Rung | None, times: int) -> float | None:
    """In milliseconds; None where the program fails."""
    taken = []
    for number in range(times):
        scratch = folder / f"room-{rung or 'none'}-{number}"
        workspace = scratch / "workspace"
        workspace.mkdir(parents=True)
        began = time.perf_counter()
        if _run(workspace, _box(rung, scratch, workspace)):
            return None
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _box(rung: Rung | None, scratch: Path, workspace: Path) -> Bare:
    if rung is None:
        return Bare()
    (scratch / "layer").mkdir()
    package = Path(process.__file__).parents[3]
    plan = RoomPlan(
        writable=(str(workspace),),
        shown=(sys.prefix, sys.base_prefix, str(package)),
        layered=(str(Path.home()),),
        disk=str(scratch / "layer"),
    )
    return box_of(rung, plan)


def _run(workspace: Path, box: Bare) -> int | None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(Path.home())}
    ended = process.stream(
        ["true"],
        cwd=workspace,
        env=environment,
        stdin=b"",
        listener=process.Listener(),
        timeout=60,
        box=box,
    )
    return ended.exit_code
