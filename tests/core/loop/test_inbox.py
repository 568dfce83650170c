"""What a command does to a loop in each of its phases, and that none is done twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.core import builders as b

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.budget import Budget
from loop_kit.core.loop.commands import MAX_FILE_BYTES, VERBS, Command, parse_inbox_file
from loop_kit.core.loop.effects import (
    Stop,
)
from loop_kit.core.loop.machine import outstanding, transition
from loop_kit.core.loop.messages import (
    Commanded,
    Halted,
    LeaseTaken,
    LoopResumed,
)
from loop_kit.core.loop.resuming import operator_limits
from loop_kit.core.loop.state import Lease, Limits, LoopState, Outcome, Phase, Role, Usage


def command(verb: str, comment: int = 1, **more: Any) -> Command:
    return Command.model_validate(
        {"comment": comment, "verb": verb, "by": "mona", "at": b.AT, **more}
    )


def commanded(state: LoopState, verb: str, comment: int = 1, **more: Any) -> LoopState:
    return transition(state, Commanded(command(verb, comment, **more), b.LATER))


def failed() -> LoopState:
    return transition(b.awaiting_work(), b.halted(Outcome.WORKER_TIMEOUT))


@pytest.mark.parametrize("state", [b.awaiting_work(), b.awaiting_review()], ids=["work", "review"])
def test_a_paused_loop_asks_for_nothing_and_resumes_where_it_was(state: LoopState) -> None:
    paused = commanded(state, "pause")
    assert (paused.state, paused.resume_phase) == (Phase.PAUSED, state.state)
    assert outstanding(paused) is None

    again = commanded(paused, "resume", 2)
    assert (again.state, again.resume_phase) == (state.state, None)
    assert outstanding(again) == outstanding(state)


def test_stop_ends_a_running_or_paused_loop_and_retry_continues_it() -> None:
    for state in (b.awaiting_review(), commanded(b.awaiting_review(), "pause", 9)):
        stopped = commanded(state, "stop")
        assert (stopped.state, stopped.outcome) == (Phase.DONE, Outcome.CANCELLED)
        assert "mona" in stopped.error
        assert commanded(stopped, "retry", 2).state is Phase.AWAITING_REVIEW


@pytest.mark.parametrize("verb", ["retry", "resume"])
def test_a_failed_loop_continues_by_retry_and_by_resume(verb: str) -> None:
    again = commanded(failed(), verb)
    assert (again.state, again.outcome, again.error) == (Phase.AWAITING_WORK, None, "")


def test_whoever_has_a_loop_go_on_answers_for_it_from_then_on() -> None:
    state = failed().model_copy(update={"starter": "long-gone"})
    assert commanded(state, "retry").starter == "mona"
    assert commanded(state, "pause").starter == "long-gone"
    resumed = LoopResumed(state.limits, b.LATER, starter="hubot")
    assert transition(state, resumed).starter == "hubot"
    assert transition(state, b.resumed()).starter == "long-gone"


@pytest.mark.parametrize("verb", VERBS)
def test_no_command_brings_an_approved_loop_back(verb: str) -> None:
    approved = transition(b.awaiting_review(), b.approved(1))
    after = commanded(approved, verb, rounds=2)
    assert (after.state, after.outcome) == (Phase.DONE, Outcome.APPROVED)
    assert after.handled_commands == (1,)


def test_extend_continues_only_what_had_used_up_its_rounds() -> None:
    used_up = b.after(b.awaiting_review(Limits(max_rounds=1)), b.rejected(1))
    assert used_up.outcome is Outcome.MAX_ROUNDS_EXHAUSTED

    again = commanded(used_up, "extend", rounds=2)

    assert (again.state, again.limits.max_rounds, again.added_rounds) == (Phase.AWAITING_WORK, 3, 2)
    assert commanded(failed(), "extend", rounds=2).state is Phase.DONE


def test_what_was_added_outlives_the_limits_of_the_next_job() -> None:
    more = commanded(b.awaiting_work(), "extend", rounds=2)
    after = transition(more, LoopResumed(Limits(max_rounds=3, max_dispatches=5), b.LATER))
    assert (after.limits.max_rounds, after.limits.max_dispatches) == (5, 7)
    again = transition(after, LoopResumed(Limits(max_rounds=3, max_dispatches=5), b.LATER))
    assert again.limits == after.limits


def out_of_money(ceiling: float | None = None) -> LoopState:
    """Stopped by its budget of 1 USD, of which 1.20 USD are used."""
    given = Limits(max_cost_usd=1.0, max_cost_usd_ceiling=ceiling)
    spent = b.awaiting_work(given).model_copy(update={"usage": Usage(cost_usd=1.2)})
    used_up = Stop(Outcome.NEEDS_HUMAN, "1.20 of 1.00 USD are used.", ("budget",))
    assert outstanding(spent) == used_up
    return transition(spent, Halted(used_up.outcome, used_up.error, b.LATER, used_up.reasons))


def test_a_budget_continues_only_what_had_used_it_up() -> None:
    again = commanded(out_of_money(), "budget", budget=Budget(cost_usd=2))

    assert (again.state, again.limits.max_cost_usd) == (Phase.AWAITING_WORK, 3.0)
    assert not isinstance(outstanding(again), Stop)
    assert commanded(failed(), "budget", budget=Budget(cost_usd=2)).state is Phase.DONE


def test_a_budget_is_added_up_to_the_ceiling_and_outlives_the_next_job() -> None:
    more = commanded(out_of_money(ceiling=1.5), "budget", budget=Budget(cost_usd=2))
    assert (more.limits.max_cost_usd, more.added_budget.cost_usd) == (1.5, 0.5)

    same = Limits(max_cost_usd=1.0, max_cost_usd_ceiling=1.5)
    after = transition(more, LoopResumed(same, b.LATER))
    assert after.limits.max_cost_usd == 1.5
    assert operator_limits(after) == same


def test_a_budget_for_what_has_no_limit_sets_none() -> None:
    after = commanded(b.awaiting_work(), "budget", budget=Budget(tokens=9))
    assert (after.limits.max_tokens, after.added_budget) == (None, Budget())


def test_a_command_is_carried_out_once() -> None:
    once = commanded(b.awaiting_work(), "extend", rounds=2)
    twice = commanded(once, "extend", rounds=2)
    assert (twice.limits, twice.added_rounds) == (once.limits, once.added_rounds)


def test_a_refresh_takes_the_new_card_and_verifies_again() -> None:
    card = TaskCard(task_id=b.TASK, goal="Another")
    before = b.awaiting_work(verify=("make test",))
    before = before.model_copy(update={"baseline": b.verified(0)})
    after = commanded(before, "refresh", card=card, verify=("make check",))
    assert (after.card_sha256, after.verify) == (card.sha256, ("make check",))
    assert after.baseline is None

    same = commanded(before, "refresh", card=card, verify=("make test",))
    assert same.baseline == b.verified(0)


def test_a_refresh_with_the_card_of_another_loop_changes_nothing() -> None:
    card = TaskCard(task_id="T-666", goal="Another")
    before = b.awaiting_work()
    assert commanded(before, "refresh", card=card).card_sha256 == before.card_sha256


def lost(state: LoopState, times: int) -> LoopState:
    """Taken over from `times` runs that died without a word."""
    for number in range(times + 1):
        state = transition(state, LeaseTaken(Lease(holder=f"h{number}")))
        state = transition(state, LoopResumed(state.limits, b.LATER))
        if state.is_running:
            state = transition(state, b.attempted(Role.WORKER))
    return state


def test_the_third_run_of_an_agent_that_kills_its_runs_is_not_paid_for() -> None:
    assert lost(b.awaiting_work(), 1).is_running
    dead = lost(b.awaiting_work(), 2)
    assert dead.outcome is Outcome.WORKER_DISPATCH_FAILED
    assert "2 runs died" in dead.error
    assert commanded(dead, "retry").is_running


def test_asking_for_the_status_changes_nothing() -> None:
    before = b.awaiting_work()
    after = commanded(before, "status")
    assert after == before.model_copy(update={"seq": after.seq, "handled_commands": (1,)})


def test_a_file_of_the_inbox_is_read_as_it_was_written_before() -> None:
    old = b"""{
  "comment": 492700400,
  "verb": "refresh",
  "by": "mona",
  "at": "2026-01-02T03:04:05Z",
  "card": {"task_id": "T-001", "goal": "add is right"},
  "verify": ["make test"]
}
"""
    found = parse_inbox_file(old)
    assert found == command(
        "refresh",
        492700400,
        at="2026-01-02T03:04:05Z",
        card=TaskCard(task_id="T-001", goal="add is right"),
        verify=("make test",),
    )


def test_a_bus_file_that_is_no_command_is_none() -> None:
    good = command("extend", rounds=3)
    assert parse_inbox_file(good.to_json()) == good
    assert good.path == "inbox/1.json"
    for wrong in (
        {"verb": "rm -rf"},
        {"rounds": 21},
        {"rounds": -1},
        {"comment": 0},
        {"by": "x" * 101},
        {"shell": "true"},
    ):
        assert (
            parse_inbox_file(json.dumps({**json.loads(good.to_json()), **wrong}).encode()) is None
        )
    for raw in (b"", b"null", b"[" * 100_000, b"\xff", b" " * (MAX_FILE_BYTES + 1)):
        assert parse_inbox_file(raw) is None
