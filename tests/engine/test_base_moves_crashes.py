"""A process may die between any two calls while a moved base branch is merged or resolved."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.test_base_moves import Moving, approving, behind_while_waiting, conflict, moving
from tests.engine.world import Died, Fuse, World
from tests.fakes import Act

from loop_kit.core.checks.reading import Check
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Role
from loop_kit.ports import Assignment

MAX_JOBS = 8


def merged(folder: Path) -> World:
    """A rule asks for the tip, and the branch moves before the approval."""
    world = World(folder, verify=("ok",))
    world.script = moving(world, Moving(world))
    return world


def resolved(folder: Path) -> World:
    """The branch conflicts since the first round was worked on."""
    world = World(folder, limits=Limits(evidence="strict", max_rounds=MAX_JOBS))
    tip = world.repository.commit(world.base, {"a.py": b"theirs\n"}, "Theirs")

    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER and "## A merge to complete" in job.prompt:
            files = {"a.py": b"both\n", f"a{job.round}.py": b"work\n"}
            return Act({}, files, commit="Merge")
        if job.role is Role.REVIEWER:
            world.base_branch.tips["main"] = tip
        return approving(job)

    world.script = script
    conflict(world, tip)
    world.base_branch.tips["main"] = world.base
    return world


def merged_while_it_waited(folder: Path, theirs: str = "theirs.py") -> World:
    """An approval that others have left behind while it waited; its checks are green now."""
    world = World(folder, verify=("ok",))
    behind_while_waiting(world, theirs)
    world.forge.every_commit = (Check("test", "passed"),)
    return world


def reviewed_while_it_waited(folder: Path) -> World:
    """The same, where others have changed what was reviewed."""
    return merged_while_it_waited(folder, "a1.py")


def ending(world: World, state: LoopState) -> object:
    """What must be the same however often a process died."""
    tree = world.repository.commits[state.head_sha].tree
    posted = sorted(post for post in world.posted() if "Round" in post)
    verified = state.verification.sha if state.verification else state.head_sha
    return state.outcome, tree, state.diff_base, verified == state.head_sha, len(posted)


@pytest.mark.parametrize(
    "make", [merged, resolved, merged_while_it_waited, reviewed_while_it_waited]
)
def test_whenever_a_process_dies_the_next_one_ends_the_loop_as_if_it_had_not(
    tmp_path: Path, make: Callable[[Path], World]
) -> None:
    fuse, whole = Fuse(), make(tmp_path / "whole")
    while (state := whole.job(fuse)).continue_to is not None:
        pass
    assert state.outcome is Outcome.APPROVED
    expected = ending(whole, state)
    for number in range(1, len(fuse.passed) + 1):
        world, fatal = make(tmp_path / str(number)), Fuse(number)
        with contextlib.suppress(Died):
            for _ in range(MAX_JOBS):
                world.job(fatal)
        last = world.to_the_end(MAX_JOBS)
        assert ending(world, last) == expected, fuse.passed[number - 1]
        assert world.asked(Role.WORKER).count(1) <= 2
