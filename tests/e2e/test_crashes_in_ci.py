"""A job dies at any point: the next one repeats only what is outstanding."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.conftest import BOT, REPOSITORY, TWO_ROUNDS

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, JobResult, MakeHub


def counting(ledger: Path) -> dict[str, Any]:
    """The two-round script, each scene of which leaves a line in `ledger`."""
    script: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    for scene in script["scenes"]:
        line = f"{scene['role']} {scene['round']}"
        scene["steps"].insert(0, {"run": ["sh", "-c", f"echo {line} >> {ledger}"]})
    return script


def runs(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines() if ledger.exists() else []


def finish(hub: Hub) -> list[JobResult]:
    """Start jobs, as a sweep would, until the loop is done."""
    jobs = []
    while not jobs or hub.state().get("state") != "done":
        jobs.append(hub.job(task_id="T-001"))
        assert jobs[-1].code == 0, jobs[-1].log
        assert len(jobs) < 5
    return jobs


@pytest.mark.parametrize("push", [1, 2, 3, 4])
def test_a_job_killed_after_any_push_costs_no_finished_agent_and_posts_nothing_twice(
    make_hub: MakeHub, tmp_path: Path, push: int
) -> None:
    ledger = tmp_path / "ledger"
    hub = make_hub(counting(ledger))

    killed = hub.job(kill_after_push=push)
    hub.git.after_push.clear()
    hub.end_run(killed.checkout.parent.name)
    finish(hub)

    assert killed.code == -9
    assert hub.state()["outcome"] == "approved"
    assert runs(ledger)[-3:].count("worker 1") <= (1 if push == 1 else 0)
    assert runs(ledger).count("worker 2") == 1
    assert runs(ledger).count("worker 1") <= (2 if push == 1 else 1)
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    markers = [review.body.splitlines()[0] for review in pull.reviews]
    assert markers == [f"<!-- loop-kit:T-001:review-r{n} -->" for n in (1, 2)]


def test_a_lost_answer_to_a_post_does_not_make_it_twice(hub: Hub) -> None:
    hub.api.fail_next("POST", r"/pulls$", drop_after=True)
    hub.api.fail_next("POST", r"/reviews$", drop_after=True)

    first = hub.job()

    assert first.code == 0, first.log
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert len(pull.reviews) == 1
    assert hub.state()["pull_request"] == pull.number


def test_a_push_whose_answer_fails_is_tried_again(hub: Hub) -> None:
    hub.git.fail_next_push(times=1, status=502)

    first = hub.job()

    assert first.code == 0, first.log
    assert first.outputs["continue"] == "true"


def test_a_live_lease_makes_another_job_end_green_as_busy(hub: Hub) -> None:
    killed = hub.job(kill_after_push=1)
    hub.git.after_push.clear()
    hub.api.set_run(REPOSITORY, int(killed.checkout.parent.name), "in_progress")

    second = hub.job()

    assert second.code == 0
    assert "busy: run" in second.log
    assert len(hub.git.pushes) == 1


def test_two_jobs_at_once_one_works_and_the_other_is_busy(hub: Hub) -> None:
    others: list[JobResult] = []

    def be_faster(push: object) -> None:
        if not others:
            others.append(hub.job())

    hub.git.before_push = be_faster

    late = hub.job()

    assert (others[0].code, late.code) == (0, 0), others[0].log + late.log
    assert "busy: another run took over T-001" in late.log
    assert others[0].outputs["continue"] == "true"
    assert len(hub.git.pushes) == 4
    assert len(hub.api.dispatches) == 1


def test_a_command_in_the_inbox_while_a_round_runs_is_kept(hub: Hub) -> None:
    branch = "loop/T-001/state"
    dropped = threading.Event()

    def drop(push: object) -> None:
        if len(hub.git.pushes) == 1 and not dropped.is_set():
            dropped.set()
            hub.bare.commit_files(branch, {"inbox/77.json": "{}"}, "a command")

    hub.git.before_push = drop

    first = hub.job()

    assert first.code == 0, first.log
    assert hub.bare.file(branch, "inbox/77.json") == b"{}"
    assert hub.state()["continue_to"] == 2


def test_commits_that_a_person_pushed_stop_the_loop_until_it_is_started_again(hub: Hub) -> None:
    hub.job()
    hub.bare.commit_files("loop/T-001/work", {"note.txt": "mine"}, "A person's commit")

    stopped = hub.continued()

    assert stopped.code == 0
    assert stopped.outputs["outcome"] == "needs_human"
    assert hub.state()["reasons"] == ["human_push"]

    accepted = hub.job(task_id="T-001")

    assert accepted.outputs["outcome"] == "approved", accepted.log
    assert hub.bare.file("loop/T-001/work", "note.txt") == b"mine"


def test_a_push_by_a_person_during_a_round_loses_neither_their_work_nor_the_workers(
    hub: Hub,
) -> None:
    def push_too(push: object) -> None:
        if len(hub.git.pushes) == 1:
            hub.bare.commit_files("loop/T-001/work", {"note.txt": "mine"}, "A person's commit")

    hub.git.before_push = push_too

    job = hub.job()

    assert job.outputs["outcome"] == "needs_human", job.log
    assert hub.state()["reasons"] == ["human_push"]
    assert hub.bare.file("loop/T-001/work", "note.txt") == b"mine"
    (held,) = [name for name in hub.bare.branches() if "/held-" in name]
    assert held in job.log
    assert b"a + b" in (hub.bare.file(held, "calc.py") or b"")


def test_an_unreachable_api_leaves_posts_outstanding_and_the_next_job_makes_them(
    hub: Hub,
) -> None:
    hub.api.fail_next("POST", r"/pulls$", status=503, times=9)
    first = hub.job()
    assert first.code == 0, first.log
    assert {item["status"] for item in hub.state()["outbox"]} == {"pending"}

    hub.api.fail_next("POST", r"/pulls$", status=200, times=0)
    finish(hub)

    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert len(pull.reviews) == 2


def test_a_rerun_of_a_finished_job_changes_nothing(hub: Hub) -> None:
    hub.job()
    hub.continued()
    pushes, requests = len(hub.git.pushes), hub.api.count("POST")

    again = hub.job()

    assert again.code == 0
    assert "use a new task id" in again.log
    assert (len(hub.git.pushes), hub.api.count("POST")) == (pushes, requests)


def test_a_bot_without_the_state_it_continues_is_not_believed(hub: Hub) -> None:
    hub.job()

    alone = hub.job(sender=BOT, task_id="T-001")

    assert alone.code == 0
    assert "names its round and state" in alone.log
    assert len(hub.git.pushes) == 4
