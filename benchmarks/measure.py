"""Runs a program and says what it cost: seconds, CPU seconds, memory, processes and fsyncs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

_HOG = "while True: pass"
_EXEC = re.compile(r'execve\("([^"]*)".*\)\s+= 0$')
_SYNC = re.compile(r"\bf(data)?sync\(")


class ProgramFailed(Exception):
    """A program that was to be measured did not end well."""


@dataclass(frozen=True)
class Cost:
    """What one run cost: seconds, and CPU seconds with those of everything that it started."""

    wall: float
    cpu: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu)

    def __truediv__(self, number: float) -> Cost:
        return Cost(self.wall / number, self.cpu / number)


@dataclass(frozen=True)
class Calls:
    """How many programs a run started, how many of them were git, and how often it synced."""

    processes: int
    git: int
    syncs: int


def run(argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str], log: Path) -> Cost:
    """Run a program to its good end; what it prints goes to `log`.

    Raises:
        ProgramFailed: it ended with another exit code than 0.
    """
    code, cost = _time(argv, cwd, env, log)
    _check(code, argv, log)
    return cost


def time(argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str], log: Path) -> Cost:
    """Run a program to its end, however it ends; what it prints goes to `log`."""
    return _time(argv, cwd, env, log)[1]


def _time(
    argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str], log: Path
) -> tuple[int, Cost]:
    began = monotonic()
    child = _start(argv, cwd, env, log)
    _, status, used = os.wait4(child.pid, 0)
    wall = monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, Cost(wall, used.ru_utime + used.ru_stime)


def peak_memory(argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str], log: Path) -> float:
    """The most memory that the program itself held, in MB: the kernel's own high-water mark."""
    child = _start(argv, cwd, env, log)
    peak = 0.0
    while child.poll() is None:
        peak = max(peak, _high_water(child.pid))
        sleep(0.01)
    _check(child.returncode, argv, log)
    return peak


def count_calls(
    argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str], log: Path
) -> Calls | None:
    """What a run starts and syncs, as strace sees it; None where there is no strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    trace = log.with_suffix(".trace")
    events = "trace=execve,fsync,fdatasync"
    run([strace, "-f", "-qq", "-e", events, "-o", str(trace), *argv], cwd, env, log)
    lines = trace.read_text("utf-8", "replace").splitlines()
    programs = [match[1] for line in lines if (match := _EXEC.search(line))]
    git = [name for name in programs if Path(name).name.startswith("git")]
    return Calls(len(programs), len(git), sum(bool(_SYNC.search(line)) for line in lines))


@contextmanager
def busy_machine() -> Iterator[None]:
    """Keep every processor busy with something else."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    hogs = [subprocess.Popen([sys.executable, "-c", _HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def _start(
    argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        words = [str(word) for word in argv]
        return subprocess.Popen(
            words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def _check(code: int, argv: Sequence[str | Path], log: Path) -> None:
    if code:
        tail = log.read_text("utf-8", "replace")[-2000:]
        words = " ".join(str(word) for word in argv)
        raise ProgramFailed(f"{words} ended with exit code {code}:\n{tail}")


def _high_water(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0
