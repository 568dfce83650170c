"""A loop whose process dies at a named point ends as one that nothing disturbed.

The points are those that an undisturbed loop passes. By default a seeded sample of them is tried;
`make storm`, or `--storm=full` in parts that run side by side, tries every one.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import MakeRepo
from tests.e2e.conftest import hosting
from tests.e2e.test_crashes_in_ci import counting
from tests.storms import loops
from tests.storms.loops import Ending, Kill, Result
from tests.storms.table import KILLS, is_stale

SAMPLE = {"locally": 5, "in one job": 4, "in three jobs": 3}
PARTS = 24

Run = Callable[[str, Kill], Result]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    full = metafunc.config.getoption("--storm") == "full"
    if "part" in metafunc.fixturenames:
        metafunc.parametrize("part", range(PARTS) if full else [None])


@pytest.fixture
def run(way: str, tmp_path: Path, make_repo: MakeRepo) -> Run:
    """Run a loop in one of the three ways, in a folder of its own."""
    ledger = tmp_path / "ledger"

    def locally(name: str, kill: Kill) -> Result:
        (tmp_path / name).mkdir()
        repo = make_repo(tmp_path / name)
        try:
            return loops.run_locally(repo, kill)
        finally:
            repo.close()

    def in_jobs(name: str, kill: Kill) -> Result:
        ledger.unlink(missing_ok=True)
        run_jobs = loops.run_in_one_job if way == "in one job" else loops.run_in_three_jobs
        with hosting(tmp_path / name) as make:
            return run_jobs(make(counting(ledger)), ledger, kill)

    return locally if way == "locally" else in_jobs


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", list(SAMPLE))
def test_wherever_a_process_is_killed_the_loop_ends_as_if_it_had_not_been(
    way: str, part: int | None, run: Run, tmp_path: Path, storm_seed: int
) -> None:
    listed = Kill(tmp_path / "points")
    undisturbed = run("undisturbed", listed)
    points = listed.points()
    assert not is_stale(KILLS[way], len(points))
    if part is None:
        points = sample(points, SAMPLE[way], random.Random(storm_seed))
    else:
        points = points[part::PARTS]

    wrong = []
    for number, (process, point) in enumerate(points):
        kill = Kill(tmp_path / "unused", process, point)
        problem = compare(undisturbed, run(f"killed-{number}", kill))
        if problem:
            wrong.append(f"{way}, process {process} killed {point}: {problem}")

    assert not wrong, "\n".join(wrong)


def sample(
    points: list[tuple[int, str]], size: int, chance: random.Random
) -> list[tuple[int, str]]:
    """Points of different names, so that those that are passed often do not crowd out others."""
    named: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for process, point in points:
        named[point.partition(" #")[0]].append((process, point))
    return [chance.choice(named[name]) for name in chance.sample(sorted(named), size)]


def compare(undisturbed: Result, killed: Result) -> str:
    """What is not as it would have been; "" when nothing is."""
    if killed.kills != 1:
        return f"{killed.kills} processes were killed"
    if killed.paid_again:
        return f"paid again for {sorted(killed.paid_again)}"
    if set(killed.calls) != set(undisturbed.calls):
        return f"the agents called were {killed.calls}"
    expected, found = undisturbed.ending, killed.ending
    return "; ".join(
        f"{name} is {getattr(found, name)}, not {getattr(expected, name)}"
        for name in Ending.__dataclass_fields__
        if getattr(found, name) != getattr(expected, name)
    )
