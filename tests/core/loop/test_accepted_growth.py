"""A size that a person has found right is not asked about again until the change grows further."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import (
    Commanded,
    ReviewReported,
    WorkReported,
)
from loop_kit.core.loop.rules.settings import Rules
from loop_kit.core.loop.state import Growth, Limits, LoopState

ISSUE = ReportedIssue(file="a.py", line=7, reason="double triples its argument", scenario="d(2)")


def reviewed(state: LoopState, source: int) -> LoopState:
    """The state after a round that leaves F1 as it is, and the change as large as this."""
    number = state.round
    event = b.work_reported(number, number)
    work: WorkReported = replace(event, work=replace(event.work, growth=Growth(source=source)))
    if number == 1:
        return b.after(state, work, b.rejected(1, ISSUE))
    still = b.review(
        number, "changes_required", dispositions=(b.said("F1", "not_fixed", "it triples"),)
    )
    return b.after(state, work, ReviewReported(still, at=b.AT))


def stopped() -> LoopState:
    """A loop that a person is asked about: 500 lines after 100, and simplifying changed nothing."""
    rules = Rules.model_validate({"stalled": {"enabled": False}})
    state = b.awaiting_work(Limits(max_rounds=20, rules=rules))
    for source in (100, 500, 500):
        state = reviewed(state, source)
    assert state.reasons == ("diff_growth",)
    return state


def commanded(state: LoopState, comment: int, verb: str) -> LoopState:
    card = b.card() if verb == "refresh" else None
    command = Command.model_validate({"comment": comment, "verb": verb, "card": card})
    return b.after(state, Commanded(command, b.LATER))


@pytest.mark.parametrize(("source", "asked"), [(500, False), (550, False), (551, True)])
def test_who_continues_a_loop_that_has_grown_finds_its_size_right(source: int, asked: bool) -> None:
    after = reviewed(commanded(stopped(), 1, "retry"), source)

    assert after.is_running
    assert after.simplify is asked
    (note,) = [each.text for each in after.history[-1].rules if each.rule == "diff_growth"]
    assert ("a person found 500 and 0 right" in note) is not asked


def test_a_size_stays_right_when_the_loop_stops_for_something_else() -> None:
    again = commanded(commanded(commanded(stopped(), 1, "retry"), 2, "stop"), 3, "retry")

    assert not reviewed(again, 500).simplify


def test_who_narrows_the_card_has_the_change_simplified_to_it() -> None:
    again = commanded(commanded(stopped(), 1, "refresh"), 2, "retry")

    assert again.simplify
    assert reviewed(again, 500).reasons == ("diff_growth",)
    assert not reviewed(again, 300).simplify
