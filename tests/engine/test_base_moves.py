"""Others move the base branch on while a loop runs."""

from __future__ import annotations

import pytest
from tests.engine.world import BLOCKER, World, approval
from tests.fakes import Act

from loop_kit.core.loop.state import LoopState, Outcome, Role
from loop_kit.ports import Assignment, Comparison


@pytest.fixture
def moved(world: World) -> str:
    """The commit that the base branch is at since the loop began."""
    world.base_branch.tips["main"] = world.base
    return world.repository.commit(world.base, {"a.py": b"old\n", "theirs.py": b"x\n"}, "Theirs")


def move(world: World, tip: str) -> None:
    """Move the base branch before round 2; the work merges with it."""
    first = world.job()
    world.base_branch.tips["main"] = tip
    world.base_branch.comparisons[tip, first.head_sha] = Comparison(world.base)


def test_the_base_branch_is_looked_at_before_each_round(world: World, moved: str) -> None:
    move(world, moved)
    last = world.to_the_end()

    assert last.outcome is Outcome.APPROVED
    (compared,) = world.base_branch.compared
    assert compared == (moved, last.history[0].head_sha)
    assert (last.base.tip, last.compared_with) == (moved, world.base)


def test_a_base_branch_that_did_not_move_is_compared_with_nothing(world: World) -> None:
    world.base_branch.tips["main"] = world.base
    world.to_the_end()

    assert world.base_branch.compared == []


def test_a_round_begins_although_nobody_knows_the_base_branch(world: World) -> None:
    world.base_branch.down = True
    last = world.to_the_end()

    assert last.outcome is Outcome.APPROVED
    assert last.compared_with == world.base
    assert any("still merges with main" in line for line in world.reporter.warnings)


def push(world: World, stopped: LoopState, tree: dict[str, bytes]) -> str:
    """A person updates the branch: their merge holds what others did."""
    head = world.repository.commit(stopped.head_sha, tree, "Merge main")
    world.server.work_tip = head
    return head


def test_what_a_person_merged_is_not_counted_as_the_loops_own(world: World, moved: str) -> None:
    """After "Update branch" the review, the size and the place of a finding leave it out."""
    requests = []

    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER:
            return Act({}, {f"a{job.round}.py": b"work\n"}, commit="Work")
        requests.append((job.base_sha, job.prompt))
        if len(requests) == 1:
            return Act({"decision": "changes_required", "blocking_issues": [BLOCKER]})
        return approval(job)

    world.script = script
    first = world.job()
    head = push(world, first, {"a.py": b"old\n", "theirs.py": b"x\n", "a1.py": b"work\n"})
    assert world.job().reasons == ("human_push",)
    world.base_branch.tips["main"] = moved
    world.base_branch.comparisons[moved, head] = Comparison(moved)
    last = world.to_the_end()

    assert last.outcome is Outcome.APPROVED
    assert (last.base_sha, last.diff_base) == (world.base, moved)
    base, prompt = requests[-1]
    assert base == moved
    assert "theirs.py" not in prompt.split("### The change")[1]
    assert [record.growth.source for record in last.history if record.growth] == [1, 2]
