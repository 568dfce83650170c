"""While a round runs the status comment shows what it does, for one request, and never stops it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.world import Act, World, two_rounds

from loop_kit.core.loop.state import Outcome, Role
from loop_kit.errors import ForgeRefused, ForgeUnavailable, LoopError
from loop_kit.ports import Assignment


def shown(world: World) -> str:
    """The heading of the status comment."""
    (pull,) = world.forge.pulls
    (comment,) = pull.comments
    return next(line for line in comment.body.splitlines() if line.startswith("### "))


def test_the_heading_names_who_is_next_and_then_who_reads(tmp_path: Path) -> None:
    headings: dict[tuple[Role, int], str] = {}

    def watched(job: Assignment) -> Act:
        if world.forge.pulls:
            headings[job.role, job.round] = shown(world)
        return two_rounds(job)

    world = World(tmp_path, script=watched)
    world.job()
    before = len(world.forge.edits)

    state = world.job()

    assert state.outcome is Outcome.APPROVED
    assert "Round 2 of 3 · worker (fake) is next" in headings[Role.WORKER, 2]
    assert "Round 2 of 3 · reviewer (fake) reads the change" in headings[Role.REVIEWER, 2]
    assert (Role.REVIEWER, 1) not in headings
    assert len(world.forge.edits) - before == 2
    assert "✅ Approved in round 2" in shown(world)


@pytest.mark.parametrize("error", [ForgeRefused, ForgeUnavailable])
def test_a_comment_that_cannot_be_updated_keeps_no_reviewer_waiting(
    tmp_path: Path, error: type[LoopError]
) -> None:
    world = World(tmp_path)
    world.job()
    edit = world.forge.edit_comment

    def refused(id_: str, body: str) -> bool:
        if "reads the change" in body:
            raise error("No.", "Wait.")
        return edit(id_, body)

    world.forge.edit_comment = refused  # type: ignore[method-assign]

    assert world.job().outcome is Outcome.APPROVED
    assert "✅ Approved in round 2" in shown(world)


def test_a_comment_that_a_person_deleted_is_made_once_when_the_round_is_over(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.job()
    world.forge.pulls[0].comments.clear()

    world.job()

    assert "✅ Approved in round 2" in shown(world)
