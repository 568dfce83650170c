"""`make bench`: everything that is measured, as a table and a plot."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import commands, jobs, long_runs, measure, rooms, rounds, table
from benchmarks.contenders import Bench
from benchmarks.table import Row

_BINARIES = Path(sys.executable).parent


def main() -> None:
    """Measure, show the table, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--turns", type=int, default=7, help="how often every contender runs")
    parser.add_argument("--files", type=int, default=50_000, help="files of a large repository")
    parser.add_argument("--rounds", type=int, default=300, help="rounds of a long run")
    parser.add_argument(
        "--page", type=Path, help="put the table into this page, the plot beside it"
    )
    parser.add_argument("--peer", type=Path, required=True, help="the `loop` of agent-task-runner")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loop-kit-bench-") as folder:
        bench = Bench(Path(folder), _BINARIES / "loop", options.peer.resolve())
        rows = list(_rows(bench, options))
    sys.stdout.write(f"\n{table.markdown(rows)}")
    if options.page:
        table.fill(options.page, rows)


def _rows(bench: Bench, options: argparse.Namespace) -> Iterator[Row]:
    turns = options.turns
    quiet = rounds.turns(bench, turns, _say)
    with measure.busy_machine():
        busy = rounds.turns(bench, turns, _say)
    if options.page:
        _draw(options, quiet, busy)
    for name, found in (("quiet", quiet), ("busy", busy)):
        beside_peer = rounds.overhead_ratio(found, rounds.PEER)
        beside_script = rounds.overhead_ratio(found, rounds.SCRIPT)
        yield Row(
            f"overhead of a round, {name} machine ({rounds.overhead(found, rounds.OURS):.0f} ms)",
            f"{beside_peer:.2f} x the peer's, {beside_script:.2f} x the script's",
            "0.2 x the peer's, 2 x the script's",
        )
    of_round, of_run = rounds.cpu_ratios(quiet)
    yield Row(
        "CPU of a round; of a run of one round", f"{of_round:.2f} x; {of_run:.2f} x", "0.5 x; 1.0 x"
    )
    yield Row("a run of one round, started cold", f"{rounds.cold_ratio(quiet):.2f} x", "1.0 x")
    short = commands.short_ratios(bench, turns)
    yield Row(
        "`loop status`; the help of `loop`",
        f"{short['status']:.2f} x; {short['--help']:.2f} x",
        "1.0 x",
    )
    for room in rooms.starts(bench.folder, 3 * turns):
        yield Row(
            f"start of a room beside none: {room.name}", f"{room.milliseconds:.0f} ms", "60 ms"
        )
    yield from _sizes(bench, options, quiet)
    yield from _counts(bench)


def _sizes(bench: Bench, options: argparse.Namespace, quiet: list[rounds.Turn]) -> Iterator[Row]:
    _say("memory")
    peaks = long_runs.peaks(bench)
    most = max(peaks, key=lambda name: peaks[name])
    listed = ", ".join(f"{name} {peak:.0f} MB" for name, peak in peaks.items())
    yield Row(f"peak memory: {listed}", f"{peaks[most]:.0f} MB", "80 MB")
    _say(f"a run of {options.rounds} rounds")
    half = long_runs.late_rounds(bench, options.rounds // 2)
    whole = long_runs.late_rounds(bench, options.rounds)
    yield Row(
        f"a late round beside an early one ({options.rounds} rounds)", f"{whole[0]:.2f} x", "1.1 x"
    )
    yield Row(
        f"archive and state after {options.rounds} rounds, beside half as many",
        f"{whole[1]:.1f} MB, {whole[1] / half[1]:.2f} x",
        "2.0 x (linear)",
    )
    large = rounds.turns(bench, max(1, options.turns // 2), _say, options.files)
    ours, theirs = (rounds.growth(quiet, large, name) for name in (rounds.OURS, rounds.PEER))
    yield Row(
        f"a round in a repository of {options.files} files beside one of 10",
        f"{ours:.1f} x (the peer: {theirs:.1f} x)",
        "1.5 x",
    )
    _say("jobs")
    small = jobs.seconds(bench, options.turns, 10)
    yield Row("a job of one round outside its agents, on loopback", f"{small:.2f} s", "1.5 s")
    big = jobs.seconds(bench, max(1, options.turns // 2), options.files)
    yield Row(
        f"a job in a repository of {options.files} files beside one of 10",
        f"{big / small:.1f} x",
        "1.5 x",
    )
    yield Row(
        "set-up of the action, from a warm cache", f"{commands.set_up(bench, 3):.1f} s", "3 s"
    )


def _counts(bench: Bench) -> Iterator[Row]:
    for name, bound in ((rounds.OURS, "8 git, 5 fsyncs"), (rounds.PEER, ""), (rounds.SCRIPT, "")):
        calls = rounds.calls(bench, name)
        text = (
            "not counted: there is no strace"
            if calls is None
            else (f"{calls.processes} programs, {calls.git} git, {calls.syncs} fsyncs")
        )
        yield Row(f"started by a round: {name}", text, bound)


def _draw(options: argparse.Namespace, quiet: list[rounds.Turn], busy: list[rounds.Turn]) -> None:
    machines = {"quiet machine": quiet, "busy machine": busy}
    chart = {
        "label": "overhead of a round, without its agents (ms)",
        "format": "%.0f ms",
        "series": {name: dict(rounds.measured(found)) for name, found in machines.items()},
    }
    python, page = options.peer.with_name("python"), options.page
    plot(python, page.with_suffix(".svg"), [chart])
    plot(python, page.with_name(f"{page.stem}-dark.svg"), [chart], "--dark")


def plot(python: Path, path: Path, charts: list[dict[str, object]], *options: str) -> None:
    """Draw charts with the interpreter that has what draws them."""
    argv = [python, Path(__file__).with_name("draw.py"), path, *options]
    subprocess.run(argv, input=json.dumps(charts), text=True, check=True)


def _say(message: str) -> None:
    sys.stderr.write(f"bench: {message}\n")


if __name__ == "__main__":
    main()
