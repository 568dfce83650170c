"""Commands that wait in the inbox are read before each spend, whenever they arrive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.state import Outcome, Phase, Role, Source

if TYPE_CHECKING:
    from tests.engine.world import World
    from tests.fakes import MemoryIssue

    from loop_kit.engine import Engine


def drop(world: World, verb: str, comment: int = 1, **more: Any) -> None:
    command = Command.model_validate({"comment": comment, "verb": verb, "by": "mona", **more})
    world.server.files[command.path] = command.to_json()


def inbox(world: World) -> list[str]:
    return [name for name in world.server.files if name.startswith("inbox/")]


def test_a_command_between_two_rounds_is_read_before_the_next_agent_is_paid(world: World) -> None:
    world.job()
    paid = len(world.jobs)
    drop(world, "pause")

    state = world.job()

    assert (state.state, len(world.jobs), inbox(world)) == (Phase.PAUSED, paid, [])
    assert state.continue_to is None


def test_commands_are_carried_out_in_the_order_of_their_comments(world: World) -> None:
    world.job()
    drop(world, "resume", 10)
    drop(world, "pause", 9)

    assert world.job().outcome is Outcome.APPROVED


def test_a_file_in_the_inbox_that_is_no_command_is_left_alone(world: World) -> None:
    world.job()
    world.server.files["inbox/evil.json"] = b'{"verb": "rm"}'

    assert world.job().outcome is Outcome.APPROVED
    assert inbox(world) == ["inbox/evil.json"]


def test_a_command_after_the_last_sync_is_carried_out_before_the_next_job_is_dispatched(
    world: World,
) -> None:
    engine = world.engine()
    state = engine.begin(world.start(), world.load())
    engine.run(last_round=state.round)
    drop(world, "stop")

    state = engine.hand_over(world.forge, None)

    assert (state.outcome, state.lease) == (Outcome.CANCELLED, None)
    assert world.server.files.keys() & {"inbox/1.json"} == set()


def started_from_an_issue(world: World) -> tuple[Engine, MemoryIssue]:
    """A loop that a label on an issue asked for, before its first agent."""
    world.watched = True
    issue = world.forge.open_issue("Two bugs", "", "loop")
    source = Source(kind="issue", ref=str(issue.number), label="loop")
    engine = world.engine()
    engine.begin(replace(world.start(), source=source), world.load())
    return engine, issue


def test_a_label_that_was_taken_off_is_seen_before_an_agent_is_paid(world: World) -> None:
    engine, issue = started_from_an_issue(world)
    issue.labels.clear()

    state = engine.run(last_round=1)

    assert (state.outcome, state.reasons) == (Outcome.CANCELLED, ("label_removed",))
    assert "label 'loop' was removed" in state.error
    assert world.asked(Role.WORKER) == []


def test_an_issue_that_was_closed_is_seen_before_an_agent_is_paid(world: World) -> None:
    engine, issue = started_from_an_issue(world)
    issue.is_open = False

    state = engine.run(last_round=1)

    assert (state.outcome, state.reasons) == (Outcome.CANCELLED, ("issue_closed",))
    assert world.asked(Role.WORKER) == []


@pytest.mark.parametrize(
    ("merged", "reason"), [(True, "pull_request_merged"), (False, "pull_request_closed")]
)
def test_a_pull_request_that_was_closed_or_merged_ends_the_loop_before_its_next_round(
    world: World, merged: bool, reason: str
) -> None:
    world.watched = True
    world.job()
    world.forge.pulls[0].close(merged=merged)

    state = world.job()

    assert (state.outcome, state.reasons) == (Outcome.CANCELLED, (reason,))
    assert world.asked(Role.WORKER) == [1]
