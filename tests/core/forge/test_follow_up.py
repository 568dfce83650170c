"""The issue with what an approved loop leaves for later: each finding as it was raised."""

from __future__ import annotations

from tests.core import builders as b
from tests.core.github_markdown import live

from loop_kit.core.forge.follow_up import follow_up_body, follow_up_title
from loop_kit.core.forge.status import status_comment
from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.outbox import FOLLOW_UP
from loop_kit.core.loop.state import LoopState, OutboxItem, Outcome
from loop_kit.core.text.sanitize import MAX_BODY

HOSTILE = "@octocat fixes #1 ![x](http://e.test/x.png) <img src=y> <!-- z --> \u202e"
LATER = Finding(
    id="F2", round=2, blocking=False, file="calc.py", line=1, reason="no docstring",
    scenario="help() says nothing", below="on an old line", provenance="pre-existing",
)  # fmt: skip


def approved(*findings: Finding, pull: int | None = 8) -> LoopState:
    state = b.after(b.awaiting_review(), b.approved(1))
    return state.model_copy(update={"findings": findings, "pull_request": pull})


def test_it_holds_each_finding_for_later_and_none_that_was_fixed() -> None:
    fixed = LATER.model_copy(update={"id": "F1", "status": "fixed", "closed_round": 1})
    state = approved(fixed, LATER)
    assert follow_up_title(state) == "1 finding for later, from the review loop T-001"
    body = follow_up_body(state)
    assert body.startswith("<!-- loop-kit:T-001:follow-up -->\n")
    for text in (
        "approved #8 at `0000000000`",
        "**F2** medium `calc.py:1`: no docstring",
        "Fails when: help() says nothing",
        "On a line that was there before this loop. It does not block: on an old line.",
    ):
        assert text in body
    assert "F1" not in body


def test_hostile_findings_do_nothing_in_it() -> None:
    hostile = LATER.model_copy(update={"reason": HOSTILE, "scenario": HOSTILE, "below": HOSTILE})
    state = approved(*[hostile.model_copy(update={"id": f"F{n}"}) for n in range(200)], pull=None)
    body = follow_up_body(state)
    assert live(body.partition("\n")[2]) == set()
    assert len(body) < MAX_BODY
    assert follow_up_title(state) == "200 findings for later, from the review loop T-001"


def test_the_final_comment_names_the_issue() -> None:
    item = OutboxItem(key=FOLLOW_UP, status="done", ref="12")
    state = approved(LATER).model_copy(update={"outbox": (item,)})
    assert state.outcome is Outcome.APPROVED
    assert "They are in #12." in status_comment(state)
    assert "They are in" not in status_comment(approved(LATER))
