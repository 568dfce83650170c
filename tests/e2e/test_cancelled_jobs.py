"""A job is cancelled at any point: it saves what it has, and nothing is paid for twice."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.harness import eventually
from tests.e2e import three_jobs
from tests.e2e.conftest import BOT, REPOSITORY, TWO_ROUNDS
from tests.e2e.events import Event, commented, dispatched, labelled
from tests.e2e.test_crashes_in_ci import counting, finish, runs
from tests.e2e.test_sweep_in_ci import FORM, grow_old, sweep

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, JobResult, MakeHub
    from tests.support.git_server import Push
    from tests.support.github_faults import Fault
    from tests.support.github_state import Issue
    from tests.support.programs import Program

EVERYTHING = ["worker 1", "reviewer 1", "worker 2", "reviewer 2"]
IN_ALL = 10
"""Seconds from the first signal to SIGKILL."""


class Cancel:
    """Cancels the job that is running, once, as a runner does; `seconds` is how long it takes."""

    def __init__(self, hub: Hub, number: signal.Signals = signal.SIGINT) -> None:
        self._hub = hub
        self._number = number
        self.done = threading.Event()
        self.seconds = 0.0

    def __call__(self) -> bool:
        """Send the signal and wait for a moment; False when it was sent before."""
        if self.done.is_set():
            return False
        self.done.set()
        (job,) = self._hub.running
        os.kill(job.pid, self._number)
        threading.Thread(target=self._watch, args=(job,), daemon=True).start()
        return True

    def _watch(self, job: Program) -> None:
        began = time.monotonic()
        while job in self._hub.running and time.monotonic() - began < IN_ALL:
            time.sleep(0.05)
        self.seconds = time.monotonic() - began
        if job in self._hub.running:
            os.kill(job.pid, signal.SIGKILL)


def hold_push(hub: Hub, number: int, cancel: Cancel, seconds: float) -> None:
    """Cancel during push `number`, which the server carries out so much later."""

    def hold(push: Push) -> None:
        if len(hub.git.pushes) == number - 1 and cancel():
            time.sleep(seconds)

    hub.git.before_push = hold


def hold_request(hub: Hub, method: str, path: str, cancel: Cancel) -> None:
    """Cancel during a request to the API, which is carried out all the same."""

    def hold(asked: str, of: str) -> Fault | None:
        if asked == method and of.endswith(path) and cancel():
            time.sleep(0.5)
        return None

    hub.api.forecast(hold)


def over(
    hub: Hub, job: JobResult, conclusion: str = "failure", branch: str = "loop/T-001/state"
) -> None:
    """The run is over, and eleven minutes have passed."""
    hub.git.before_push = None
    hub.api.forecast(None)
    hub.end_run(job.checkout.parent.name, conclusion)
    grow_old(hub, branch)


def carry_on(hub: Hub) -> None:
    """Sweep, and run what it dispatches to the end."""
    swept = sweep(hub)
    assert swept.code == 0, swept.log
    assert "is dispatched" in swept.summary, swept.summary
    while "outcome" not in hub.state():
        hub.continued()


PUSHES = (
    (1, 1, "awaiting_work"),
    (2, 1, "awaiting_review"),
    (3, 2, "awaiting_work"),
    (4, 2, "awaiting_work"),
)
ARRIVES, LATE = 0, 1.5


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every pair of a push, a signal and a delay is tried; a full storm tries every three."""
    if "late" not in metafunc.fixturenames:
        return
    full = metafunc.config.getoption("--storm") == "full"
    for_each = [
        pytest.param(*push, number, late, id=f"{push[0]}, {number.name}, {late} s late")
        for push in PUSHES
        for number, late in itertools.product((signal.SIGINT, signal.SIGTERM), (ARRIVES, LATE))
        if full or (push[0] + number + (late == LATE)) % 2
    ]
    metafunc.parametrize(("push", "round_", "phase", "number", "late"), for_each)


def test_a_job_cancelled_during_a_push_saves_everything_and_releases_the_lease(
    make_hub: MakeHub,
    tmp_path: Path,
    push: int,
    round_: int,
    phase: str,
    number: signal.Signals,
    late: float,
) -> None:
    ledger = tmp_path / "ledger"
    hub = make_hub(counting(ledger))
    cancel = Cancel(hub, number)
    hold_push(hub, push, cancel, late)

    job = hub.job()

    state = hub.state()
    assert job.code == 130, job.log
    assert cancel.seconds < IN_ALL
    assert (state["outcome"], "lease" in state) == ("interrupted", False), job.log
    assert (state["round"], state["resume_phase"]) == (round_, phase)
    assert hub.api.dispatches == []
    over(hub, job)
    carry_on(hub)
    assert hub.state()["outcome"] == "approved"
    assert runs(ledger) == EVERYTHING


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_cancelled_during_the_dispatch_stops_the_loop_that_it_had_handed_over(
    make_hub: MakeHub, tmp_path: Path, number: signal.Signals
) -> None:
    ledger = tmp_path / "ledger"
    hub = make_hub(counting(ledger))
    hold_request(hub, "POST", "/dispatches", Cancel(hub, number))

    job = hub.job()

    state = hub.state()
    assert job.code == 130, job.log
    assert (state["outcome"], "lease" in state) == ("interrupted", False), job.log
    assert state["handed_over_by"] == job.checkout.parent.name
    hub.api.forecast(None)
    eventually(lambda: bool(hub.api.dispatches), "the dispatch that was under way")
    late = hub.continued()
    assert "nothing to do" in late.log
    over(hub, job)
    carry_on(hub)
    assert hub.state()["outcome"] == "approved"
    assert runs(ledger) == EVERYTHING


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_cancelled_while_it_verifies_keeps_the_work_that_was_paid_for(
    make_hub: MakeHub, tmp_path: Path, number: signal.Signals
) -> None:
    ledger, begun = tmp_path / "ledger", tmp_path / "begun"
    hub = make_hub(counting(ledger))
    cancel = Cancel(hub, number)
    slow = f"grep -q 'a - b' calc.py || test -e {begun} || {{ touch {begun}; sleep 60; }}"

    job = run_and_cancel(hub, begun.exists, cancel, verify=slow)

    state = hub.state()
    assert job.code == 130, job.log
    assert cancel.seconds < IN_ALL
    assert (state["outcome"], state["resume_phase"]) == ("interrupted", "awaiting_review"), job.log
    over(hub, job)
    carry_on(hub)
    state = hub.state()
    assert state["outcome"] == "approved"
    assert [record["verified"] for record in state["history"]] == [True, True]
    assert runs(ledger) == EVERYTHING


@pytest.mark.parametrize("path", ["/pulls", "/reviews", "/comments"])
def test_a_job_cancelled_while_it_posts_leaves_every_post_to_be_made_once(
    make_hub: MakeHub, tmp_path: Path, path: str
) -> None:
    ledger = tmp_path / "ledger"
    hub = make_hub(counting(ledger))
    hold_request(hub, "POST", path, Cancel(hub))

    job = hub.job()

    state = hub.state()
    assert job.code == 130, job.log
    assert (state["outcome"], "lease" in state) == ("interrupted", False), job.log
    over(hub, job)
    carry_on(hub)
    assert hub.state()["outcome"] == "approved"
    assert runs(ledger) == EVERYTHING
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    markers = [review.body.splitlines()[0] for review in pull.reviews]
    assert markers == [f"<!-- loop-kit:T-001:review-r{n} -->" for n in (1, 2)]
    assert len(pull.issue.comments) == 1


def test_an_approval_whose_job_was_cancelled_is_posted_by_the_sweep(hub: Hub) -> None:
    hub.job()
    hold_request(hub, "POST", "/reviews", Cancel(hub))

    job = hub.continued()

    assert job.code == 130, job.log
    state = hub.state()
    assert (state["outcome"], "lease" in state) == ("approved", False)
    over(hub, job, "cancelled")
    assert sweep(hub).code == 0
    pull = hub.api.pull(REPOSITORY, 1)
    assert (pull.draft, pull.issue.labels) == (False, ["loop:approved"])
    assert len(pull.reviews) == 2


def test_a_second_signal_does_not_break_off_the_saving(hub: Hub) -> None:
    cancel = Cancel(hub)
    hold_push(hub, 2, cancel, 0.5)

    def again() -> None:
        eventually(lambda: bool(hub.running), "the job")
        (job,) = hub.running
        eventually(cancel.done.is_set, "the first signal")
        with contextlib.suppress(ProcessLookupError):
            for _ in range(20):
                os.kill(job.pid, signal.SIGTERM)
                time.sleep(0.05)

    more = threading.Thread(target=again)
    more.start()
    job = hub.job()
    more.join()

    assert job.code == 130, job.log
    assert (hub.state()["outcome"], "lease" in hub.state()) == ("interrupted", False), job.log


def test_an_agent_that_ignores_every_signal_has_three_seconds(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    script: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    deaf = f"trap '' INT TERM HUP; touch {begun}; while :; do sleep 1; done"
    script["scenes"][0]["steps"].insert(1, {"run": ["sh", "-c", deaf]})
    hub = make_hub(script)
    cancel = Cancel(hub)

    job = run_and_cancel(hub, begun.exists, cancel)

    state = hub.state()
    assert job.code == 130, job.log
    assert cancel.seconds < IN_ALL
    assert (state["outcome"], state["wip"]["commits"]) == ("interrupted", 1), job.log
    assert hub.bare.head("loop/T-001/work") == state["wip"]["sha"]


def test_what_does_not_arrive_in_time_is_settled_by_the_next_run(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    hub = make_hub(counting(ledger))
    cancel = Cancel(hub)

    def hold(push: Push) -> None:
        if len(hub.git.pushes) >= 2:
            hub.git.fail_next_push(times=20)
            cancel()
            time.sleep(1)

    hub.git.before_push = hold
    job = hub.job()

    assert job.code == 130, job.log
    assert cancel.seconds < IN_ALL
    assert "Not everything of this run is saved" in job.log
    while hub.git.take_fault("git-receive-pack"):
        pass
    over(hub, job)
    carry_on(hub)
    assert hub.state()["outcome"] == "approved"
    assert runs(ledger).count("worker 1") == 1


def run_and_cancel(hub: Hub, begun: Callable[[], bool], cancel: Cancel, **inputs: str) -> JobResult:
    """Run a job and cancel it when something has begun."""
    jobs: list[JobResult] = []
    runner = threading.Thread(target=lambda: jobs.append(hub.job(**inputs)))
    runner.start()
    eventually(begun, "what the job is cancelled at")
    cancel()
    runner.join(60)
    return jobs[0]


# --- what the next run makes of it ------------------------------------------------------------


def cancelled_at_work(hub: Hub) -> JobResult:
    cancel = Cancel(hub)
    hold_push(hub, 2, cancel, 0)
    job = hub.job()
    assert hub.state()["outcome"] == "interrupted", job.log
    return job


def test_what_a_person_cancelled_is_left_with_the_command_that_continues_it(hub: Hub) -> None:
    job = cancelled_at_work(hub)
    over(hub, job, "cancelled")

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    assert "handed to a person" in swept.summary
    state = hub.state()
    assert (state["outcome"], state["reasons"]) == ("interrupted", ["run_cancelled"])
    assert hub.api.dispatches == []
    grow_old(hub)
    requests, pushes = hub.api.count(), len(hub.git.pushes)
    assert "1 need nothing" in sweep(hub).log
    assert (hub.api.count(), len(hub.git.pushes)) == (requests, pushes)
    finish(hub)
    assert hub.state()["outcome"] == "approved"


@pytest.mark.parametrize("saved", [True, False], ids=["saved", "without a word"])
def test_who_asked_for_the_loop_reads_that_it_was_cancelled_and_what_continues_it(
    hub: Hub, saved: bool
) -> None:
    issue = hub.api.open_issue(REPOSITORY, "Calc", FORM, "mona", labels=["loop"])
    branch = "loop/issue-1/state"
    if saved:
        hold_push(hub, 2, Cancel(hub), 0)
    job = hub.job(event=labelled(issue), kill_after_push=0 if saved else 1)
    hub.git.after_push.clear()
    over(hub, job, "cancelled", branch)

    assert sweep(hub).code == 0

    (comment,) = issue.comments
    run = job.checkout.parent.name
    assert f"Run {run} was cancelled before its time was up" in comment.body
    assert "`/loop retry`" in comment.body
    retried = hub.job(event=commented(issue, hub.api.comment(REPOSITORY, 1, "mona", "/loop retry")))
    assert retried.code == 0, retried.log
    assert hub.state("issue-1")["usage"]["rounds"] == 1
    assert "was cancelled" not in issue.comments[0].body


def test_what_was_cancelled_after_the_time_for_a_round_goes_on(hub: Hub) -> None:
    job = cancelled_at_work(hub)
    state = hub.state()
    state["interrupted_run"]["deadline"] = state["failed_at"]
    rewrite(hub, state)
    over(hub, job, "cancelled")
    carry_on(hub)
    assert hub.state()["outcome"] == "approved"


def rewrite(hub: Hub, state: dict[str, Any]) -> None:
    hub.bare.commit_files("loop/T-001/state", {"state.json": json.dumps(state)}, "Rewrite")


def test_a_run_that_github_does_not_know_leaves_its_loop_to_a_person(hub: Hub) -> None:
    cancelled_at_work(hub)
    hub.git.before_push = None
    grow_old(hub)

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    assert hub.state()["reasons"] == ["run_unknown"]
    assert hub.api.dispatches == []


def test_a_run_that_has_not_ended_is_asked_about_again(hub: Hub) -> None:
    job = cancelled_at_work(hub)
    over(hub, job)
    hub.api.set_run(REPOSITORY, int(job.checkout.parent.name), "in_progress")

    assert "has not ended yet" in sweep(hub).log
    over(hub, job)
    carry_on(hub)
    assert hub.state()["outcome"] == "approved"


def test_two_shutdowns_at_the_same_work_end_the_loop(hub: Hub) -> None:
    over(hub, cancelled_at_work(hub))
    assert sweep(hub).code == 0
    cancel = Cancel(hub)
    hold_push(hub, len(hub.git.pushes) + 1, cancel, 0)
    second = hub.continued()
    assert second.code == 130, second.log
    over(hub, second)

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    assert hub.state()["outcome"] == "reviewer_dispatch_failed"
    assert "2 runs died" in hub.state()["error"]


@pytest.mark.parametrize(
    ("conclusion", "outcome"), [("cancelled", "interrupted"), ("failure", None)]
)
def test_a_job_that_died_without_a_word_is_judged_by_how_its_run_ended(
    hub: Hub, conclusion: str, outcome: str | None
) -> None:
    killed = hub.job(kill_after_push=1)
    hub.git.after_push.clear()
    over(hub, killed, conclusion)

    assert sweep(hub).code == 0

    assert hub.state().get("outcome") == outcome
    assert len(hub.api.dispatches) == (outcome is None)


def test_a_cancelled_job_that_a_person_runs_again_continues(hub: Hub) -> None:
    hub.job()
    asked = {k.replace("-", "_"): v for k, v in hub.api.dispatches[-1].inputs.items()}
    cancel = Cancel(hub)
    hold_push(hub, len(hub.git.pushes) + 2, cancel, 0)
    cancelled = hub.continued()
    hub.git.before_push = None
    assert hub.state()["outcome"] == "interrupted", cancelled.log

    event = dispatched(hub.api.dispatches[-1].inputs, BOT)
    again = hub.rerun(event, cancelled, **asked)

    assert again.code == 0, again.log
    assert hub.state()["outcome"] == "approved", again.log


def test_cancelled_agents_of_three_jobs_leave_their_work_to_be_published(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    script: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    wait = {"run": ["sh", "-c", f"test -e {begun} || {{ touch {begun}; sleep 60; }}"]}
    script["scenes"][0]["steps"].insert(1, wait)
    hub = make_hub(script)
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub, task=".loop/task_card.json")
    cancel = Cancel(hub)
    agents: list[JobResult] = []
    job = threading.Thread(target=lambda: agents.append(three_jobs.later(hub, "agents", first)))
    job.start()
    eventually(begun.exists, "the worker's first half")
    cancel()
    job.join(60)

    published = three_jobs.later(hub, "publish", first, three_jobs.uploaded(agents[0]))

    state = hub.state()
    assert (state["outcome"], "lease" in state) == ("interrupted", False), published.log
    assert state["interrupted_run"]["run_id"] == first.checkout.parent.name
    over(hub, first, "cancelled")
    assert sweep(hub).code == 0
    assert hub.state()["reasons"] == ["run_cancelled"]


def cancel_at(hub: Hub, command: str, event: Event, cancel: Cancel) -> JobResult:
    """Run a job whose git takes half a minute for the commands with this word, and cancel it."""
    folder, begun = hub.root / f"bin-{len(hub.jobs)}", hub.root / f"begun-{len(hub.jobs)}"
    folder.mkdir()
    git = folder / "git"
    slow = f'case "$*" in *"{command}"*) touch {begun}; exec sleep 30;; esac'
    git.write_text(f'#!/bin/sh\n{slow}\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    env = {"PATH": f"{folder}:{os.environ['PATH']}"}
    jobs: list[JobResult] = []
    runner = threading.Thread(target=lambda: jobs.append(hub.job(event=event, env=env)))
    runner.start()
    eventually(begun.exists, f"git with {command!r}")
    cancel()
    runner.join(60)
    assert jobs[0].code == 130, jobs[0].log
    return jobs[0]


@pytest.mark.parametrize("command", ["loop-kit-seen", " push "], ids=["loads", "pushes"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_that_was_cancelled_before_its_first_push_says_so_on_the_issue(
    hub: Hub, number: signal.Signals, command: str
) -> None:
    issue = hub.api.open_issue(REPOSITORY, "Calc", FORM, "mona", labels=["loop"])
    cancel = Cancel(hub, number)

    cancel_at(hub, command, labelled(issue), cancel)

    assert cancel.seconds < IN_ALL
    assert hub.git.pushes == []
    (comment,) = issue.comments
    assert "cancelled or shut down before the loop could be saved" in comment.body
    assert "Put the label on again" in comment.body
    again = hub.job(event=labelled(issue))
    assert again.outputs["decision"] == "changes_required", again.log


def test_a_command_that_was_cancelled_before_its_first_push_is_to_be_commented_again(
    hub: Hub,
) -> None:
    issue = hub.api.open_issue(REPOSITORY, "Calc", FORM, "mona", labels=["loop"])
    hub.job(event=labelled(issue))
    hub.job(event=said(hub, issue, "/loop stop"))
    pushes = len(hub.git.pushes)

    cancel_at(hub, " push ", said(hub, issue, "/loop retry"), Cancel(hub))

    assert len(hub.git.pushes) == pushes
    assert hub.state("issue-1")["outcome"] == "cancelled"
    assert "Comment it again" in issue.comments[-1].body
    again = hub.job(event=said(hub, issue, "/loop retry"))
    assert again.outputs["outcome"] == "approved", again.log


def said(hub: Hub, issue: Issue, words: str) -> Event:
    return commented(issue, hub.api.comment(REPOSITORY, issue.number, "mona", words))
