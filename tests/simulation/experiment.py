"""Runs many loops on all processors: the same seeds give the same results on any number of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import starmap

from tests.simulation.runner import Policy, Result, run
from tests.simulation.traits import Population

Case = tuple[Population, Policy, int]
CHUNK = 50


def cases(populations: Iterable[Population], policy: Policy, loops: int) -> list[Case]:
    """The loops of a mixture: each population has its share of the seeds."""
    return [
        (population, policy, seed)
        for population in populations
        for seed in range(max(1, round(loops * population.share)))
    ]


def run_all(todo: Sequence[Case], pool: Executor | None = None) -> list[Result]:
    """The results of all cases, in their order."""
    if pool is None:
        return list(starmap(run, todo))
    parts = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
    return [result for part in pool.map(run_all, parts) for result in part]


@contextmanager
def processors(count: int | None) -> Iterator[Executor]:
    """A pool of processes; as many as there are processors when `count` is None."""
    with ProcessPoolExecutor(max_workers=count) as pool:
        yield pool
