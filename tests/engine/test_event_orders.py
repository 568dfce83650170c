"""What people do while an approval waits for its checks, in any order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.engine.test_checks import at_once, state_of
from tests.engine.world import World

from loop_kit.core.loop.commands import Command, Verb
from loop_kit.core.loop.state import LoopState, Outcome, Role, Source
from loop_kit.ports import PushRejected


def hold(world: World) -> None:
    """Let the approval of round 1 wait for a check."""
    world.limits = world.limits.model_copy(update={"checks": "findings", "max_rounds": 4})
    world.forge.me, world.watched, world.script = "loop-app[bot]", True, at_once
    world.forge.every_commit = (state_of("lint", "pending"),)
    assert world.job().waiting_for == ("lint",)


@pytest.fixture
def held(world: World) -> World:
    """A loop whose approval of round 1 waits for a check."""
    hold(world)
    return world


def pass_checks(world: World) -> LoopState:
    world.forge.every_commit = (state_of("lint", "passed"),)
    return world.job()


@pytest.mark.parametrize("rewrites", [False, True], ids=["push", "force push"])
def test_commits_that_were_pushed_while_it_waits_are_not_approved_by_the_checks_of_others(
    held: World, *, rewrites: bool
) -> None:
    state = held.load()
    assert state is not None
    parent = held.base if rewrites else state.head_sha
    pushed = held.repository.commit(parent, {"a1.py": b"work\n", "b.py": b"x\n"}, "Theirs")
    held.server.work_tip = pushed

    stopped = pass_checks(held)

    assert (stopped.outcome, stopped.reasons) == (Outcome.NEEDS_HUMAN, ("human_push",))
    assert held.forge.pulls[0].draft
    accepted = held.job()
    assert (accepted.outcome, accepted.head_sha) == (Outcome.APPROVED, pushed)
    assert (held.asked(Role.WORKER), held.asked(Role.REVIEWER)) == ([1], [1, 1])


def test_a_pull_request_that_was_closed_and_opened_again_keeps_its_approval(held: World) -> None:
    (pull,) = held.forge.pulls
    pull.close()
    closed = pass_checks(held)
    assert (closed.outcome, closed.reasons) == (Outcome.CANCELLED, ("pull_request_closed",))
    pull.is_open = True

    again = held.job()

    assert (again.outcome, pull.draft, len(held.jobs)) == (Outcome.APPROVED, False, 2)


def test_a_pull_request_that_people_or_a_merge_queue_merged_meanwhile_is_left_alone(
    held: World,
) -> None:
    held.forge.pulls[0].close(merged=True)

    ended = pass_checks(held)

    assert (ended.outcome, ended.reasons) == (Outcome.CANCELLED, ("pull_request_merged",))


@pytest.mark.parametrize("is_draft", [False, True])
def test_whether_a_person_made_it_a_draft_meanwhile_changes_nothing(
    held: World, *, is_draft: bool
) -> None:
    held.forge.pulls[0].draft = is_draft

    assert pass_checks(held).outcome is Outcome.APPROVED
    assert not held.forge.pulls[0].draft


def test_a_label_that_is_taken_off_while_it_waits_ends_the_loop(world: World) -> None:
    issue = world.forge.open_issue("It works", "", "loop")
    start = world.start
    source = Source(kind="issue", ref=str(issue.number), label="loop")
    world.start = lambda: replace(start(), source=source)  # type: ignore[method-assign]
    hold(world)
    issue.labels.clear()

    ended = pass_checks(world)

    assert (ended.outcome, ended.reasons) == (Outcome.CANCELLED, ("label_removed",))


def test_a_card_that_changes_while_it_waits_is_reviewed_before_its_checks_approve(
    held: World,
) -> None:
    wanted = held.card.model_copy(update={"goal": "It works twice"})
    start, refresh = held.start, Command(verb="refresh", by="mona", comment=5, card=wanted)
    held.start = lambda: replace(start(), command=refresh)  # type: ignore[method-assign]

    state = pass_checks(held)

    assert (state.outcome, state.card_sha256) == (Outcome.APPROVED, wanted.sha256)
    assert (held.asked(Role.WORKER), held.asked(Role.REVIEWER)) == ([1], [1, 1])
    assert "It works twice" in held.jobs[-1].prompt
    assert held.posted() == ["<!-- loop-kit:T-001:review-r1 -->"] * 2


def test_what_a_person_wants_changed_does_not_wait_for_the_checks(held: World) -> None:
    held.forge.writers.add("mona")
    held.forge.review(1, "mona", "Not yet", "changes_requested")

    state = held.job()

    assert (state.state, state.round, state.waiting_for) == ("awaiting_work", 2, ())
    assert len(held.forge.dispatches) == 1


@pytest.mark.parametrize(("verb", "again"), [("pause", "resume"), ("stop", "retry")])
def test_a_command_while_it_waits_keeps_the_approval_and_what_continues_it_decides(
    held: World, verb: Verb, again: Verb
) -> None:
    start = held.start

    def command(verb: Verb, number: int) -> LoopState:
        asked = Command(verb=verb, by="mona", comment=number)
        held.start = lambda: replace(start(), command=asked)  # type: ignore[method-assign]
        return pass_checks(held)

    stopped = command(verb, 5)
    assert (stopped.is_running, held.forge.pulls[0].draft) == (False, True)
    ended = command(again, 6)

    assert (ended.outcome, len(held.jobs)) == (Outcome.APPROVED, 2)
    assert not held.forge.pulls[0].draft


def test_two_runs_that_end_a_wait_at_once_approve_and_post_once(held: World) -> None:
    held.forge.every_commit = (state_of("lint", "passed"),)
    first, second = held.engine(), held.engine()
    loaded = [(held.start(), first._store.load()), (held.start(), second._store.load())]
    first.begin(*loaded[0])
    second.begin(*loaded[1])
    first.run(last_round=1)
    first.hand_over(held.forge, None)

    with pytest.raises(PushRejected):
        second.run(last_round=1)

    assert held.posted() == ["<!-- loop-kit:T-001:review-r1 -->"]
    assert len(held.commented()) == 1
