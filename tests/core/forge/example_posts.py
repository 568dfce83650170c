"""One loop from its issue to its end, and every main post of it: what `posts/*.md` are made of.

`python -m tests.core.forge.example_posts` writes them again; read the difference before you commit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.core import builders as b

from loop_kit.core.agent.reports import (
    CriterionVerdict,
    Disposition,
    ReportedIssue,
    Response,
    ReviewReport,
    WorkReport,
)
from loop_kit.core.card.task import TaskCard
from loop_kit.core.forge.acknowledgement import acknowledgement
from loop_kit.core.forge.context import PostContext
from loop_kit.core.forge.replies import command_reply
from loop_kit.core.forge.review import finding_comment, review_body
from loop_kit.core.forge.status import status_comment, status_reply
from loop_kit.core.forge.summary import job_summary
from loop_kit.core.loop.base_branch import BaseView
from loop_kit.core.loop.checking import NOT_STARTED, is_approval_held
from loop_kit.core.loop.checks_status import ChecksStatus
from loop_kit.core.loop.commands import Command, read_command
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.messages import (
    AttemptStarted,
    Commanded,
    ReviewReported,
    Work,
    WorkReported,
)
from loop_kit.core.loop.outbox import review_key
from loop_kit.core.loop.state import (
    CommandResult,
    Lease,
    Limits,
    LoopState,
    OutboxItem,
    Outcome,
    Phase,
    Role,
    Source,
    Spent,
    Verification,
)

FOLDER = Path(__file__).parent / "posts"
CONTEXT = PostContext(
    "https://github.com/octo/demo", {Role.WORKER: "codex", Role.REVIEWER: "claude"}
)
MARK = "<!-- loop-kit:issue-7:x -->"
TEST = "python -B test_calc.py"
TAIL = """\
Traceback (most recent call last):
  File "test_calc.py", line 4, in <module>
    assert double(2) == 4
AssertionError"""
CARD = TaskCard.model_validate(
    {
        "task_id": "issue-7",
        "goal": "add and double are right",
        "acceptance_criteria": ["add(1, 2) is 3", "double(2) is 4"],
        "verify": [TEST],
    }
)
WRONG = ReportedIssue(
    severity="high",
    file="calc.py",
    line=6,
    reason="`double` still multiplies by 3",
    required_change="return `a * 2`",
    scenario="`double(2)` returns 6, expected 4",
    criterion="C2",
)
UNCLEAR = ReportedIssue(
    severity="medium", file="calc.py", line=1, reason="`add` has no docstring",
    required_change="say what it returns", scenario="help(add) shows nothing",
)  # fmt: skip
HINTS = ReportedIssue(severity="low", file="calc.py", line=1, reason="type hints would help")


def begun(max_rounds: int = 3) -> LoopState:
    """The loop of issue 7, which the first run has just taken."""
    started = b.task_started(
        Limits(max_rounds=max_rounds, max_cost_usd=5), verify=(TEST,), publishes=True
    )
    state = b.after(LoopState(), started)
    return state.model_copy(
        update={
            "task_id": "issue-7",
            "source": Source(kind="issue", ref="7", label="loop"),
            "work_branch": "loop/issue-7/work",
            "state_branch": "loop/issue-7/state",
            "lease": Lease(holder="a", run_id="1001"),
        }
    )


def claimed(state: LoopState, role: Role, run: str) -> LoopState:
    """An agent works in run `run`."""
    held = state.model_copy(update={"lease": Lease(holder="a", run_id=run)})
    started = transition(held, AttemptStarted(role, b.AT))
    assert started.attempt is not None
    running = started.attempt.model_copy(update={"claimed": True})
    return started.model_copy(update={"attempt": running})


def worked(state: LoopState, sha: str, *, exit_code: int, disputes: bool = False) -> LoopState:
    """The worker's work of a round, and what the verify command said of it."""
    answer = Response(
        id="F1", action="disputed" if disputes else "fixed", evidence="three is what was asked for"
    )
    head = sha * 40
    result = CommandResult(command=TEST, exit_code=exit_code, tail=TAIL if exit_code else "")
    return transition(
        state,
        WorkReported(
            WorkReport(task_id="issue-7", round=state.round, head_sha=head, responses=(answer,)),
            Work(head_sha=head, commits=("Add",), files=1, lines_added=2, lines_deleted=1),
            b.AT,
            spent=Spent(agent_seconds=70, tokens_in=340_000, tokens_out=9_000, cost_usd=0.41),
            verification=Verification(sha=head, results=(result,)),
        ),
    )


def reviewed(
    state: LoopState, *issues: ReportedIssue, dispositions: tuple[Disposition, ...] = ()
) -> LoopState:
    """The review of a round, posted as a review of pull request 8."""
    review = review_of(state.round, *issues, dispositions=dispositions)
    event = ReviewReported(
        review,
        b.AT,
        spent=Spent(agent_seconds=25, tokens_in=20_000, tokens_out=3_000, cost_usd=0.2),
        reviewer="claude",
        provenance=("pre-existing",) * len(issues),
    )
    after = transition(state, event)
    if is_approval_held(after):
        after = transition(after, b.PEOPLE_READ)
    post = OutboxItem(key=review_key(state.round), status="done", ref=f"90{state.round}")
    opened = OutboxItem(key="pull-request", status="done", ref="8", by="github-actions[bot]")
    kept = tuple(item for item in after.outbox if item.key not in {post.key, opened.key})
    pull = {"pull_request": 8, "pull_request_url": "https://github.com/octo/demo/pull/8"}
    return after.model_copy(update={**pull, "outbox": (*kept, opened, post)})


def review_of(
    round_: int, *issues: ReportedIssue, dispositions: tuple[Disposition, ...] = (), **report: Any
) -> ReviewReport:
    """What the reviewer reports."""
    decision = "changes_required" if issues else "approve"
    review = b.review(round_, decision, *issues, dispositions=dispositions)
    return review.model_copy(update={"task_id": "issue-7", **report})


CRITERIA = (
    CriterionVerdict(id="C1", met=True, evidence="test_calc.py:3 passes"),
    CriterionVerdict(id="C2", met=False, evidence="double(2) returns 6"),
)
MET = (CRITERIA[0], CriterionVerdict(id="C2", met=True, evidence="double(2) returns 4"))
FIRST = claimed(begun(), Role.WORKER, "1001")
SENT_BACK = reviewed(worked(FIRST, "1", exit_code=1), WRONG, UNCLEAR)
READING = claimed(
    worked(claimed(SENT_BACK, Role.WORKER, "1002"), "2", exit_code=0), Role.REVIEWER, "1002"
)
FIXED = (b.said("F1", "fixed", "returns a * 2 now"), b.said("F2", "not_fixed", "no docstring yet"))
PARTLY = reviewed(
    worked(claimed(SENT_BACK, Role.WORKER, "1002"), "2", exit_code=0),
    HINTS,
    dispositions=FIXED,
)
APPROVED = reviewed(
    worked(claimed(PARTLY, Role.WORKER, "1003"), "3", exit_code=0),
    dispositions=(b.said("F2", "fixed", "it has one now"),),
)


def out_of_rounds() -> LoopState:
    """Three rounds, and the worker and the reviewer still disagree."""
    state = SENT_BACK
    for sha, run in (("2", "1002"), ("3", "1003")):
        state = worked(claimed(state, Role.WORKER, run), sha, exit_code=1, disputes=True)
        upheld = (b.said("F1", "upheld", "the issue asks for twice"), b.said("F2", "fixed"))
        state = reviewed(state, HINTS, dispositions=upheld)
    return state


STOPPED = out_of_rounds()
WAITING = APPROVED.model_copy(
    update={
        "state": Phase.AWAITING_REVIEW,
        "outcome": None,
        "waiting_for": ("build", "lint"),
        "lease": None,
    }
)
UNCHECKED = APPROVED.model_copy(
    update={
        "checks": ChecksStatus(note=f"{NOT_STARTED} (build, lint)"),
        "base": BaseView(behind=True),
        "base_branch": "main",
    }
)
FAILED = transition(
    claimed(SENT_BACK, Role.WORKER, "1002"),
    b.halted(Outcome.WORKER_DISPATCH_FAILED),
).model_copy(update={"error": "codex has no valid key: 401 Unauthorized. Set openai-api-key."})


def extended() -> tuple[Command, LoopState]:
    """What `/loop extend 2` makes of the stop."""
    command = read_command("/loop extend 2", 1, by="mona")
    assert isinstance(command, Command)
    return command, transition(STOPPED, Commanded(command, b.LATER))


def posts() -> dict[str, str]:
    """The Markdown of each post, by the name of its file."""
    first = review_of(1, WRONG, UNCLEAR, summary="Half of it is right.", criteria=CRITERIA)
    second = review_of(2, HINTS, dispositions=FIXED, criteria=MET)
    last = review_of(3, summary="All of it is right.", criteria=MET)
    about = {"card": CARD, "context": CONTEXT}
    command, after = extended()
    return {
        "acknowledgement": acknowledgement(FIRST, CARD, CONTEXT),
        "acknowledgement-needs-you": acknowledgement(STOPPED, CARD, CONTEXT),
        "status-between-rounds": status_comment(SENT_BACK, CONTEXT),
        "status-running": status_comment(READING, CONTEXT),
        "status-approved": status_comment(APPROVED, CONTEXT),
        "status-waiting-for-checks": status_comment(WAITING, CONTEXT),
        "status-approved-without-checks": status_comment(UNCHECKED, CONTEXT),
        "status-needs-you": status_comment(STOPPED, CONTEXT),
        "status-failed": status_comment(FAILED, CONTEXT),
        "review-1": review_body(SENT_BACK, 1, first, "review-r1", **about),
        "review-1-inline": review_body(SENT_BACK, 1, first, "review-r1", {"F1", "F2"}, **about),
        "review-2": review_body(PARTLY, 2, second, "review-r2", **about),
        "review-3-approved": review_body(APPROVED, 3, last, "review-r3", **about),
        "comment-on-a-line": finding_comment(SENT_BACK, SENT_BACK.findings[0]),
        "comment-on-a-line-fixed": finding_comment(PARTLY, PARTLY.findings[0]),
        "summary-sent-back": job_summary(SENT_BACK, CONTEXT),
        "summary-approved": job_summary(APPROVED, CONTEXT),
        "reply-status": status_reply(MARK, READING, CONTEXT),
        "reply-extend": command_reply(MARK, command, STOPPED, after),
    }


if __name__ == "__main__":
    for name, text in posts().items():
        (FOLDER / f"{name}.md").write_text(f"{text.rstrip()}\n", "utf-8")
