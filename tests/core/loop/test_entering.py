"""What a run does on entering a loop, as the events that happen to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.core import builders as b

from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.effects import (
    Stop,
)
from loop_kit.core.loop.entering import Entry, Start, begin, push_during_attempt, resume
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.messages import (
    Commanded,
    Halted,
    LeaseTaken,
    LoopResumed,
    TaskStarted,
)
from loop_kit.core.loop.state import Lease, Limits, LoopState, Outcome, Phase
from loop_kit.errors import StateRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

LEASE = Lease(holder="holder-2")
CANCELLED = Stop(Outcome.CANCELLED, "The issue #3 was closed.", ("issue_closed",))


def start(**changes: object) -> Start:
    card = b.card()
    asked = Start(card, b.START, b.START, Limits(), fresh=False, lease=LEASE, starter="mona")
    return replace(asked, **changes)  # type: ignore[arg-type]


def enter(
    recorded: LoopState,
    asked: Start | None = None,
    *,
    tip: str | None = None,
    commands: Iterable[Command] = (),
    cancelled: Stop | None = None,
) -> Entry:
    recorded = recorded.model_copy(update={"card_sha256": b.card().sha256})
    where = recorded.branch_tip if tip is None else tip
    return resume(asked or start(), recorded, where, commands, b.LATER, cancelled)


def kinds(entry: Entry) -> list[type]:
    return [type(step.event) for step in entry.steps]


def after(entry: Entry) -> LoopState:
    return entry.steps[-1].after if entry.steps else entry.found


def command(verb: str, number: int = 1) -> Command:
    return Command.model_validate({"comment": number, "verb": verb, "by": "octo"})


def stopped(outcome: Outcome = Outcome.WORKER_TIMEOUT) -> LoopState:
    return b.after(b.awaiting_review(), b.halted(outcome))


def paused() -> LoopState:
    return transition(b.awaiting_review(), Commanded(command("pause", 9), b.AT))


def test_every_step_holds_the_state_after_its_event() -> None:
    entry = enter(stopped(), commands=[command("extend")])
    state = entry.found
    for step in entry.steps:
        state = transition(state, step.event)
        assert step.after == state


@pytest.mark.parametrize("lease", [LEASE, None], ids=["in CI", "local"])
def test_a_loop_that_is_begun_counts_its_steps_on_from_what_was_there(lease: Lease | None) -> None:
    entry = begin(start(fresh=True, lease=lease), LoopState(seq=7), b.AT)
    assert kinds(entry) == [*([LeaseTaken] if lease else []), TaskStarted]
    assert (after(entry).seq, after(entry).state) == (7 + len(entry.steps), Phase.AWAITING_WORK)


def test_nothing_recorded_cannot_be_continued() -> None:
    with pytest.raises(StateRefused, match="no recorded loop"):
        begin(start(), None, b.AT)


@pytest.mark.parametrize("recorded", [stopped(), b.awaiting_work()], ids=["stopped", "running"])
def test_a_stopped_and_a_running_loop_are_resumed_by_whoever_started_this_run(
    recorded: LoopState,
) -> None:
    entry = enter(recorded)
    assert kinds(entry) == [LeaseTaken, LoopResumed]
    assert (after(entry).is_running, after(entry).starter) == (True, "mona")
    assert entry.pushes_work


def test_an_approved_loop_is_left_alone() -> None:
    approved = b.after(b.awaiting_review(), b.approved(1))
    assert enter(approved).steps == ()
    asked = start(command=command("extend"))
    assert kinds(enter(approved, asked)) == [LeaseTaken, Commanded]


def test_a_paused_loop_continues_by_command_or_on_a_laptop() -> None:
    assert kinds(enter(paused())) == [LeaseTaken]
    assert after(enter(paused(), start(command=command("resume")))).is_running
    assert after(enter(paused(), start(lease=None))).is_running


def test_a_run_that_retries_nothing_leaves_a_stopped_loop_stopped() -> None:
    assert kinds(enter(stopped(), start(retries=False))) == [LeaseTaken]


def test_commands_that_wait_come_before_the_decision_whether_to_continue() -> None:
    entry = enter(b.awaiting_work(), commands=[command("pause")])
    assert kinds(entry) == [LeaseTaken, Commanded]
    assert after(entry).state is Phase.PAUSED


@pytest.mark.parametrize("recorded", [stopped(), b.awaiting_review()], ids=["stopped", "running"])
def test_a_push_by_a_person_stops_the_loop_once_and_is_accepted_the_second_time(
    recorded: LoopState,
) -> None:
    first = after(enter(recorded, tip=b.sha(9)))
    assert (first.outcome, first.reasons) == (Outcome.NEEDS_HUMAN, ("human_push",))
    assert b.sha(9)[:10] in first.error

    second = after(enter(first, tip=b.sha(9)))
    assert (second.is_running, second.head_sha) == (True, b.sha(9))


def test_a_push_to_a_loop_that_is_not_continued_is_left_where_it_is() -> None:
    entry = enter(paused(), tip=b.sha(9))
    assert (kinds(entry), entry.pushes_work) == ([LeaseTaken], False)


def test_a_deleted_work_branch_stops_the_loop_with_a_way_to_restore_it() -> None:
    entry = enter(b.awaiting_review(), tip="")
    state = after(entry)
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("human_push",))
    assert f"git push origin {b.sha(1)}:refs/heads/loop/T-001/work" in state.error
    assert not entry.pushes_work


def test_a_deleted_work_branch_of_a_closed_issue_cancels_the_loop() -> None:
    entry = enter(b.awaiting_review(), tip="", cancelled=CANCELLED)
    state = after(entry)
    assert (state.outcome, state.reasons) == (Outcome.CANCELLED, ("issue_closed",))
    assert not entry.pushes_work


def test_a_work_branch_without_commits_was_never_there_to_be_deleted() -> None:
    assert after(enter(b.awaiting_work(), tip="")).is_running


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"outcome": None}, "cannot be continued: it is done without an outcome"),
        ({"task_id": "T-002"}, "The recorded loop is T-002, the card is T-001"),
    ],
)
def test_a_state_that_contradicts_itself_or_the_card_is_refused(
    change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(StateRefused, match=sentence):
        enter(stopped().model_copy(update=change))


def test_another_card_than_the_recorded_one_is_refused() -> None:
    with pytest.raises(StateRefused, match="not the one that the loop was started with"):
        resume(start(), stopped(), b.sha(1), (), b.LATER)


def test_a_push_during_an_attempt_stops_the_loop_and_names_the_branch_of_its_commits() -> None:
    entry = push_during_attempt(b.awaiting_review(), "loop/T-001/held-1", b.LATER)
    assert kinds(entry) == [Halted]
    assert after(entry).reasons == ("human_push",)
    assert "loop/T-001/held-1" in after(entry).error


def test_a_push_during_an_attempt_that_stopped_the_loop_takes_the_place_of_that_reason() -> None:
    more = transition(stopped(), Commanded(command("extend", 3), b.AT))
    entry = push_during_attempt(more, "held", b.LATER)
    assert kinds(entry) == [LoopResumed, Halted]
    assert after(entry).limits == more.limits


def test_a_push_during_the_last_attempt_of_an_approved_loop_is_only_warned_of() -> None:
    entry = push_during_attempt(b.after(b.awaiting_review(), b.approved(1)), "held", b.LATER)
    assert entry.steps == ()
    assert "held" in (entry.warning or "")
