"""Red checks go back to the worker, and an approval waits for them without a run."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tests.e2e import three_jobs
from tests.e2e.conftest import REPOSITORY, TWO_ROUNDS
from tests.e2e.events import workflow_ended
from tests.e2e.test_sweep_in_ci import grow_old, sweep

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, MakeHub
    from tests.support.git_server import Push

WORK = "loop/T-001/work"
RED = "2026-01-01T00:00:00.0Z E assert 1 == 2\n2026-01-01T00:00:00.0Z ##[error]exit code 1\n"


def both_fixed() -> dict[str, Any]:
    """The script whose second review settles two findings."""
    script = copy.deepcopy(TWO_ROUNDS)
    report = script["scenes"][3]["steps"][0]["report"]
    report["dispositions"] = [{"id": id_, "status": "fixed"} for id_ in ("F1", "F2")]
    return script


def check_pushed_work(hub: Hub, name: str, conclusion: str | None, log: str = "") -> None:
    """Let every commit of the work branch get a check when it is pushed."""
    main = hub.bare.head("main")

    def check(push: Push) -> None:
        head = hub.bare.head(WORK)
        known = {check.sha for check in hub.api.repository(REPOSITORY).check_runs}
        if head and head != main and head not in known:
            steps = (("pytest", conclusion),)
            hub.api.add_check(REPOSITORY, head, name, conclusion, steps=steps, log=log)

    hub.git.after_push.append(check)


def pend_status(hub: Hub) -> None:
    """Let every commit of the work branch get a commit status that is pending."""
    repository = hub.api.repository(REPOSITORY)

    def pend(push: Push) -> None:
        head = hub.bare.head(WORK)
        if head and not repository.statuses_of(head):
            hub.api.set_status(REPOSITORY, head, "external", "pending")

    hub.git.after_push.append(pend)


def test_a_red_check_is_a_finding_and_the_end_of_a_workflow_decides_an_approval_that_waits(
    make_hub: MakeHub,
) -> None:
    hub = make_hub(both_fixed(), files={".github/workflows/ci.yml": "name: CI\non: [push]\n"})
    check_pushed_work(hub, "unit", "failure", RED)
    assert hub.job().code == 0
    hub.git.after_push.pop()
    check_pushed_work(hub, "unit", None)
    before = hub.api.count()

    waiting = hub.continued()

    assert waiting.code == 0, waiting.log
    state = hub.state()
    (found,) = (f for f in state["findings"] if f.get("by") == "checks")
    assert (found["reason"], found["status"]) == ("check failed: unit", "fixed")
    assert found["scenario"] == "step: pytest\nE assert 1 == 2\nexit code 1"
    assert (state["state"], state["waiting_for"]) == ("awaiting_review", ["unit"])
    assert "lease" not in state
    assert len(hub.api.dispatches) == 1
    assert "waiting for 1 check: unit" in waiting.log
    assert hub.api.count() - before <= 14
    unseen = ".github/workflows/loop.yml does not start at the end of CI: only the sweep does"
    assert waiting.log.count(unseen) == 1, waiting.log

    (first, second) = hub.api.repository(REPOSITORY).check_runs
    pushes = len(hub.git.pushes)
    early = hub.job(event=workflow_ended(WORK, second.sha))
    stale = hub.job(event=workflow_ended(WORK, first.sha))
    assert (early.code, stale.code, len(hub.git.pushes)) == (0, 0, pushes), early.log
    assert unseen not in early.log
    hub.api.end_check(second, "success")
    ended = hub.job(event=workflow_ended(WORK, second.sha))

    assert ended.code == 0, ended.log
    assert ended.outputs["outcome"] == "approved"
    assert hub.state()["outcome"] == "approved"
    assert hub.state()["usage"]["dispatches"] == 1
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert not pull.draft


def test_the_sweep_decides_an_approval_that_waits_for_a_commit_status(hub: Hub) -> None:
    hub.job()
    pend_status(hub)
    hub.continued()
    hub.git.after_push.pop()
    assert hub.state()["waiting_for"] == ["external"]
    grow_old(hub)
    assert "waiting for 1 check: external" in sweep(hub).log
    hub.api.set_status(REPOSITORY, str(hub.bare.head(WORK)), "external", "success")

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    assert hub.state()["outcome"] == "approved"
    assert hub.state()["usage"]["dispatches"] == 1
    assert "decided by its checks" in swept.summary


def test_the_sweep_says_that_somebody_pushed_and_waits_for_no_check_of_the_commit_before(
    hub: Hub,
) -> None:
    hub.job()
    pend_status(hub)
    hub.continued()
    hub.git.after_push.pop()
    hub.bare.commit_files(WORK, {"theirs.py": "theirs = 1\n"}, "Theirs")
    grow_old(hub)

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    assert hub.state()["reasons"] == ["human_push"]
    assert "handed to a person" in swept.summary, swept.summary


def test_the_sweep_approves_nothing_that_a_person_wants_changed(hub: Hub) -> None:
    hub.job()
    pend_status(hub)
    hub.continued()
    hub.git.after_push.pop()
    hosted = hub.api.repository(REPOSITORY)
    (pull,) = hosted.pulls.values()
    hosted.review(pull, "mona", "Say what it adds", "CHANGES_REQUESTED")
    hub.api.set_status(REPOSITORY, str(hub.bare.head(WORK)), "external", "success")
    grow_old(hub)

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    state = hub.state()
    assert (state["state"], state["round"]) == ("awaiting_work", 3)
    assert [f["by"] for f in state["findings"] if f["status"] == "open"] == ["mona"]
    assert len(hub.api.dispatches) == 2


def test_in_three_jobs_claim_and_publish_read_the_checks_and_the_agents_job_none(
    make_hub: MakeHub,
) -> None:
    hub = make_hub(both_fixed())
    check_pushed_work(hub, "unit", "failure", RED)
    three_jobs.run(hub)
    hub.git.after_push.pop()
    check_pushed_work(hub, "unit", None)

    second = three_jobs.continued(hub)

    assert second.published.code == 0, second.published.log
    assert [f.get("by", "") for f in hub.state()["findings"]] == ["", "checks"]
    assert hub.state()["waiting_for"] == ["unit"]
    assert second.published.outputs["continue"] == "false"
    check = hub.api.repository(REPOSITORY).check_runs[-1]
    hub.api.end_check(check, "success")

    ended = three_jobs.claim(hub, event=workflow_ended(WORK, check.sha))

    assert (ended.code, ended.outputs["continue"]) == (0, "false"), ended.log
    assert hub.state()["outcome"] == "approved"
