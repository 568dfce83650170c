"""The backend of a fresh round is named in the note of the rule."""

from __future__ import annotations

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.messages import (
    ReviewReported,
)
from loop_kit.core.loop.rules.settings import Rules
from loop_kit.core.loop.state import Limits, LoopState
from loop_kit.errors import BadSetting
from loop_kit.settings import config_values, resolve

ISSUE = ReportedIssue(file="a.py", line=7, reason="double triples its argument", scenario="d(2)")


def reviewed(state: LoopState) -> LoopState:
    """The state after a round that has not fixed F1."""
    number = state.round
    still = b.review(number, "changes_required", dispositions=(b.said("F1", "not_fixed"),))
    return b.after(state, b.work_reported(number, number), ReviewReported(still, at=b.AT))


def stuck(backend: str) -> LoopState:
    rules = Rules.model_validate({"stalled": {"rounds": 1, "backend": backend}})
    state = b.awaiting_review(Limits(max_rounds=20, rules=rules))
    return reviewed(b.after(state, b.rejected(1, ISSUE)))


@pytest.mark.parametrize(
    ("backend", "text"),
    [("claude", "the next worker, `claude`, starts"), ("", "the next worker starts")],
)
def test_the_note_names_the_backend_of_the_fresh_round(backend: str, text: str) -> None:
    state = stuck(backend)

    assert state.fresh_round
    assert text in next(n.text for n in state.history[-1].rules if n.rule == "stalled")


def test_a_name_that_no_backend_can_have_is_refused() -> None:
    with pytest.raises(BadSetting, match="backend"):
        resolve([("config", config_values({"rules": {"stalled": {"backend": "a b"}}}, "config"))])
