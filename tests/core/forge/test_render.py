"""Posts: a marker first, every foreign text neutralised, every limit of the forge kept."""

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from tests.core import builders as b
from tests.core.github_markdown import live
from tests.core.markdown_oracle import tokens

from loop_kit.core.agent.reports import CriterionVerdict, ReportedIssue
from loop_kit.core.forge.figures import usage_text
from loop_kit.core.forge.render import (
    headline,
    marker,
    pull_request_body,
    pull_request_title,
    verdict_lines,
)
from loop_kit.core.forge.review import review_body
from loop_kit.core.forge.summary import job_summary
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Usage
from loop_kit.core.text.sanitize import MAX_BODY

HOSTILE = "@octocat fixes #1 ![x](http://e.test/x.png) <img src=y> <!-- z --> \u202e"
MARK = "<!-- loop-kit:T-001:review-r1 -->"


def hostile_issue() -> ReportedIssue:
    return ReportedIssue(
        file=f"a`{HOSTILE}", reason=HOSTILE, required_change=HOSTILE, scenario=HOSTILE, line=3
    )


def rejected(issue: ReportedIssue | None = None) -> tuple[LoopState, str]:
    """The state after one rejection, and the review body that is posted for it."""
    event = b.rejected(1, issue or ReportedIssue(reason="double is wrong", file="calc.py", line=7))
    state = b.after(b.awaiting_review(verification=b.verified(1, 1, tail="boom")), event)
    return state, review_body(state, 1, event.report, "review-r1")


def without_marker(body: str) -> str:
    first, _, rest = body.partition("\n")
    assert first.startswith("<!-- loop-kit:")
    return rest


def headings(text: str) -> list[str]:
    found = tokens(text)
    return [found[n + 1].content for n, t in enumerate(found) if t.type == "heading_open"]


def test_what_a_worker_left_outside_its_commits_is_in_the_review() -> None:
    event = b.rejected(1, ReportedIssue(reason="double is wrong"))
    state = b.after(b.awaiting_review(), event)
    left = "Not committed for the worker: debug.log <!-- x -->."
    record = state.history[0].model_copy(update={"notes": (left,)})
    state = state.model_copy(update={"history": (record,)})
    body = without_marker(review_body(state, 1, event.report, "review-r1"))
    assert "Not committed for the worker: debug.log" in body
    assert "<!--" not in body


def test_a_marker_names_the_loop_and_the_post() -> None:
    assert marker("T-001", "review-r1") == MARK


def test_every_post_begins_with_its_marker() -> None:
    state, body = rejected()
    assert body.startswith(MARK + "\n")
    assert pull_request_body(b.card(), state, "pull-request").startswith(
        "<!-- loop-kit:T-001:pull-request -->\n"
    )


def test_no_text_of_an_agent_can_forge_a_marker() -> None:
    forged = "<!-- loop-kit:T-001:review-r2 -->"
    state, body = rejected(ReportedIssue(reason=forged, scenario=f"```\n{forged}"))
    assert body.count("<!--") == 1
    card = b.card(goal=forged, acceptance_criteria=[forged])
    assert pull_request_body(card, state, "pull-request").count("<!--") == 1


def test_the_review_tells_verdict_commit_findings_and_verification() -> None:
    _, body = rejected()
    for text in (
        *("Round 1: changes required · 1 finding open", f"`{b.sha(1)[:10]}` (+3 −0 in 1 file)"),
        *("**F1** medium `calc.py:7`: double is wrong", "`check 1` (exit code 1)", "boom"),
    ):
        assert text in body


def test_a_reviewers_approval_that_does_not_verify_is_explained() -> None:
    event = b.approved(1)
    state = b.after(b.awaiting_review(verification=b.verified(1, 1)), event)
    body = review_body(state, 1, event.report, "review-r1")
    assert "Round 1: changes required" in body
    assert "The reviewer approved, but the verify commands fail" in body


def test_settled_findings_are_listed_in_the_round_that_settled_them() -> None:
    state, _ = rejected(ReportedIssue(reason="old"))
    event = b.rejected(2, ReportedIssue(reason="new"), dispositions=(b.said("F1", "fixed"),))
    state = b.after(state, b.work_reported(2, 2), event)
    second = review_body(state, 2, event.report, "review-r2")
    assert "- **F1** ~~old~~ · fixed" in second
    assert "**F2** medium: new" in second
    first = review_body(state, 1, event.report, "review-r1")
    assert "**F1** medium: old" in first
    assert "F2" not in first


def test_hostile_text_in_a_review_does_nothing() -> None:
    event = b.rejected(1, hostile_issue())
    report = event.report.model_copy(
        update={
            "summary": HOSTILE,
            "non_blocking": (HOSTILE,),
            "criteria": (CriterionVerdict(id=HOSTILE, met=False, evidence=HOSTILE),),
        }
    )
    verification = b.verified(1, 1, tail=HOSTILE + "\n```\n" + HOSTILE)
    state = b.after(b.awaiting_review(verification=verification), event)
    body = without_marker(review_body(b.without_rules(state), 1, report, "review-r1"))
    assert live(body) == set()
    assert "\u202e" not in body


def test_hostile_text_in_a_card_does_nothing() -> None:
    card = b.card(goal=HOSTILE, title=HOSTILE, acceptance_criteria=[HOSTILE])
    state, _ = rejected()
    assert live(without_marker(pull_request_body(card, state, "pull-request"))) == set()


def test_hostile_text_in_an_error_does_nothing_in_the_job_summary() -> None:
    state = b.after(b.awaiting_work(), b.halted(Outcome.NEEDS_HUMAN))
    state = state.model_copy(update={"error": HOSTILE + "\n## Approved\n"})
    summary = job_summary(state)
    assert live(summary) == set()
    assert "Approved" not in headings(summary)
    state, _ = rejected(hostile_issue())
    assert live(job_summary(b.without_rules(state))) == set()


def test_a_summary_that_opens_a_fence_does_not_swallow_what_follows() -> None:
    event = b.rejected(1, ReportedIssue(reason="double is wrong"))
    state = b.after(b.awaiting_review(), event)
    report = event.report.model_copy(update={"summary": "see\n```\nhidden"})
    body = review_body(state, 1, report, "review-r1")
    assert any(t.type == "inline" and t.content.startswith("Reviewed") for t in tokens(body))


def test_the_title_is_one_line_of_at_most_200_characters() -> None:
    assert pull_request_title(b.card(goal="Do\nthis", title="")) == "Do this"
    assert pull_request_title(b.card(title="Better")) == "Better"
    assert len(pull_request_title(b.card(title="x" * 5_000))) == 200


def test_a_body_over_the_limit_is_cut_with_a_pointer_to_the_whole() -> None:
    issues = [
        ReportedIssue(reason="r " * 500, required_change="c " * 900, scenario="s " * 900)
    ] * 100
    event = b.rejected(1, *issues)
    state = b.after(b.awaiting_review(), event)
    for body in (
        review_body(state, 1, event.report, "review-r1"),
        pull_request_body(b.card(goal="g" * 200_000), state, "pull-request"),
    ):
        assert len(body) <= MAX_BODY
        assert body.endswith("on `loop/T-001/state`.")


def test_the_job_summary_leads_with_findings_and_has_the_rounds_as_a_table() -> None:
    state, _ = rejected()
    open_ = job_summary(state)
    assert open_.index("**F1** medium `calc.py:7`: double is wrong") < open_.index("| round |")
    state = b.after(state, b.work_reported(2, 2, verification=b.verified(2, 0)), b.approved(2))
    summary = job_summary(state)
    assert "| 1 | +3 −0 | ❌ | changes required | F1 new |" in summary
    assert "| 2 | +3 −0 | ✅ | **approved** | F1 fixed |" in summary
    assert summary.startswith("## ✅ Approved in round 2 · ")


def test_the_job_summary_of_a_loop_without_rounds_has_no_table() -> None:
    state = b.after(b.awaiting_work(), b.halted(Outcome.INTERRUPTED))
    summary = job_summary(state)
    assert "| round |" not in summary
    assert "stopped" in summary


def test_the_headline_says_where_the_loop_stands() -> None:
    state, _ = rejected()
    assert headline(state) == "Round 2 is next; 1 finding is open."
    assert headline(b.awaiting_work()) == "Round 1, awaiting_work."
    assert headline(b.awaiting_review()) == "Round 1, awaiting_review."
    stopped = state.model_copy(
        update={"outcome": Outcome.NEEDS_HUMAN, "reasons": ("budget",), "error": "Used up."}
    )
    assert headline(stopped) == "Stopped in round 2: needs_human (budget). Used up."


def test_a_loop_out_of_rounds_stopped_in_its_last_one() -> None:
    state = b.awaiting_work(Limits(max_rounds=2))
    for n in (1, 2):
        state = b.after(state, b.work_reported(n, n), b.rejected(n))
    assert headline(state).startswith("Stopped in round 2: max_rounds_exhausted. All 2 rounds")
    assert state.round == 3


def test_a_loop_that_may_have_no_round_stopped_before_round_1_ended() -> None:
    stopped = headline(b.awaiting_work(Limits(max_rounds=0)))
    assert stopped.startswith("Stopped in round 1: max_rounds_exhausted. All 0 rounds")


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        (Usage(), "0 rounds, 0 s of agents, tokens unknown, cost unknown"),
        (
            Usage(rounds=2, agent_seconds=61.4, tokens_in=10, tokens_out=3, cost_usd=0.5),
            "2 rounds, 1 min of agents, 10 tokens in, 3 out, 0.50 USD",
        ),
        (
            Usage(tokens_in=10, cost_usd=0.5, estimated_cost_usd=0.25),
            "0 rounds, 0 s of agents, 10 tokens in, 0 out, 0.50 USD and about 0.25 USD (estimated)",
        ),
        (
            Usage(tokens_in=0, cost_usd=0),
            "0 rounds, 0 s of agents, 0 tokens in, 0 out, 0.00 USD",
        ),
    ],
)
def test_usage_is_put_in_words_and_nothing_is_invented(usage: Usage, said: str) -> None:
    assert usage_text(usage) == said


def test_the_verdict_for_a_log_is_one_line_per_finding() -> None:
    data = {"decision": "changes_required", "verified": False, "open": ["F1 [high] a\n::error::x"]}
    assert verdict_lines(data) == [
        "[verdict] changes required, verify FAILED",
        "[verdict]   F1 [high] a ::error::x",
    ]
    assert verdict_lines({"decision": "approve", "verified": None, "open": []}) == [
        "[verdict] approve"
    ]
    data = {"decision": "approve", "verified": None, "open": [], "later": ["F2 [low] b\nc"]}
    assert verdict_lines(data) == ["[verdict] approve", "[verdict]   for later: F2 [low] b c"]


@pytest.mark.parametrize(
    "begin", ["### Title", "text", "- item", "| a |\n|---|\n| b |", "> quoted"]
)
def test_a_marker_with_a_nonce_shows_nothing_and_changes_nothing_below(begin: str) -> None:
    plain = github_flavored_markdown_to_html(begin)

    shown = github_flavored_markdown_to_html(f"{marker('T-001', 'x', '0af1')}\n{begin}")

    assert shown == f"<!-- raw HTML omitted -->\n{plain}"
