"""Which loops the sweep looks after, and what it says of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.builders import after, awaiting_review, awaiting_work, halted

from loop_kit.core.ci.sweeping import (
    PATIENCE_SEC,
    RETENTION_SEC,
    Action,
    LoopSnapshot,
    Need,
    SweepReport,
    SweepRow,
    due,
    is_old_enough_to_delete,
    need,
    result,
    situation,
    summary,
    totals,
)
from loop_kit.core.loop.state import Lease, LoopState, OutboxItem, Outcome, Phase

PENDING = (OutboxItem(key="labels"),)
POSTED = (OutboxItem(key="labels", status="done"),)
STOPPED = {"state": Phase.DONE, "outcome": Outcome.WORKER_TIMEOUT}
WAITS = {**STOPPED, "resume_phase": Phase.AWAITING_WORK}


def glance(
    state: LoopState, age: float = PATIENCE_SEC + 1, task_id: str = "T-001", *, inbox: bool = False
) -> LoopSnapshot:
    return LoopSnapshot(task_id, "f" * 40, state, age, has_inbox=inbox)


def loop(**fields: Any) -> LoopState:
    return awaiting_work().model_copy(update=fields)


@pytest.mark.parametrize("state", [awaiting_work(), awaiting_review()])
def test_a_round_that_is_outstanding_needs_a_job(state: LoopState) -> None:
    assert need(glance(state)) is Need.JOB


@pytest.mark.parametrize("age", [0, PATIENCE_SEC, -PATIENCE_SEC, 30])
def test_whoever_wrote_a_moment_ago_is_not_asked_after(age: float) -> None:
    assert need(glance(awaiting_work(), age)) is Need.NOTHING


def test_a_commit_from_the_future_does_not_hide_a_loop() -> None:
    assert need(glance(awaiting_work(), -365 * 24 * 3600)) is Need.JOB
    assert not is_old_enough_to_delete(glance(loop(**STOPPED), -365 * 24 * 3600))


@pytest.mark.parametrize(
    ("fields", "inbox", "needs"),
    [
        (WAITS, False, Need.NOTHING),
        (WAITS, True, Need.COMMANDS),
        ({**WAITS, "outbox": PENDING}, False, Need.POSTS),
        ({**WAITS, "outbox": PENDING}, True, Need.POSTS),
        ({**WAITS, "outbox": POSTED}, False, Need.NOTHING),
        ({"state": Phase.DONE, "outcome": Outcome.APPROVED}, True, Need.NOTHING),
        (
            {"state": Phase.DONE, "outcome": Outcome.APPROVED, "outbox": PENDING},
            False,
            Need.POSTS,
        ),
        ({"state": Phase.PAUSED, "resume_phase": Phase.AWAITING_WORK}, False, Need.NOTHING),
        ({"state": Phase.PAUSED, "resume_phase": Phase.AWAITING_WORK}, True, Need.COMMANDS),
        (
            {"state": Phase.PAUSED, "resume_phase": Phase.AWAITING_WORK, "outbox": PENDING},
            False,
            Need.NOTHING,
        ),
        ({"state": Phase.IDLE}, True, Need.NOTHING),
    ],
)
def test_what_a_loop_that_is_not_running_waits_for(
    fields: dict[str, Any], inbox: bool, needs: Need
) -> None:
    assert need(glance(loop(**fields), inbox=inbox)) is needs


def test_the_loop_that_stands_still_for_longest_comes_first() -> None:
    ages = {"A": 700.0, "B": 9000.0, "C": 30.0, "D": 700.0}
    glances = [glance(awaiting_work(), age, name) for name, age in reversed(ages.items())]
    assert [each.task_id for each in due(glances)] == ["B", "A", "D"]


def test_only_what_is_over_for_a_month_may_be_deleted() -> None:
    over = after(awaiting_work(), halted(Outcome.CANCELLED))
    assert is_old_enough_to_delete(glance(over, RETENTION_SEC + 1))
    assert not is_old_enough_to_delete(glance(over, RETENTION_SEC))
    assert not is_old_enough_to_delete(glance(awaiting_work(), RETENTION_SEC * 2))
    paused = loop(state=Phase.PAUSED, resume_phase=Phase.AWAITING_WORK)
    assert not is_old_enough_to_delete(glance(paused, RETENTION_SEC * 2))


def test_the_situation_names_the_run_that_has_the_loop() -> None:
    held = loop(lease=Lease(holder="h", run_id="77"))
    assert situation(glance(held)) == "Round 1 of 3 · worker is next: run 77 has it"
    assert situation(glance(awaiting_work())).endswith("worker is next: its job was lost")
    done = loop(**{**WAITS, "outbox": PENDING})
    late = "Failed in round 1: the worker ran out of time"
    assert situation(glance(done)) == f"{late}: 1 post outstanding"
    assert situation(glance(loop(**WAITS), inbox=True)).endswith("something is in its inbox")
    assert situation(glance(loop(**WAITS))) == late


@pytest.mark.parametrize(
    ("wanted", "fields", "did"),
    [
        (Need.JOB, {}, Action.DISPATCHED),
        (Need.COMMANDS, {}, Action.DISPATCHED),
        (Need.JOB, WAITS, Action.HANDED),
        (Need.POSTS, WAITS, Action.POSTED),
        (Need.POSTS, {**WAITS, "outbox": PENDING}, Action.LEFT),
        (Need.COMMANDS, WAITS, Action.COMMANDED),
    ],
)
def test_what_was_done_follows_from_how_the_loop_stands_then(
    wanted: Need, fields: dict[str, Any], did: Action
) -> None:
    row = result("T-001", "x", wanted, loop(**fields))
    assert (row.task_id, row.did) == ("T-001", did)
    assert row.message


def test_the_totals_count_each_loop_once() -> None:
    rows = (
        SweepRow("A", "x", Action.DISPATCHED, "."),
        SweepRow("B", "x", Action.LEFT, "."),
        SweepRow("B", "x", Action.DELETED, "."),
    )
    said = totals(SweepReport(9, rows, left=2))
    assert said == (
        "9 loops: 1 dispatched, 1 deleted, 1 left alone, 2 left for the next sweep, 5 need nothing."
    )
    assert totals(SweepReport(1, rows[:1])) == "1 loop: 1 dispatched."
    assert totals(SweepReport(0, ())) == "There is no loop."


def test_nothing_that_a_state_says_breaks_out_of_the_table() -> None:
    evil = "a | b\n## pwned <img src=x> @mona fixes #1"
    shown = summary(SweepReport(1, (SweepRow("A", evil, Action.FAILED, evil),)))
    row = shown.splitlines()[-1]
    assert row.startswith("| `A` |")
    assert row.count("|") - row.count("\\|") == 5
    assert "<img" not in shown
    assert "\n## pwned" not in shown
    assert " @mona" not in shown


def test_a_table_of_very_many_loops_is_cut_and_says_so() -> None:
    rows = tuple(SweepRow(f"T-{n}", "x" * 400, Action.LEFT, "y" * 400) for n in range(1500))
    shown = summary(SweepReport(1500, rows))
    assert "1300 more are in the log." in shown
    assert len(shown) < 1_000_000
