"""Which loops the sweep looks after, and what it says of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.builders import after, awaiting_review, awaiting_work, halted

from loop_kit.core.ci.sweeping import (
    KEPT_SEC,
    PATIENCE_SEC,
    Did,
    Glance,
    Need,
    Row,
    Swept,
    due,
    may_be_deleted,
    need,
    result,
    situation,
    summary,
    totals,
)
from loop_kit.core.loop.state import (
    Lease,
    LoopState,
    OutboxItem,
    Outcome,
    Phase,
)

PENDING = (OutboxItem(key="labels"),)
POSTED = (OutboxItem(key="labels", status="done"),)
STOPPED = {"state": Phase.DONE, "outcome": Outcome.WORKER_TIMEOUT}
WAITS = {**STOPPED, "resume_phase": Phase.AWAITING_WORK}


def glance(
    state: LoopState, age: float = PATIENCE_SEC + 1, task_id: str = "T-001", *, inbox: bool = False
) -> Glance:
    return Glance(task_id, "f" * 40, state, age, has_inbox=inbox)


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
    assert not may_be_deleted(glance(loop(**STOPPED), -365 * 24 * 3600))


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
    assert may_be_deleted(glance(over, KEPT_SEC + 1))
    assert not may_be_deleted(glance(over, KEPT_SEC))
    assert not may_be_deleted(glance(awaiting_work(), KEPT_SEC * 2))
    paused = loop(state=Phase.PAUSED, resume_phase=Phase.AWAITING_WORK)
    assert not may_be_deleted(glance(paused, KEPT_SEC * 2))


def test_the_situation_names_the_run_that_has_the_loop() -> None:
    held = loop(lease=Lease(holder="h", run_id="77"))
    assert situation(glance(held)) == "round 1, awaiting_work: run 77 has it"
    assert situation(glance(awaiting_work())) == "round 1, awaiting_work: its job was lost"
    done = loop(**{**WAITS, "outbox": PENDING})
    assert situation(glance(done)) == "worker_timeout: 1 post(s) outstanding"
    assert situation(glance(loop(**WAITS), inbox=True)).endswith("something is in its inbox")
    assert situation(glance(loop(**WAITS))) == "worker_timeout"


@pytest.mark.parametrize(
    ("wanted", "fields", "did"),
    [
        (Need.JOB, {}, Did.DISPATCHED),
        (Need.COMMANDS, {}, Did.DISPATCHED),
        (Need.JOB, WAITS, Did.HANDED),
        (Need.POSTS, WAITS, Did.POSTED),
        (Need.POSTS, {**WAITS, "outbox": PENDING}, Did.LEFT),
        (Need.COMMANDS, WAITS, Did.HEEDED),
    ],
)
def test_what_was_done_follows_from_how_the_loop_stands_then(
    wanted: Need, fields: dict[str, Any], did: Did
) -> None:
    row = result("T-001", "x", wanted, loop(**fields))
    assert (row.task_id, row.did) == ("T-001", did)
    assert row.said


def test_the_totals_count_each_loop_once() -> None:
    rows = (
        Row("A", "x", Did.DISPATCHED, "."),
        Row("B", "x", Did.LEFT, "."),
        Row("B", "x", Did.DELETED, "."),
    )
    said = totals(Swept(9, rows, left=2))
    assert said == (
        "9 loops: 1 dispatched, 1 deleted, 1 left alone, 2 left for the next sweep, 5 need nothing."
    )
    assert totals(Swept(1, rows[:1])) == "1 loop: 1 dispatched."
    assert totals(Swept(0, ())) == "There is no loop."


def test_nothing_that_a_state_says_breaks_out_of_the_table() -> None:
    evil = "a | b\n## pwned <img src=x> @mona fixes #1"
    shown = summary(Swept(1, (Row("A", evil, Did.FAILED, evil),)))
    row = shown.splitlines()[-1]
    assert row.startswith("| `A` |")
    assert row.count("|") - row.count("\\|") == 5
    assert "<img" not in shown
    assert "\n## pwned" not in shown
    assert " @mona" not in shown


def test_a_table_of_very_many_loops_is_cut_and_says_so() -> None:
    rows = tuple(Row(f"T-{n}", "x" * 400, Did.LEFT, "y" * 400) for n in range(1500))
    shown = summary(Swept(1500, rows))
    assert "1300 more are in the log." in shown
    assert len(shown) < 1_000_000
