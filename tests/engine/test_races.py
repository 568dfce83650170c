"""Of runs that judged the same state, one enters the loop; the others pay nobody."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.engine.test_crashes import count_calls, posts_per_key, story
from tests.engine.world import Died, Fuse, World

from loop_kit.core.loop.state import Outcome, Role
from loop_kit.engine.options import Continuation
from loop_kit.ports import PushRejected

RUNS = 6


def enter_at_once(world: World, seed: int) -> int:
    """Let six runs load the state before any of them enters; how many did anything with it."""
    runs = []
    for _ in range(RUNS):
        engine = world.engine()
        runs.append((engine, world.start(), world.load()))
    random.Random(seed).shuffle(runs)
    owners = 0
    for engine, start, recorded in runs:
        before = len(world.jobs), len(world.server.recorded), len(world.forge.dispatches)
        try:
            state = engine.begin(start, recorded)
            engine.run(last_round=state.round)
            engine.hand_over(world.forge, Continuation("loop.yml", "main"))
        except PushRejected:
            pass
        owners += before != (
            len(world.jobs),
            len(world.server.recorded),
            len(world.forge.dispatches),
        )
    return owners


@pytest.mark.parametrize("verify", [(), ("check 1",)], ids=["plain", "verified"])
def test_six_runs_on_one_task_have_one_owner_wherever_an_earlier_run_died(
    tmp_path: Path, verify: tuple[str, ...]
) -> None:
    undisturbed = story(w := World(tmp_path / "0", verify=verify), w.to_the_end())

    for n in range(count_calls(tmp_path / "n", local=False, verify=verify) + 1):
        world = World(tmp_path / f"{n}", verify=verify)
        fuse = Fuse(n)
        try:
            while world.job(fuse).continue_to is not None:
                pass
        except Died:
            pass

        assert enter_at_once(world, seed=n) <= 1, fuse.passed[-1:]
        assert story(world, world.to_the_end()) == undisturbed
        assert posts_per_key(world) <= {1}


def test_a_run_that_looked_before_another_one_entered_pays_nobody(world: World) -> None:
    late = world.engine()
    start, judged = world.start(), world.load()
    world.job()
    asked = len(world.jobs)

    late.begin(start, judged)
    with pytest.raises(PushRejected):
        late.run(last_round=1)

    assert len(world.jobs) == asked
    assert world.to_the_end().outcome is Outcome.APPROVED
    assert world.asked(Role.WORKER) == [1, 2]
