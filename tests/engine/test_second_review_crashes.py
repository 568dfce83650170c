"""A process may die anywhere around a second review; no review that is saved is paid for again."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.deaths import each_death
from tests.engine.test_crashes import posts_per_key
from tests.engine.test_second_review import finds_more, limits, roles
from tests.engine.world import World

from loop_kit.core.loop.state import LoopState


def ends(state: LoopState) -> object:
    return (
        state.outcome,
        state.round,
        state.usage.rounds,
        [(r.decision, [v.decision for v in r.reviews]) for r in state.history],
        [(f.id, f.by, f.status) for f in state.findings],
        [(item.key, item.status) for item in state.outbox],
    )


@pytest.mark.parametrize("local", [False, True], ids=["in CI", "local"])
def test_wherever_a_process_dies_no_review_that_is_durable_is_paid_for_again(
    tmp_path: Path, *, local: bool
) -> None:
    def new() -> World:
        return World(tmp_path, finds_more, local=local, limits=limits())

    expected, deaths = each_death(new)
    for world, at in deaths:
        saved = world.saved_reviews()
        paid = len(world.jobs)
        state = world.to_the_end()
        assert not saved & set(roles(world)[paid:]), at
        assert ends(state) == ends(expected), at
        assert posts_per_key(world) <= {1}, at
