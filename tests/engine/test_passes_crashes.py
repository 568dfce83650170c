"""A process may die anywhere around a further pass; no pass that is saved is paid for again."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.deaths import each_death
from tests.engine.test_crashes import posts_per_key
from tests.engine.test_passes import finds_more, limits
from tests.engine.test_second_review_crashes import ends
from tests.engine.world import World

from loop_kit.core.loop.state import parse_state


def saved_pass(world: World) -> bool:
    """Whether the first pass of round 1 is durable."""
    if not world.server.state:
        return False
    state = parse_state(world.server.state)
    return state.further is not None or any(record.decision for record in state.history)


def first_passes(world: World) -> int:
    return sum(job.role == "reviewer" and (job.round, job.further) == (1, 0) for job in world.jobs)


@pytest.mark.parametrize("local", [False, True], ids=["in CI", "local"])
def test_wherever_a_process_dies_a_pass_that_is_durable_is_not_made_again(
    tmp_path: Path, *, local: bool
) -> None:
    def new() -> World:
        return World(tmp_path, finds_more, local=local, limits=limits())

    expected, deaths = each_death(new)
    for world, at in deaths:
        saved, paid = saved_pass(world), first_passes(world)
        state = world.to_the_end()
        assert not saved or first_passes(world) == paid, at
        assert ends(state) == ends(expected), at
        assert posts_per_key(world) <= {1}, at
