"""Finds and ends every process that one child started, however it detached itself.

Agents start their tools in sessions of their own, so a signal to the process group does not reach
them, and a tool that forks twice loses its parent. On Linux this process therefore adopts orphans
(prctl PR_SET_CHILD_SUBREAPER, see prctl(2)), and every descendant of it that did not exist before
the child started belongs to the child. psutil, which takes a while to import, looks at them once
there is one.
"""

import os
import sys
import time
from collections.abc import Collection
from io import FileIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_PR_SET_CHILD_SUBREAPER = 36


class ProcessTree:
    """The descendants of one child that is about to be started. One tree at a time."""

    def __init__(self) -> None:
        _adopt_orphans()
        self._before = _all_descendants()

    def alive(self, besides: Collection[int] = ()) -> "list[psutil.Process]":
        """The processes that are running now and were not before, without the pids `besides`."""
        known = self._before.union(besides)
        return [p for p in self._descendants() if p.pid not in known and _is_running(p)]

    def end(self, grace: float, keep: int = 0) -> None:
        """Terminate all, wait `grace` seconds, then kill what is left, until nothing is.

        `keep` is a pid whose exit status another caller waits for: it is signalled, not reaped.
        """
        running = self.alive()
        for process in running:
            _signal(process, kill=False)
        if running:
            _wait(running, grace, keep)
        for _ in range(20):
            left = self.alive()
            if not left:
                break
            for process in left:
                _signal(process, kill=True)
            _wait(left, 0.5, keep)
        self._reap(keep)

    def _descendants(self) -> "list[psutil.Process]":
        """The descendants of this process; none if it has no new child, which is cheap to see.

        What an ended program leaves becomes a direct child, so it is enough to check those.
        """
        if self._has_no_new_child():
            return []
        import psutil

        return psutil.Process().children(recursive=True)

    def _has_no_new_child(self) -> bool:
        """Whether every direct child was there before; False where nobody can tell."""
        children = _children("self")
        return children is not None and children <= self._before

    def _reap(self, keep: int) -> None:
        """Take the exit status of adopted orphans that have died."""
        if self._has_no_new_child():
            return
        import psutil

        dead = [
            p for p in psutil.Process().children() if p.pid not in self._before and p.pid != keep
        ]
        psutil.wait_procs(dead, timeout=0)


def _children(process: str) -> set[int] | None:
    """The pids of its direct children, from the files that Linux has for it (proc(5)), or None."""
    found: set[int] = set()
    tasks = f"/proc/{process}/task"
    try:
        for task in os.listdir(tasks):
            with FileIO(f"{tasks}/{task}/children") as children:
                found.update(map(int, children.read().split()))
    except (OSError, ValueError):
        return None
    return found


def _all_descendants() -> set[int]:
    """The pids of everything that this process and its children have started."""
    found = _below("self")
    if found is not None:
        return found
    import psutil

    return {process.pid for process in psutil.Process().children(recursive=True)}


def _below(process: str) -> set[int] | None:
    children = _children(process)
    below = [_below(str(pid)) for pid in children or ()]
    if children is None or None in below:
        return None
    return children.union(*filter(None, below))


def kill_leftovers(variable: str, prefix: str) -> int:
    """Kill the processes that an earlier killed run left behind; returns their number.

    They are recognized by an environment variable, which everything that an agent starts inherits,
    whatever session it runs in.
    """
    import psutil

    found = 0
    for process in psutil.process_iter():
        try:
            is_leftover = process.environ().get(variable, "").startswith(prefix)
        except (psutil.Error, OSError):
            continue
        if is_leftover and process.pid != psutil.Process().pid:
            _signal(process, kill=True)
            found += 1
    return found


def _is_running(process: "psutil.Process") -> bool:
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _signal(process: "psutil.Process", *, kill: bool) -> None:
    import psutil

    try:
        process.kill() if kill else process.terminate()
    except psutil.Error:
        return


def _wait(processes: "list[psutil.Process]", seconds: float, keep: int) -> None:
    others = [process for process in processes if process.pid != keep]
    spared = [process for process in processes if process.pid == keep]
    end = time.monotonic() + seconds
    if others:
        import psutil

        psutil.wait_procs(others, timeout=seconds)
    while spared and time.monotonic() < end and any(_is_running(process) for process in spared):
        time.sleep(0.02)


def _adopt_orphans() -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
