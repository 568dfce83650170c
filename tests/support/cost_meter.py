"""Counts what a `loop` process starts and syncs, from outside and without strace.

The fork server runs `install` in the process that is about to become `loop`. Each of its fsyncs is
written down when it is asked for. git says itself what each of its processes did (trace2), those
that it starts in turn included; the git of agents is not among them, for `loop` makes their
environment.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METER = "COST_METER"
_TRACE = "GIT_TRACE2_EVENT"
_WRITES_FILES = {"-u", "checkout", "checkout-index", "clone", "--hard"}
"""Words in commands of git that write the files of a commit."""


def install() -> None:
    """Count from here on, into the folder that `METER` names."""
    from loop_kit.adapters.workspaces.copying import Copier

    folder = Path(os.environ.pop(METER))
    traces = folder / "git"
    traces.mkdir(parents=True)
    start, sync, copy = subprocess.Popen.__init__, os.fsync, Copier.copy

    def note(name: str, line: str) -> None:
        with (folder / name).open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")

    @functools.wraps(start)
    def started(child: Any, argv: Any, *args: Any, **named: Any) -> None:
        if Path(str(argv[0])).name == "git":
            if _WRITES_FILES & set(argv):
                is_empty = os.listdir(named["cwd"]) == [".git"]  # noqa: PTH208
                note("checkouts", "git writes all files" if is_empty else "git updates files")
            named["env"] = {**(named.get("env") or os.environ), _TRACE: str(traces)}
        start(child, argv, *args, **named)

    @functools.wraps(sync)
    def synced(descriptor: Any) -> None:
        note("syncs", "sync")
        sync(descriptor)

    @functools.wraps(copy)
    def copied(copier: Any, source: Path, *args: Any, **named: Any) -> None:
        note("checkouts", f"copy of {source.name.partition('-')[0]}")
        copy(copier, source, *args, **named)

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]
    os.fsync = synced
    Copier.copy = copied  # type: ignore[method-assign]


@dataclass(frozen=True)
class Costs:
    """The programs of git that one process started, by their commands, and the fsyncs."""

    git: Mapping[str, int]
    syncs: int
    checkouts: tuple[str, ...] = ()


def read(folder: Path) -> Costs:
    """What was counted into a folder."""
    files = sorted((folder / "git").iterdir())
    lines = [line for file in files for line in file.read_text("utf-8", "replace").splitlines()]
    events = [json.loads(line) for line in lines]
    names = (event["name"] for event in events if event["event"] == "cmd_name")
    waits = (e for e in events if e.get("key", e.get("name", "")).endswith("hardware-flush"))
    flushes = sum(int(event.get("value") or event["count"]) for event in waits)
    own = len(_lines(folder / "syncs"))
    return Costs(Counter(names), own + flushes, tuple(_lines(folder / "checkouts")))


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []
