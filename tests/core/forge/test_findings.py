"""Findings in posts: where they come from, whether they block, and what became of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core import builders as b
from tests.core.github_markdown import live

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.forge.findings import MAX_LATER
from loop_kit.core.forge.review import finding_comment, review_body
from loop_kit.core.forge.status import status_comment
from loop_kit.core.forge.summary import job_summary
from loop_kit.core.loop.findings import Finding, Joined
from loop_kit.core.loop.state import LoopState, Outcome, RuleNote

HOSTILE = "@octocat fixes #1 ![x](http://e.test/x.png) <img src=y> <!-- z --> \u202e"
ISSUES = (
    ReportedIssue(reason="double is wrong", file="calc.py", line=7),
    ReportedIssue(reason="no docstring", file="calc.py", line=1),
)


def rejected(*changes: dict[str, Any]) -> LoopState:
    """Round 1 sent two findings back; the nth of them has the nth changes."""
    state = b.without_rules(b.after(b.awaiting_review(), b.rejected(1, *ISSUES)))
    padded = [*changes, *[{}] * (2 - len(changes))]
    found = zip(state.findings, padded, strict=True)
    return state.model_copy(update={"findings": tuple(f.model_copy(update=c) for f, c in found)})


def review(state: LoopState, round_: int = 1) -> str:
    return review_body(state, round_, b.rejected(round_).report, f"review-r{round_}")


def folded(body: str, title: str) -> str:
    return body.partition(f"{title}</summary>")[2].partition("</details>")[0]


def lead(body: str) -> str:
    """What is not folded."""
    return body.partition("<details>")[0]


def with_rules(state: LoopState, *notes: RuleNote) -> LoopState:
    record = state.history[-1].model_copy(update={"rules": notes})
    return state.model_copy(update={"history": (*state.history[:-1], record)})


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        ("pre-existing", "On a line that was there before this loop."),
        ("first-work", "On a line of the first work."),
        ("fix-of-round-2", "On a line of the fix of round 2."),
        ("nowhere", "At no line of the reviewed code."),
    ],
)
def test_the_provenance_of_a_finding_is_in_the_review_and_on_its_line(
    provenance: str, words: str
) -> None:
    state = rejected({"provenance": provenance})
    assert words in review(state)
    assert words in finding_comment(state, state.findings[0])


def test_a_finding_of_unknown_provenance_says_nothing_of_it() -> None:
    assert "On a line" not in review(rejected())
    assert finding_comment(rejected(), rejected().findings[0]).endswith("double is wrong")


def test_a_finding_that_was_raised_again_without_its_id_is_shown_as_joined() -> None:
    state = rejected({}, {"joined": (Joined(round=3, reason="docs"),), "criterion": "C2"})
    body = review(state)
    assert "Criterion C2 is not met." in body
    assert "Raised again in round 3 without its id, joined to F2." in body


def test_who_else_than_the_reviewer_raised_a_finding_is_named() -> None:
    assert "Raised by the second reviewer." in review(rejected({"by": "second"}))
    assert "Raised by the verify commands." in review(rejected({"by": "verify"}))
    assert "Raised by" not in review(rejected())


def test_what_does_not_block_has_a_section_of_its_own_with_the_reason() -> None:
    state = rejected({}, {"blocking": False, "below": "severity medium on an old line"})
    body = review(state)
    assert "**F1** medium `calc.py:7`: double is wrong" in lead(body)
    assert "F2" not in lead(body)
    later = folded(body, "1 finding for later, which does not block")
    assert "**F2** medium `calc.py:1`: no docstring" in later
    assert "It does not block: severity medium on an old line." in later


def test_what_earlier_rounds_kept_for_later_is_not_repeated_in_each_review() -> None:
    state = b.after(rejected({}, {"blocking": False}), b.work_reported(2, 2), b.rejected(2))
    assert "F2" not in review(state, 2)


def test_a_later_round_begins_with_what_became_of_the_findings() -> None:
    disposed = (b.said("F1", "fixed"), b.said("F2", "upheld"))
    event = b.rejected(2, ReportedIssue(reason="new"), dispositions=disposed)
    state = b.after(rejected(), b.work_reported(2, 2), event)
    body = review_body(state, 2, event.report, "review-r2")
    assert body.splitlines()[3] == "F1 fixed · F2 upheld · 1 new"
    assert "- **F1** ~~double is wrong~~ · fixed" in lead(body)
    assert "F1 fixed" not in review(state)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("waived", "Does not block: waived by alice: not now"),
        ("dismissed", "Wrong: dismissed by alice: not now"),
        ("withdrawn", "Withdrawn"),
    ],
)
def test_a_finding_that_a_person_closed_is_not_called_fixed(status: str, words: str) -> None:
    closed = {"status": status, "closed_round": 1, "closed_why": ""}
    if status != "withdrawn":
        closed["closed_why"] = f"{status} by alice: not now"
    state = rejected(closed)
    comment = finding_comment(state, state.findings[0])
    assert f"**{words}** (round 1)" in comment
    assert "Fixed" not in comment
    settled = lead(review(state))
    assert f"- **F1** ~~double is wrong~~ · {closed['closed_why'] or status}" in settled


def test_a_settled_finding_says_how_and_why() -> None:
    state = rejected({"status": "fixed", "closed_round": 1, "closed_why": "double(2) is 4 now"})
    line = "- **F1** ~~double is wrong~~ · fixed: double(2) is 4 now"
    assert line in lead(review(state))


def test_what_the_rules_saw_is_folded() -> None:
    state = with_rules(rejected(), RuleNote(rule="bar", text="F2 is below it."))
    body = review(state)
    folded = body.partition("<details><summary>What each rule saw in round 1</summary>")[2]
    assert "- **bar**: F2 is below it." in folded.partition("</details>")[0]
    assert "<details>" not in review(rejected())


def test_the_final_comment_lists_what_is_for_later_and_why_it_stopped() -> None:
    noted = with_rules(
        rejected({}, {"blocking": False, "below": "an old line"}),
        RuleNote(rule="bar", text="nothing above it"),
    )
    running = status_comment(noted)
    ended = noted.model_copy(update={"outcome": Outcome.APPROVED})
    for body in (status_comment(ended), job_summary(ended)):
        later = folded(body, "1 finding for later, which does not block")
        assert "**F2** medium `calc.py:1`: no docstring" in later
        assert "- **bar**: nothing above it" in body
    assert "for later" not in running
    assert "each rule" not in running


def test_of_very_many_for_later_the_newest_are_listed() -> None:
    many = tuple(
        Finding(id=f"F{n}", round=1, blocking=False, reason="r") for n in range(1, MAX_LATER + 11)
    )
    state = rejected().model_copy(update={"findings": many, "outcome": Outcome.APPROVED})
    body = status_comment(state)
    assert f"**F{MAX_LATER + 10}**" in body
    assert "**F10**" not in body
    assert "and 10 more in `state.json`" in body


def test_hostile_text_of_a_finding_does_nothing_wherever_it_is_shown() -> None:
    hostile: dict[str, Any] = {
        "reason": HOSTILE, "below": HOSTILE, "criterion": HOSTILE, "by": HOSTILE,
        "provenance": f"fix-of-round-{HOSTILE}", "closed_why": HOSTILE,
    }  # fmt: skip
    later = {**hostile, "blocking": False}
    states = (
        rejected(hostile, later),
        rejected({**hostile, "status": "dismissed", "closed_round": 1}, later),
    )
    for state in states:
        for body in (review(state), *(finding_comment(state, f) for f in state.findings)):
            assert live(body.partition("\n")[2]) == set()
        ended = state.model_copy(update={"outcome": Outcome.APPROVED})
        assert live(status_comment(ended).partition("\n")[2]) == set()
    note = RuleNote(rule=HOSTILE, text=HOSTILE)
    body = review(with_rules(states[0], note)).partition("</summary>")[2].partition("</details>")[0]
    assert live(body) == set()
