"""The sweep in a job of its own: loops that stand still go on, are handed over or are deleted."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.conftest import BOT, REPOSITORY
from tests.e2e.events import Event, commented, labelled

from loop_kit.core.loop.state import LoopState, OutboxItem, Outcome, Phase

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Hub, JobResult, MakeHub
    from tests.support.github_state import Issue

STATE = "loop/T-001/state"
FORM = f"```json\n{json.dumps({'goal': 'add and double are right', 'in_scope': ['calc.py']})}\n```"
MINUTES, DAYS = 60, 24 * 3600


class Scheduled(Event):
    """GitHub names no sender for what its clock starts."""

    @property
    def sender(self) -> str:
        return ""


CLOCK = Scheduled("schedule", {"schedule": "17 * * * *", "repository": {"default_branch": "main"}})


def sweep(hub: Hub, **inputs: str) -> JobResult:
    """Run the job of the shipped sweep workflow."""
    env = {"GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/loop-sweep.yml@refs/heads/main"}
    return hub.job(event=CLOCK, env=env, **{"continue_workflow": "loop.yml", **inputs})


def sweep_commands(hub: Hub) -> tuple[JobResult, list[str]]:
    """A sweep, and the commands that it sent to the git server after its checkout."""
    seen: list[int] = []
    prepare = hub.checkout

    def checkout() -> Path:
        made = prepare()
        seen.append(len(hub.git.requests))
        return made

    hub.checkout = checkout  # type: ignore[method-assign]
    job = sweep(hub)
    return job, [one.question.command for one in hub.git.requests[seen[0] :]]


QUEUED = 4 * 60 * MINUTES
"""Longer than a dispatched job is waited for."""


def grow_old(hub: Hub, branch: str = STATE, seconds: int = 11 * MINUTES) -> str:
    """Let the last commit of a branch be from some time ago."""
    head = hub.bare.head(branch)
    said = hub.bare.git("cat-file", "commit", str(head))
    then = f"\\1 {int(time.time()) - seconds} "
    old = re.sub(r"^(committer .*>) \d+ ", then, said, count=1, flags=re.MULTILINE)
    made = hub.bare.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=old.encode()).strip()
    hub.bare.set_branch(branch, made)
    return made


def died(hub: Hub, push: int, **more: Any) -> JobResult:
    """A job that was killed after one of its pushes, more than ten minutes ago."""
    killed = hub.job(kill_after_push=push, **more)
    hub.git.after_push.pop()
    hub.end_run(killed.checkout.parent.name)
    assert killed.code == -9, killed.log
    return killed


def put(hub: Hub, task_id: str, **fields: Any) -> None:
    """A loop on the server with one commit of work."""
    start = str(hub.bare.head("main"))
    work = hub.bare.commit_files(f"loop/{task_id}/work", {"new.py": "x\n"}, parent=start)
    given = {
        "task_id": task_id,
        "seq": 1,
        "state": Phase.DONE,
        "round": 1,
        "start_sha": start,
        "base_sha": start,
        "head_sha": work,
        "work_branch": f"loop/{task_id}/work",
    }
    state = LoopState.model_validate({**given, **fields}).to_json()
    card = json.dumps({"task_id": task_id, "goal": "x"})
    files = {"state.json": state, "task_card.json": card}
    hub.bare.commit_files(f"loop/{task_id}/state", files)


def closed(hub: Hub, task_id: str, days: int | None) -> int:
    """Open the pull request of a loop, and close it so many days ago."""
    pull = hub.api.open_pull(REPOSITORY, task_id, f"loop/{task_id}/work", "main", BOT)
    if days is not None:
        at = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
        hub.api.close(REPOSITORY, pull.number, at=at)
    return pull.number


def rest_and_graphql(hub: Hub) -> int:
    return hub.api.count()


# --- loops that stand still -------------------------------------------------------------------


@pytest.mark.parametrize("push", [1, 2, 3])
def test_a_loop_whose_job_died_continues_and_is_approved(hub: Hub, push: int) -> None:
    died(hub, push)
    grow_old(hub)

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    (dispatched,) = hub.api.dispatches
    state = hub.state()
    assert (dispatched.workflow, dispatched.ref) == ("loop.yml", "main")
    assert dispatched.inputs["expected-state"] == str(state["seq"])
    assert (state["usage"]["dispatches"], "lease" in state) == (1, False)
    assert "is dispatched" in swept.summary
    assert swept.outputs == {}
    while "outcome" not in hub.state():
        hub.continued()
    assert hub.state()["outcome"] == "approved"


def test_a_dispatch_that_may_wait_in_the_queue_is_repeated_as_it_was(hub: Hub) -> None:
    hub.job()
    pushes = len(hub.git.pushes)
    grow_old(hub)

    assert sweep(hub).code == 0

    first, again = hub.api.dispatches
    assert (again.inputs, len(hub.git.pushes)) == (first.inputs, pushes)
    assert hub.continued().outputs["outcome"] == "approved"
    assert "nothing to do" in hub.continued().log


def test_a_lost_dispatch_is_made_again_and_the_old_one_is_then_refused(hub: Hub) -> None:
    hub.job()
    first = hub.api.dispatches[0]
    grow_old(hub, seconds=QUEUED)

    assert sweep(hub).code == 0
    again = hub.api.dispatches[1]

    assert (first.inputs["round"], again.inputs["round"]) == ("2", "2")
    assert hub.state()["usage"]["dispatches"] == 2
    late = hub.job(
        sender=BOT,
        task_id="T-001",
        round=first.inputs["round"],
        expected_state=first.inputs["expected-state"],
    )
    assert "nothing to do" in late.log
    assert hub.continued().outputs["outcome"] == "approved"


def test_a_loop_that_moved_less_than_ten_minutes_ago_is_left_alone(hub: Hub) -> None:
    died(hub, 1)
    grow_old(hub, seconds=9 * MINUTES)
    requests = rest_and_graphql(hub)

    swept = sweep(hub)

    assert (swept.code, hub.api.dispatches, len(hub.git.pushes)) == (0, [], 1)
    assert rest_and_graphql(hub) == requests
    assert "1 loop: 1 need nothing." in swept.log


def test_a_run_that_still_runs_is_left_alone_however_long_it_takes(hub: Hub) -> None:
    killed = died(hub, 1)
    run_id = killed.checkout.parent.name
    hub.api.set_run(REPOSITORY, int(run_id), "in_progress")
    grow_old(hub, seconds=80 * MINUTES)

    swept = sweep(hub)

    assert f"Run {run_id} is working on it." in swept.log
    assert (swept.code, len(hub.git.pushes)) == (0, 1)


def test_two_runs_that_died_at_the_same_work_are_shown_to_a_person(hub: Hub) -> None:
    issue = hub.api.open_issue(REPOSITORY, "Calc", FORM, "mona", labels=["loop"])
    died(hub, 1, event=labelled(issue))
    branch = "loop/issue-1/state"
    grow_old(hub, branch)
    assert sweep(hub).code == 0
    inputs = {k.replace("-", "_"): v for k, v in hub.api.dispatches[-1].inputs.items()}
    died(hub, 1, sender=BOT, **inputs)
    grow_old(hub, branch)

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    state = hub.state("issue-1")
    assert (state["outcome"], "lease" in state) == ("worker_dispatch_failed", False)
    assert len(hub.api.dispatches) == 1
    assert "handed to a person" in swept.summary
    assert "loop:failed" in issue.labels
    assert "2 runs died while the worker was running" in issue.comments[0].body
    assert all(item["status"] != "pending" for item in state["outbox"])

    grow_old(hub, branch)
    pushes = len(hub.git.pushes)
    assert "1 need nothing" in sweep(hub).log
    assert len(hub.git.pushes) == pushes


def test_the_dispatches_of_the_sweep_are_capped_and_the_end_is_shown(hub: Hub) -> None:
    hub.job(max_dispatches="2")
    grow_old(hub, seconds=QUEUED)
    assert sweep(hub).code == 0
    grow_old(hub, seconds=QUEUED)

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    state = hub.state()
    assert (state["outcome"], state["reasons"]) == ("needs_human", ["budget"])
    assert len(hub.api.dispatches) == 2
    pull = hub.api.pull(REPOSITORY, 1)
    assert "loop:needs-human" in pull.issue.labels
    assert "All 2 dispatches are used" in pull.issue.comments[0].body


def test_the_limits_that_count_are_those_of_the_loop(hub: Hub) -> None:
    hub.job(max_rounds="9")
    grow_old(hub)

    assert sweep(hub, max_rounds="1").code == 0

    state = hub.state()
    assert (state["state"], state["limits"]["max_rounds"]) == ("awaiting_work", 9)


def test_posts_that_were_left_open_are_made_by_the_sweep_itself(hub: Hub) -> None:
    hub.job()
    inputs = {k.replace("-", "_"): v for k, v in hub.api.dispatches[-1].inputs.items()}
    died(hub, 3, sender=BOT, **inputs)
    assert hub.state()["state"] == "done"
    grow_old(hub)

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    state = hub.state()
    assert ("lease" in state, len(hub.api.dispatches)) == (False, 1)
    assert all(item["status"] == "done" for item in state["outbox"])
    pull = hub.api.pull(REPOSITORY, 1)
    assert (pull.draft, pull.issue.labels) == (False, ["loop:approved"])
    assert [review.body.count(f"Round {n}: ") for n, review in enumerate(pull.reviews, 1)] == [1, 1]
    assert "1 posted" in swept.log


def test_what_stopped_with_a_reason_or_is_paused_waits_for_its_person(hub: Hub) -> None:
    put(hub, "A", outcome=Outcome.WORKER_TIMEOUT, resume_phase=Phase.AWAITING_WORK)
    put(hub, "B", state=Phase.PAUSED, resume_phase=Phase.AWAITING_WORK)
    put(hub, "C", outcome=Outcome.APPROVED)
    for name in "ABC":
        grow_old(hub, f"loop/{name}/state", seconds=29 * DAYS)
    hub.bare.commit_files("loop/C/state", {"inbox/1.json": "{}"})
    grow_old(hub, "loop/C/state")

    swept = sweep(hub)

    assert (swept.code, hub.git.pushes, rest_and_graphql(hub)) == (0, [], 0)
    assert "3 loops: 3 need nothing." in swept.summary


@pytest.fixture
def stopped(hub: Hub) -> Issue:
    """An issue whose loop was stopped between its rounds."""
    issue = hub.api.open_issue(REPOSITORY, "Calc", FORM, "mona", labels=["loop"])
    hub.job(event=labelled(issue))
    comment = hub.api.comment(REPOSITORY, 1, "mona", "/loop stop")
    hub.job(event=commented(issue, comment))
    assert hub.state("issue-1")["outcome"] == "cancelled"
    return issue


def test_a_command_that_no_job_lived_to_read_is_carried_out(hub: Hub, stopped: Issue) -> None:
    command = json.dumps({"comment": 5005, "verb": "retry", "by": "mona"})
    hub.bare.commit_files("loop/issue-1/state", {"inbox/5005.json": command})
    grow_old(hub, "loop/issue-1/state")

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    assert hub.state("issue-1")["handled_commands"][-1] == 5005
    assert hub.bare.file("loop/issue-1/state", "inbox/5005.json") is None
    assert hub.continued().outputs["outcome"] == "approved"


def test_an_inbox_without_a_command_costs_no_push(hub: Hub, stopped: Issue) -> None:
    hub.bare.commit_files("loop/issue-1/state", {"inbox/77.json": "{}"})
    grow_old(hub, "loop/issue-1/state")
    pushes = len(hub.git.pushes)

    swept = sweep(hub)

    assert "What is in its inbox is no command." in swept.log
    assert (swept.code, len(hub.git.pushes)) == (0, pushes)


def test_whoever_is_faster_has_the_loop(hub: Hub) -> None:
    hub.job()
    grow_old(hub, seconds=QUEUED)
    others: list[JobResult] = []

    def be_faster(push: object) -> None:
        if not others:
            others.append(hub.continued())

    hub.git.before_push = be_faster

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    assert "Another run took it over." in swept.log
    assert others[0].outputs["outcome"] == "approved"
    assert len(hub.api.dispatches) == 1


def test_a_loop_that_cannot_be_read_is_reported_and_keeps_no_other_from_continuing(
    hub: Hub,
) -> None:
    hub.job()
    grow_old(hub)
    hub.bare.commit_files("loop/A/state", {"state.json": "{"})
    put(hub, "B", state=Phase.AWAITING_WORK, round=0)
    put(hub, "C", state=Phase.AWAITING_WORK)
    lost = [OutboxItem(key="review-r9")]
    put(hub, "D", outcome=Outcome.APPROVED, pull_request=1, publishes=True, outbox=lost)
    for name in "BCD":
        grow_old(hub, f"loop/{name}/state", seconds=20 * MINUTES)

    swept = sweep(hub)

    assert swept.code == 5
    assert "state.json on loop/A/state cannot be read" in swept.log
    assert "worker is next: its job was lost. failed: " in swept.log
    assert "1 post outstanding. failed: D cannot be continued" in swept.log
    assert [d.inputs["task-id"] for d in hub.api.dispatches[1:]] == ["C", "T-001"]
    assert "Traceback" not in swept.log


def test_a_workflow_that_cannot_be_dispatched_is_named_once(hub: Hub) -> None:
    text = "on:\n  schedule: [{cron: '17 * * * *'}]\njobs: {}\n"
    hub.bare.commit_files("main", {".github/workflows/loop-sweep.yml": text})
    for name in "AB":
        put(hub, name, state=Phase.AWAITING_WORK)
        grow_old(hub, f"loop/{name}/state")

    swept = sweep(hub, continue_workflow="")

    assert swept.code == 6
    assert "`continue-workflow`" in swept.log
    assert "1 left for the next sweep" in swept.log
    assert [hub.state(name)["usage"]["dispatches"] for name in "AB"] == [1, 0]


def test_loops_whose_jobs_somebody_else_chains_are_left_to_them(hub: Hub) -> None:
    hub.job(**{"continue": "none"})
    grow_old(hub)
    pushes = len(hub.git.pushes)

    swept = sweep(hub, **{"continue": "none"})

    assert "whoever chains its jobs" in swept.log
    assert len(hub.git.pushes) == pushes


def test_a_loop_whose_work_branch_was_deleted_is_handed_to_a_person(hub: Hub) -> None:
    hub.api.repository(REPOSITORY).actions_may_open_pulls = False
    hub.job()
    hub.bare.delete_branch("loop/T-001/work")
    grow_old(hub, seconds=QUEUED)

    swept = sweep(hub)

    assert (swept.code, len(hub.api.dispatches)) == (0, 1)
    assert "handed to a person" in swept.log
    assert "The work branch loop/T-001/work was deleted" in hub.state()["error"]


def test_fifty_loops_are_carried_on_and_the_rest_is_left_for_the_next_sweep(
    make_hub: MakeHub,
) -> None:
    hub = make_hub()
    for number in range(52):
        put(hub, f"T-{number:03}", state=Phase.AWAITING_WORK)
        grow_old(hub, f"loop/T-{number:03}/state", seconds=(100 - number) * MINUTES)

    swept = sweep(hub, dry_run="true")

    assert swept.code == 0, swept.log
    assert "52 loops: 50 dry run, 2 left for the next sweep." in swept.log
    assert "T-051" not in swept.summary
    assert (hub.git.pushes, hub.api.dispatches) == ([], [])


# --- loops that were closed long ago ----------------------------------------------------------


def test_the_branches_of_a_loop_that_was_closed_a_month_ago_are_deleted(hub: Hub) -> None:
    for name, days in (("A", 31), ("B", 29), ("C", None), ("D", 40)):
        put(hub, name, outcome=Outcome.APPROVED)
        closed(hub, name, days)
        grow_old(hub, f"loop/{name}/state", seconds=45 * DAYS)
    hub.bare.set_branch("loop/A/held-0123456789", str(hub.bare.head("main")))
    hub.bare.set_branch("loop/A/mine", str(hub.bare.head("main")))

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    left = {name for name in hub.bare.branches() if name.startswith("loop/")}
    kept = {f"loop/{name}/{kind}" for name in "BC" for kind in ("state", "work")}
    assert left == {"loop/A/mine", *kept}
    assert len(hub.git.pushes) == 1
    assert "2 deleted" in swept.log


def test_nobody_is_asked_about_a_loop_whose_last_word_is_newer_than_a_month(hub: Hub) -> None:
    put(hub, "A", outcome=Outcome.APPROVED)
    closed(hub, "A", 31)
    grow_old(hub, "loop/A/state", seconds=29 * DAYS)

    assert sweep(hub).code == 0

    assert (rest_and_graphql(hub), hub.git.pushes) == (0, [])


def test_the_head_of_a_persons_own_pull_request_is_not_deleted(hub: Hub) -> None:
    hub.bare.commit_files("theirs", {"a.py": "x\n"}, parent=hub.bare.head("main"))
    pull = hub.api.open_pull(REPOSITORY, "theirs", "theirs", "main", "mona")
    hub.api.close(REPOSITORY, pull.number, at=dt.datetime.now(dt.UTC) - dt.timedelta(days=31))
    name = f"pr-{pull.number}"
    source = {"kind": "pull_request", "ref": str(pull.number)}
    put(hub, name, outcome=Outcome.CANCELLED, source=source, work_branch="theirs")
    hub.bare.delete_branch(f"loop/{name}/work")
    grow_old(hub, f"loop/{name}/state", seconds=31 * DAYS)

    assert sweep(hub).code == 0

    assert set(hub.bare.branches()) == {"main", "theirs"}


@pytest.mark.parametrize(("days", "gone"), [(31, True), (29, False), (None, False)])
def test_a_loop_without_a_pull_request_is_as_closed_as_its_issue(
    hub: Hub, days: int | None, gone: bool
) -> None:
    issue = hub.api.open_issue(REPOSITORY, "Calc", FORM, "mona")
    if days is not None:
        at = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
        hub.api.close(REPOSITORY, issue.number, at=at)
    source = {"kind": "issue", "ref": str(issue.number)}
    put(hub, "issue-1", outcome=Outcome.CANCELLED, source=source)
    grow_old(hub, "loop/issue-1/state", seconds=31 * DAYS)

    assert sweep(hub).code == 0

    assert (set(hub.bare.branches()) == {"main"}) == gone


def test_a_pull_request_that_a_person_opened_from_the_same_branch_keeps_it(hub: Hub) -> None:
    put(hub, "A", outcome=Outcome.NEEDS_HUMAN, resume_phase=Phase.AWAITING_WORK)
    closed(hub, "A", 31)
    again = hub.api.open_pull(REPOSITORY, "A again", "loop/A/work", "main", "mona")
    again.issue.created_at += dt.timedelta(seconds=5)
    grow_old(hub, "loop/A/state", seconds=31 * DAYS)

    assert sweep(hub).code == 0

    assert set(hub.bare.branches()) == {"main", "loop/A/state", "loop/A/work"}


def test_a_protected_branch_keeps_its_own_loop_and_no_other(hub: Hub) -> None:
    for name in "AB":
        put(hub, name, outcome=Outcome.APPROVED)
        closed(hub, name, 31)
        grow_old(hub, f"loop/{name}/state", seconds=31 * DAYS)
    hub.git.protect(REPOSITORY, "loop/A/work")

    swept = sweep(hub)

    assert swept.code == 6
    assert "Exempt `loop/**` from the rule" in swept.log
    assert set(hub.bare.branches()) == {"main", "loop/A/state", "loop/A/work"}


def test_a_loop_that_somebody_pushed_to_meanwhile_is_not_deleted(hub: Hub) -> None:
    put(hub, "A", outcome=Outcome.APPROVED)
    closed(hub, "A", 31)
    grow_old(hub, "loop/A/state", seconds=31 * DAYS)

    def push_too(push: object) -> None:
        hub.bare.commit_files("loop/A/work", {"more.py": "x\n"}, "A person's commit")

    hub.git.before_push = push_too

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    assert set(hub.bare.branches()) == {"main", "loop/A/state", "loop/A/work"}


def test_a_rehearsal_says_what_would_be_done_and_does_nothing(hub: Hub) -> None:
    hub.job()
    grow_old(hub)
    put(hub, "A", outcome=Outcome.APPROVED)
    closed(hub, "A", 31)
    grow_old(hub, "loop/A/state", seconds=31 * DAYS)
    before = hub.bare.branches()

    swept = sweep(hub, dry_run="true")

    assert "It waits for job." in swept.log
    assert "To be deleted: loop/A/state, loop/A/work." in swept.log
    assert (hub.bare.branches(), len(hub.api.dispatches)) == (before, 1)


# --- what it costs ----------------------------------------------------------------------------


def test_loops_that_rest_cost_no_request_and_one_listing_and_fetch(hub: Hub) -> None:
    for number in range(60):
        put(hub, f"T-{number:03}", outcome=Outcome.APPROVED)
        grow_old(hub, f"loop/T-{number:03}/state", seconds=DAYS)
    before = len(hub.git.fetches())

    swept = sweep(hub)

    assert "60 loops: 60 need nothing." in swept.log
    assert rest_and_graphql(hub) == 0
    assert len(hub.git.fetches()) - before == 1


def test_a_repository_without_loops_is_swept_in_a_moment(hub: Hub) -> None:
    swept = sweep(hub)
    assert (swept.code, rest_and_graphql(hub)) == (0, 0)
    assert "There is no loop." in swept.summary
