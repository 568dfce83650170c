"""No post that there is brings a text of others to life, as GitHub's own parser reads it.

Every post is made twice of the same loop, with a hostile text and with a word in its place: it acts
no more, and it has the same blocks. A template that is not in the list fails the last test.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core import builders as b
from tests.core.github_markdown import HOSTILE, OurLinks, blocks, live
from tests.core.text.test_harmless import TEXTS
from tests.core.text.test_plain_words import ACTS

from loop_kit.core.agent.reports import CriterionVerdict, ReportedIssue, ReviewReport
from loop_kit.core.card.task import TaskCard
from loop_kit.core.ci import sweeping
from loop_kit.core.ci.sweeping import Action, SweepReport, SweepRow
from loop_kit.core.forge import (
    acknowledgement,
    follow_up,
    render,
    replies,
    review,
    status,
    summary,
)
from loop_kit.core.forge.context import PostContext
from loop_kit.core.loop.base_branch import BaseView
from loop_kit.core.loop.checks_status import ChecksStatus
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.outbox import review_key
from loop_kit.core.loop.push_refusal import RefusalKind
from loop_kit.core.loop.rounds import RuleNote
from loop_kit.core.loop.state import LoopState, OutboxItem, Outcome, Phase, Role, Source
from loop_kit.errors import explanation

MARK = "<!-- loop-kit:T-001:x -->"
OURS = ("#7", "#8")
"""The issue and the pull request of the loop."""
PAGE = "https://forge.test/octo/demo"
LINKS = OurLinks(PAGE)
CONTEXT = PostContext(PAGE, {Role.WORKER: HOSTILE, Role.REVIEWER: "x"})


def _issue(text: str) -> ReportedIssue:
    return ReportedIssue(
        file=text, line=3, reason=text, required_change=text, scenario=text, severity="high"
    )


def _state(text: str) -> tuple[LoopState, ReviewReport]:
    """A loop in which everything that others wrote is `text`, and its last review."""
    first = b.rejected(1, _issue(text), _issue(f"other {text}"))
    tail = b.verified(2, 0, 1, tail=text)
    results = tuple(r.model_copy(update={"command": f"x {text}"}) for r in tail.results)
    verification = tail.model_copy(update={"results": results})
    second = b.rejected(2, _issue(f"new {text}"), dispositions=(b.said("F1", "fixed", text),))
    worked = b.work_reported(2, 2, verification=verification)
    state = b.after(b.awaiting_review(), first, worked, second)
    report = second.report.model_copy(
        update={
            "summary": text,
            "non_blocking": (text,),
            "criteria": (CriterionVerdict(id=text, met=False, evidence=text),),
        }
    )
    note = RuleNote(rule="bar", text=text)
    history = tuple(
        record.model_copy(update={"notes": (text,), "rules": (note,), "run_id": "12"})
        for record in state.history
    )
    findings = tuple(
        finding.model_copy(update={"note": text, "dispute": text, "below": text})
        for finding in state.findings
    )
    posts = (
        OutboxItem(key="x", status="refused", why=text),
        OutboxItem(key=review_key(1), status="done", ref="901"),
    )
    return state.model_copy(
        update={
            "history": history,
            "findings": findings,
            "outbox": posts,
            "error": f"Stopped: {text}",
            "refused_diff": text,
            "source": Source(kind="issue", ref="7", label=f"x {text}"),
            "verify": (f"x {text}",),
            "pull_request": 8,
        }
    ), report


def _ended(text: str, outcome: Outcome, *reasons: str) -> LoopState:
    state, _ = _state(text)
    return state.model_copy(update={"outcome": outcome, "reasons": reasons})


def _later(text: str) -> LoopState:
    state = _ended(text, Outcome.APPROVED)
    found = tuple(f.model_copy(update={"blocking": False}) for f in state.findings)
    base, checks = BaseView(conflicts=(text, "a.py")), ChecksStatus(note=f"checks: {text}")
    noted = {"base": base, "checks": checks, "base_branch": "main"}
    return state.model_copy(update={"findings": found, **noted})


def _waiting(text: str) -> LoopState:
    state, _ = _state(text)
    last = state.history[-1].model_copy(update={"decision": "approve"})
    held = {"state": Phase.AWAITING_REVIEW, "waiting_for": (text, "x"), "round": last.round}
    return state.model_copy(update={**held, "history": (*state.history[:-1], last)})


def _refused(text: str) -> LoopState:
    event = b.push_refused(RefusalKind.CONTENT)
    words = event.refusal.model_copy(update={"words": text, "branch": f"x {text}"})
    state = _ended(text, Outcome.NEEDS_HUMAN, "push_refused")
    return state.model_copy(update={"refusal": words})


def _unprepared(text: str) -> LoopState:
    state = _ended(text, Outcome.SETUP_FAILED)
    failed = b.unprepared().result
    assert failed is not None
    return state.model_copy(update={"failed_setup": failed.model_copy(update={"tail": text})})


def _card(text: str) -> TaskCard:
    return b.card(goal=f"x {text}", acceptance_criteria=[f"x {text}"], verify=[f"x {text}"])


ENDS: dict[str, Callable[[str], LoopState]] = {
    "running": lambda text: _state(text)[0],
    "contested": lambda text: _ended(text, Outcome.NEEDS_HUMAN, "contested"),
    "scope": lambda text: _ended(text, Outcome.NEEDS_HUMAN, "scope"),
    "push refused": _refused,
    "setup failed": _unprepared,
    "approved": _later,
    "waiting for checks": _waiting,
    "label removed": lambda text: _ended(text, Outcome.CANCELLED, "label_removed"),
}


def _by_person(state: LoopState, text: str) -> LoopState:
    """The state with a finding that a person raised in a review."""
    raised = {"post": 8, "by": "mona", "reason": text, "closed_why": text}
    findings = (*state.findings, state.findings[-1].model_copy(update=raised))
    return state.model_copy(update={"findings": findings})


def made_of_a_state(text: str, end: str) -> dict[str, str]:
    """Every post of a loop that is at that end."""
    state = ENDS[end](text)
    _, report = _state(text)
    words = " ".join(text.split())
    command = Command(comment=1, verb="retry", backend="claude")
    card, shown = _card(text), {"card": _card(text), "context": CONTEXT}
    first = state.findings[0]
    return {
        "pull_request_body": render.pull_request_body(card, state, "x"),
        "review_body": review.review_body(state, 2, report, "x"),
        "review_body, linked": review.review_body(state, 2, report, "x", **shown),
        "review_body, inline": review.review_body(state, 2, report, "x", {"F3"}, **shown),
        "finding_comment": review.finding_comment(state, first),
        "finding_comment, open": review.finding_comment(state, state.findings[1]),
        "status_comment": status.status_comment(state),
        "status_comment, linked": status.status_comment(state, CONTEXT),
        "acknowledgement": acknowledgement.acknowledgement(state, card, CONTEXT),
        "acknowledgement, alone": acknowledgement.acknowledgement(state),
        "status_reply": status.status_reply(MARK, state, CONTEXT),
        "job_summary": summary.job_summary(state, CONTEXT),
        "undispatched": status.undispatched(MARK, state, f"No: {text}", f"Do {words}"),
        "follow_up_body": follow_up.follow_up_body(state, CONTEXT),
        "command_reply": replies.command_reply(MARK, command, _state(text)[0], state),
        "command_answer": f"{MARK}\n{replies.command_answer(command, _state(text)[0], state)}",
        "post_answer": f"{MARK}\n{replies.post_answer(_by_person(state, text), 8)}",
        "queued_reply": replies.queued_reply(MARK, command, state, "12"),
    }


def made_of_words(text: str) -> dict[str, str]:
    """Every post that needs no loop."""
    words = " ".join(text.split())
    rows = (SweepRow("T-001", text, Action.LEFT, text),)
    return {
        "refusal": status.refusal(f"No: {text}", f"Do {words}", explanation("card-syntax")),
        "summary": sweeping.summary(SweepReport(1, rows)),
    }


def assert_harmless(made: dict[str, str], plain: dict[str, str]) -> None:
    for name, post in made.items():
        assert live(post, ours=OURS, links=LINKS) == set(), f"{name}:\n{post}"
        assert blocks(post) == blocks(plain[name]), f"{name}:\n{post}"


@pytest.mark.parametrize("end", ENDS)
def test_a_hostile_text_does_nothing_in_any_post(end: str) -> None:
    assert_harmless(made_of_a_state(HOSTILE, end), made_of_a_state("word", end))
    assert_harmless(made_of_words(HOSTILE), made_of_words("word"))


@settings(deadline=None, max_examples=40)
@given(TEXTS, st.sampled_from(sorted(ENDS)))
def test_no_mixture_does_anything_in_any_post(text: str, end: str) -> None:
    text = f"x {text} x".replace("\0", "")
    assert_harmless(made_of_a_state(text, end), made_of_a_state("word", end))
    assert_harmless(made_of_words(text), made_of_words("word"))


@pytest.mark.parametrize("end", ENDS)
def test_titles_do_nothing(end: str) -> None:
    state = ENDS[end](HOSTILE)
    lines = (
        render.pull_request_title(b.card(goal=HOSTILE)),
        render.pull_request_title(b.card(title=HOSTILE)),
        follow_up.follow_up_title(state),
        status.commit_status(state)[1],
    )
    for line in lines:
        assert not ACTS.search(line), line


def test_every_template_is_tried() -> None:
    tried = {name.partition(",")[0] for name in made_of_a_state("x", "running")}
    tried |= set(made_of_words("x")) | {"pull_request_title", "follow_up_title", "commit_status"}
    templates = {
        name
        for module in (render, review, status, summary, acknowledgement, replies, follow_up)
        for name, value in inspect.getmembers(module, inspect.isfunction)
        if value.__module__ == module.__name__ and not name.startswith("_")
    }
    parts = {
        *("marker", "begins_with", "first_line", "read_marker", "finding_key", "finding_of"),
        *("headline", "lead", "pull_words"),
        *("branch", "verdict_lines", "wanted_label", "has_effect"),
    }
    answers = {"declined_reply", "decision_problem"}
    assert templates - parts - answers - tried == set()
