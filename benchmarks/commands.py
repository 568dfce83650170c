"""The seconds of short commands beside the peer's, and of the action's set-up."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from statistics import median

from benchmarks import measure
from benchmarks.contenders import Bench, prepare

SHORT = ("status", "--help")
_ROOT = Path(__file__).resolve().parents[1]


def short_ratios(bench: Bench, turns: int) -> dict[str, float]:
    """`loop status` and `loop --help` beside the peer's, in a repository with a finished loop."""
    runs = {name: prepare(bench, name, 1) for name in ("loop-kit", "agent-task-runner")}
    for run in runs.values():
        measure.run(run.argv, run.cwd, run.env, run.log)
    found = {}
    for command in SHORT:
        ratios = []
        for _ in range(turns):
            ours, theirs = (
                measure.run([run.argv[0], command], run.cwd, run.env, run.log).wall
                for run in runs.values()
            )
            ratios.append(ours / theirs)
        found[command] = median(ratios)
    return found


def set_up(bench: Bench, turns: int) -> float:
    """The seconds in which the action installs itself, from a warm cache.

    It is run twice in one job: only the first has to install, and both end at once, since there is
    no event to act on.
    """
    argv = [sys.executable, "-I", "-S", _ROOT / "src/loop_kit/actions/start.py"]
    seconds = []
    for number in range(turns + 1):
        temp = bench.folder / f"runner-{number}"
        temp.mkdir()
        env = {**bench.environment(temp), "RUNNER_TEMP": str(temp), **_installing()}
        first, again = (measure.time(argv, temp, env, temp / "log").wall for _ in range(2))
        seconds.append(first - again)
    return median(seconds[1:])


def _installing() -> dict[str, str]:
    """How installers reach their index and its certificates on this machine."""
    prefixes = ("UV_", "PIP_", "SSL_", "REQUESTS_", "HTTP_", "HTTPS_", "NO_PROXY")
    caches = {"UV_CACHE_DIR": str(Path.home() / ".cache" / "uv")}
    return caches | {k: v for k, v in os.environ.items() if k.upper().startswith(prefixes)}
