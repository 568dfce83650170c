"""Everything that one child started: found, and ended, however it tried to get away.

Agents start their tools in sessions of their own, so a signal to the process group does not reach
them, and a tool that forks twice is nobody's child. On Linux this process therefore adopts orphans
(prctl PR_SET_CHILD_SUBREAPER, see prctl(2)), and whatever is a descendant of ours and was not
there before the child started belongs to it.
"""

import sys
import time
from collections.abc import Collection
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36


class ProcessTree:
    """The descendants of one child that is about to be started. One tree at a time."""

    def __init__(self) -> None:
        _adopt_orphans()
        self._me = psutil.Process()
        self._before: set[int] = set()
        self._before = {process.pid for process in self._descendants()}

    def alive(self, besides: Collection[int] = ()) -> list[psutil.Process]:
        """What is running now and was not before, without the pids `besides`."""
        known = self._before.union(besides)
        return [p for p in self._descendants() if p.pid not in known and _runs(p)]

    def end(self, grace: float, keep: int = 0) -> None:
        """Ask everything to stop, wait `grace` seconds, then kill what is left, until none is.

        `keep` is the pid whose exit status somebody else waits for: it is signalled, not reaped.
        """
        polite = self.alive()
        for process in polite:
            _signal(process, kill=False)
        if polite:
            _wait(polite, grace, keep)
        for _ in range(20):
            left = self.alive()
            if not left:
                break
            for process in left:
                _signal(process, kill=True)
            _wait(left, 0.5, keep)
        self._reap(keep)

    def _descendants(self) -> list[psutil.Process]:
        """Our descendants; none where we have no new child, which is cheap to see.

        What an ended program leaves becomes our own child, so it is enough to look at those.
        """
        children = _children()
        if children is not None and children <= self._before:
            return []
        return self._me.children(recursive=True)

    def _reap(self, keep: int) -> None:
        """Take the exit status of orphans that died as our children."""
        if _children() == set():
            return
        dead = [p for p in self._me.children() if p.pid not in self._before and p.pid != keep]
        psutil.wait_procs(dead, timeout=0)


def _children() -> set[int] | None:
    """The pids of our children, by the files that Linux has for it (proc(5)), or None."""
    found: set[int] = set()
    try:
        for task in Path("/proc/self/task").iterdir():
            found.update(map(int, (task / "children").read_text().split()))
    except (OSError, ValueError):
        return None
    return found


def end_leftovers(variable: str, prefix: str) -> int:
    """Kill what an earlier run that was killed left behind, and return how many there were.

    They are known by an environment variable of ours, which everything that an agent starts
    inherits, whatever session it runs in.
    """
    found = 0
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(variable, "").startswith(prefix)
        except (psutil.Error, OSError):
            continue
        if ours and process.pid != psutil.Process().pid:
            _signal(process, kill=True)
            found += 1
    return found


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.Error:
        return


def _wait(processes: list[psutil.Process], seconds: float, keep: int) -> None:
    others = [process for process in processes if process.pid != keep]
    kept = [process for process in processes if process.pid == keep]
    end = time.monotonic() + seconds
    psutil.wait_procs(others, timeout=seconds)
    while kept and time.monotonic() < end and any(_runs(process) for process in kept):
        time.sleep(0.02)


def _adopt_orphans() -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
