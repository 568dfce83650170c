"""The status comment, the commit status and the labels show the status, and do nothing else."""

from __future__ import annotations

import pytest
from tests.core import builders as b
from tests.core.github_markdown import live

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.forge.render import pull_request_body
from loop_kit.core.forge.review import finding_comment
from loop_kit.core.forge.status import (
    LABELS,
    MAX_STATUS,
    commit_status,
    status_comment,
    wanted_label,
)
from loop_kit.core.loop.state import (
    CommandResult,
    LoopState,
    OutboxItem,
    Outcome,
    Reason,
    Source,
    Verification,
)
from loop_kit.core.text.sanitize import MAX_BODY

HOSTILE = "@octocat fixes #1 ![x](http://e.test/x.png) <img src=y> <!-- z --> \u202e"


def rejected(*issues: ReportedIssue) -> LoopState:
    return b.after(b.awaiting_review(), b.rejected(1, *issues))


def stopped(outcome: Outcome, error: str = "stopped", *reasons: Reason) -> LoopState:
    update = {"outcome": outcome, "error": error, "reasons": reasons}
    return rejected().model_copy(update=update)


def without_marker(body: str) -> str:
    first, _, rest = body.partition("\n")
    assert first.startswith("<!-- loop-kit:T-001:")
    return rest


def test_the_status_comment_shows_how_agents_are_confined_once_that_is_known() -> None:
    confined = rejected().model_copy(update={"sandbox": "none; network: open"})

    assert "- Sandbox: none; network: open\n" in status_comment(confined)
    assert "Sandbox" not in status_comment(rejected())


def test_the_status_comment_tells_rounds_cost_and_how_to_stop() -> None:
    body = status_comment(rejected())
    assert body.startswith("<!-- loop-kit:T-001:status-comment -->\n")
    for text in ("Round 2 of 3 · worker", "| 1 |", "cost unknown", "`/loop stop`"):
        assert text in body


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.APPROVED, "read it and merge it"),
        (Outcome.MAX_ROUNDS_EXHAUSTED, "raise `max-rounds` in the workflow"),
        (Outcome.WORKER_DISPATCH_FAILED, "fix what failed"),
        (Outcome.WORKER_TIMEOUT, "raise the time limit that it names"),
        (Outcome.INTERRUPTED, "to continue where it was interrupted"),
    ],
)
def test_an_ended_loop_says_who_is_next_and_not_how_to_stop_it(outcome: Outcome, said: str) -> None:
    body = status_comment(stopped(outcome))
    assert said in body
    assert "/loop stop" not in body


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("label_removed", "until the label `loop` is put on again"),
        ("issue_closed", "until it is opened again"),
        ("pull_request_closed", "until it is opened again"),
        ("pull_request_merged", "Use a new task id"),
    ],
)
def test_a_cancelled_loop_says_by_its_reason_what_starts_it_again(
    reason: Reason, expected: str
) -> None:
    state = stopped(Outcome.CANCELLED, "It is over", reason)
    assert expected in status_comment(state.model_copy(update={"source": Source(label="loop")}))


def test_a_cancelled_loop_that_an_older_version_recorded_without_a_reason_can_be_retried() -> None:
    body = status_comment(stopped(Outcome.CANCELLED, "The issue #3 was closed."))
    assert "The issue `#3` was closed." in body
    assert "To continue where it stopped, run the workflow again with `task-id: T-001`" in body


def test_a_draft_that_may_not_be_ended_is_left_to_a_person() -> None:
    item = OutboxItem(key="ready", status="refused", why="no")
    state = stopped(Outcome.APPROVED).model_copy(update={"outbox": (item,)})
    assert "click **Ready for review**" in status_comment(state)


@pytest.mark.parametrize(
    ("author", "noted"), [("github-actions[bot]", True), ("an-app[bot]", False)]
)
def test_checks_that_do_not_start_by_themselves_are_noted(author: str, *, noted: bool) -> None:
    item = OutboxItem(key="pull-request", status="done", by=author)
    body = status_comment(rejected().model_copy(update={"outbox": (item,)}))
    assert ("how to start them</summary>" in body) == noted


def test_hostile_text_does_nothing_in_the_status_comment() -> None:
    body = status_comment(b.without_rules(stopped(Outcome.NEEDS_HUMAN, HOSTILE)))
    assert live(without_marker(body)) == set()
    assert "\u202e" not in body


def test_hostile_text_does_nothing_in_a_comment_on_a_line() -> None:
    fence = f"```suggestion\nrm -rf /\n```\n{HOSTILE}"
    issue = ReportedIssue(reason=fence, required_change=fence, scenario=fence, file="a.py", line=1)
    state = rejected(issue)
    body = without_marker(finding_comment(state, state.findings[0]))
    assert live(body) == set()
    assert not [line for line in body.splitlines() if line.lstrip().startswith("```")]
    assert len(body) < MAX_BODY


@pytest.mark.parametrize(
    ("disposed", "said"), [("fixed", "Fixed in"), ("withdrawn", "Withdrawn (round 2)")]
)
def test_a_settled_finding_says_so_in_its_comment(disposed: str, said: str) -> None:
    event = b.rejected(2, ReportedIssue(reason="new"), dispositions=(b.said("F1", disposed),))  # type: ignore[arg-type]
    state = b.after(rejected(), b.work_reported(2, 2), event)
    body = finding_comment(state, state.findings[0])
    assert said in body.replace("**", "")
    assert (b.sha(2) in body) == (disposed == "fixed")


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [(None, "pending"), (Outcome.APPROVED, "success"), (Outcome.WORKER_NOOP, "failure")],
)
def test_the_commit_status_is_one_of_three_and_never_too_long(
    outcome: Outcome | None, shown: str
) -> None:
    state = rejected().model_copy(update={"outcome": outcome, "error": "e" * 5_000})
    found, said = commit_status(state)
    assert found == shown
    assert len(said) <= MAX_STATUS


def test_labels_keep_what_github_limits() -> None:
    assert {len(label.color) for label in LABELS} == {6}
    assert all(len(label.name) <= 50 and len(label.description) <= 100 for label in LABELS)


def test_a_running_loop_has_no_label() -> None:
    assert wanted_label(rejected()) is None
    approved = wanted_label(stopped(Outcome.APPROVED))
    assert approved is not None
    assert approved.name == "loop:approved"


def test_the_pull_request_of_an_issue_closes_it_and_no_other() -> None:
    state = rejected().model_copy(update={"source": Source(kind="issue", ref="12")})
    body = pull_request_body(b.card(goal="fixes #1\n\ncloses #2"), state, "pull-request")
    assert body.splitlines()[1] == "Closes #12"
    assert live(body.partition("Closes #12")[2]) == set()
    hostile = state.model_copy(update={"source": Source(kind="issue", ref="12 closes #3")})
    assert "Closes" not in pull_request_body(b.card(), hostile, "pull-request")


@pytest.mark.parametrize(("code", "said"), [(0, True), (1, False)])
def test_verify_commands_that_passed_before_the_work_are_said_to_prove_nothing(
    code: int, *, said: bool
) -> None:
    baseline = Verification(
        sha="a" * 40, results=(CommandResult(command="make test", exit_code=code),)
    )
    state = b.awaiting_review().model_copy(update={"verify": ("make test",), "baseline": baseline})

    body = status_comment(state)

    assert ("The verify commands passed before the work too" in body) is said
    assert ("comment `/loop refresh`" in body) is said
