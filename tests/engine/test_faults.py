"""A disk that is full or a git that fails ends a run, and loses no work that was paid for."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from tests.engine.world import Fuse, World

from loop_kit.core.loop.state import Outcome, Role, parse_state
from loop_kit.errors import GitFailed


class FullDisk(OSError):
    """A write was refused."""

    def __init__(self, where: str) -> None:
        super().__init__(errno.ENOSPC, "No space left on device", where)


class BrokenGit(GitFailed):
    """A git command failed."""

    def __init__(self, where: str) -> None:
        super().__init__(f"git failed {where}.", "Run again.")


def fail_from(call: str, error: type[Exception], times: int) -> Fuse:
    """A fuse that fails the first `times` of a call after the worker has run."""
    fuse, left, worked = Fuse(), times, False

    def burn(where: str) -> None:
        nonlocal left, worked
        worked = worked or where == "after agent.run"
        if worked and left and where == f"before {call}":
            left -= 1
            raise error(where)

    fuse.burn = burn  # type: ignore[method-assign]
    return fuse


@pytest.mark.parametrize("error", [FullDisk, BrokenGit])
def test_a_verification_that_fails_once_after_the_worker_is_tried_again(
    world: World, error: Callable[[str], Exception]
) -> None:
    world.verify = ("ok",)

    state = world.job(fail_from("verifier.verify", error, 1))  # type: ignore[arg-type]

    assert state.continue_to == 2
    assert state.history[0].verified is not None
    assert world.asked(Role.WORKER) == [1]


@pytest.mark.parametrize("error", [FullDisk, BrokenGit])
def test_a_verification_that_never_runs_keeps_the_work_and_says_why_the_loop_stopped(
    world: World, error: Callable[[str], Exception]
) -> None:
    world.verify = ("ok",)

    with pytest.raises((OSError, GitFailed)):
        world.job(fail_from("verifier.verify", error, 9))  # type: ignore[arg-type]

    saved = parse_state(world.server.state)
    assert (saved.outcome, saved.resume_phase) == ("reviewer_dispatch_failed", "awaiting_review")
    assert saved.error.startswith("The run failed: ")
    assert saved.lease is None
    assert world.server.work_tip == saved.head_sha
    assert world.to_the_end().outcome is Outcome.APPROVED
    assert world.asked(Role.WORKER) == [1, 2]


def test_a_workspace_that_cannot_be_made_for_the_reviewer_costs_no_second_worker(
    world: World,
) -> None:
    with pytest.raises(OSError, match="No space left"):
        world.job(fail_from("workspaces.open", FullDisk, 1))

    saved = parse_state(world.server.state)
    assert (saved.outcome, saved.lease) == (Outcome.REVIEWER_DISPATCH_FAILED, None)
    assert world.to_the_end().outcome is Outcome.APPROVED
    assert world.asked(Role.WORKER) == [1, 2]
