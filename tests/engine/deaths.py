"""A loop that dies once, at each point at which it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.engine.world import Died, Fuse, World

from loop_kit.core.loop.state import LoopState


def each_death(new: Callable[[], World]) -> tuple[LoopState, Iterator[tuple[World, str]]]:
    """How the loop of a new world ends undisturbed, and worlds whose process died, with where."""
    undisturbed, counting = new(), Fuse()
    ended = undisturbed.job(counting)
    while ended.continue_to is not None:
        ended = undisturbed.job(counting)
    return ended, (_died(new(), Fuse(n)) for n in range(1, len(counting.passed) + 1))


def _died(world: World, fuse: Fuse) -> tuple[World, str]:
    try:
        while world.job(fuse).continue_to is not None:
            pass
    except Died:
        pass
    return world, fuse.passed[-1]
