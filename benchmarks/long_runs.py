"""What must not grow: a round's time with the rounds before it, the archive, and memory."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks import measure
from benchmarks.contenders import Bench, Run, prepare

_LOUD = {
    "50 MB of output": 'yes "{\\"type\\": \\"a line of output\\"}" | head -c 50000000',
    "one line of 200 MB": "head -c 200000000 /dev/zero | tr '\\0' x",
    "a diff of 100 MB": "",
}
_WRITE_DIFF = (
    'seq 1 14000000 | sed "s/^/line /" | head -c 100000000 | split -b 34000000 - big-'
    " && git add big-*"
)


def late_rounds(bench: Bench, last: int) -> tuple[float, float]:
    """A round of the last tenth of a run beside one of the first; and the MB of `.loop/`.

    Without `runtime/`, where the log that makes transitions durable fills up to 4 MB, then begins
    again.
    """
    run = prepare(bench, "loop-kit", last)
    starts = _agents(run) / "starts"
    starts.touch()
    measure.run(run.argv, run.cwd, run.env, run.log)
    times = [float(line) for line in starts.read_text().splitlines()]
    spans = [after - before for before, after in pairwise(times)]
    loop = run.cwd / ".loop"
    kept = (path for path in loop.rglob("*") if path.relative_to(loop).parts[0] != "runtime")
    size = sum(path.stat().st_size for path in kept if path.is_file())
    tenth = max(1, len(spans) // 10)
    return median(spans[-tenth:]) / median(spans[1 : 1 + tenth]), size / 1e6


def peaks(bench: Bench) -> dict[str, float]:
    """The most memory, in MB, of a run whose worker is loud in one of these ways."""
    found = {"nothing of that": _peak(bench, "")}
    for name, shell in _LOUD.items():
        found[name] = _peak(bench, shell or _WRITE_DIFF)
    return found


def _peak(bench: Bench, shell: str) -> float:
    run = prepare(bench, "loop-kit", 1)
    extra = _agents(run) / "extra"
    extra.write_text(f'#!/bin/sh\n[ "$1" = worker ] || exit 0\n{shell}\n')
    extra.chmod(0o755)
    return measure.peak_memory(run.argv, run.cwd, run.env, run.log)


def _agents(run: Run) -> Path:
    return Path(run.env["PATH"].partition(":")[0])
