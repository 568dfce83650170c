"""Claim, agents and publish, each in a job of its own, do what one job does in as many pushes."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e import three_jobs
from tests.e2e.conftest import APPROVED, BOT, CARD, REPOSITORY, TWO_ROUNDS
from tests.e2e.events import commented, labelled
from tests.e2e.test_crashes_in_ci import counting, runs
from tests.e2e.test_issues_in_ci import opened
from tests.support.git_policy import PATH_RULE, SECRET_RULE, SIZE_RULE, set_content_rules

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Hub, JobResult, MakeHub
    from tests.support.github_state import Issue


def script(*steps: dict[str, Any], role: str = "worker") -> dict[str, Any]:
    """The two-round script, whose first scene of `role` has these steps instead of its own."""
    changed: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    scene = next(scene for scene in changed["scenes"] if scene["role"] == role)
    scene["steps"] = list(steps)
    return changed


def record(run: three_jobs.Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.bundle / "bundle.json").read_text())
    return found


def test_two_rounds_in_three_jobs_each_lead_to_approval_with_four_pushes_each(hub: Hub) -> None:
    first = three_jobs.run(hub, sign_off="true")

    assert first.published.code == 0, first.published.log
    assert first.published.outputs["decision"] == "changes_required", first.published.log
    assert first.published.outputs["continue"] == "true"
    assert first.agents is not None
    assert first.agents.outputs["continue"] == "false"
    assert len(hub.git.pushes) == 4
    assert hub.state().get("lease") is None

    second = three_jobs.continued(hub)

    assert second.agents is not None
    for number, run in ((1, first), (2, second)):
        jobs = (run.claim, run.agents, run.published)
        names = [job.outputs.get("record-name") for job in jobs if job is not None]
        assert names == [None, f"loop-T-001-r{number}", None]
        assert {job.outputs["round"] for job in jobs if job is not None} == {str(number)}
    assert second.published.outputs["outcome"] == "approved", second.published.log
    assert len(hub.git.pushes) == 8
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert not pull.draft
    assert [review.body.splitlines()[0] for review in pull.reviews] == [
        "<!-- loop-kit:T-001:review-r1 -->",
        "<!-- loop-kit:T-001:review-r2 -->",
    ]
    assert b"return a * 2" in (hub.bare.file("loop/T-001/work", "calc.py") or b"")
    trailers = ("log", "--format=%(trailers:only,separator=;)", "main..loop/T-001/work")
    origin = "Loop-Id: T-001;Loop-Round: {};Loop-Role: worker;Loop-Backend: scripted"
    signed = f";Signed-off-by: {BOT} <41898282+{BOT}@users.noreply.github.com>"
    assert hub.bare.git(*trailers).split("\n")[:2] == [origin.format(2), origin.format(1) + signed]


def test_claim_runs_no_agent_and_no_verify_command_and_pushes_once(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    ledger, verified = tmp_path / "ledger", tmp_path / "verified"
    hub = make_hub(counting(ledger))

    job = three_jobs.claim(hub, verify=f"touch {verified}")

    assert job.code == 0, job.log
    assert (job.outputs["task-id"], job.outputs["continue"]) == ("T-001", "true")
    assert len(hub.git.pushes) == 1
    assert hub.state()["lease"]["run_id"] == job.checkout.parent.name
    assert hub.bare.head("loop/T-001/work") == hub.bare.head("main")
    assert runs(ledger) == []
    assert not verified.exists()


def test_agents_run_once_and_nothing_of_the_repository_runs_beside_the_token(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    ledger, verified = tmp_path / "ledger", tmp_path / "verified"
    hub = make_hub(counting(ledger), card={**CARD, "verify": [f"echo >> {verified}"]})

    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)
    agents = three_jobs.later(hub, "agents", first)
    ran = verified.read_text()
    published = three_jobs.later(hub, "publish", first, three_jobs.uploaded(agents))

    assert published.outputs["decision"] == "changes_required", published.log
    assert runs(ledger) == ["worker 1", "reviewer 1"]
    assert (ran, verified.read_text()) == ("\n\n", "\n\n")
    assert hub.state()["history"][0]["verified"] is True


def test_the_agents_job_pushes_nothing_and_asks_the_api_nothing(hub: Hub) -> None:
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)
    asked = len(hub.api.requests)

    agents = three_jobs.later(hub, "agents", first)

    assert agents.code == 0, agents.log
    assert len(hub.git.pushes) == 1
    assert len(hub.api.requests) == asked
    names = sorted(path.name for path in three_jobs.uploaded(agents).iterdir())
    assert names == ["bundle.json", "work.bundle"]


def test_what_the_agents_spent_is_counted_once(hub: Hub) -> None:
    run = three_jobs.run(hub)

    told = record(run)["spent"]
    seconds = told["worker"]["agent_seconds"] + told["reviewer"]["agent_seconds"]
    assert hub.state()["usage"]["agent_seconds"] == pytest.approx(seconds, abs=0.01)
    assert hub.state()["usage"]["rounds"] == 1


def test_a_round_costs_as_many_requests_as_in_one_job(hub: Hub) -> None:
    three_jobs.run(hub)

    rest = [request for request in hub.api.requests if request.path != "/graphql"]
    assert len(rest) <= 8


def test_an_issue_is_greeted_once_and_hears_of_the_pull_request(hub: Hub) -> None:
    issue = opened(hub)

    three_jobs.run(hub, event=labelled(issue))

    assert [comment.body.splitlines()[0] for comment in issue.comments] == [
        "<!-- loop-kit:issue-1:acknowledgement -->"
    ]
    assert len(hub.git.pushes) == 4


def test_a_worker_that_fails_ends_the_loop_as_it_would_in_one_job(make_hub: MakeHub) -> None:
    hub = make_hub(script({"crash": 3}))

    run = three_jobs.run(hub, dispatch_retries="0")

    assert run.agents is not None
    assert run.agents.code == 0
    assert run.published.code == 2
    assert run.published.outputs["outcome"] == "worker_dispatch_failed"
    assert "scripted ended with an error (exit code 3)" in hub.state()["error"]
    assert hub.bare.head("loop/T-001/work") == hub.bare.head("main")
    assert hub.state().get("lease") is None


def test_a_reviewer_that_fails_leaves_the_work_saved(make_hub: MakeHub) -> None:
    hub = make_hub(script({"raw_report": "no"}, role="reviewer"))

    run = three_jobs.run(hub)

    assert run.published.code == 3, run.published.log
    assert run.published.outputs["outcome"] == "invalid_review_report"
    assert hub.state()["resume_phase"] == "awaiting_review"
    assert b"a + b" in (hub.bare.file("loop/T-001/work", "calc.py") or b"")


@pytest.mark.parametrize("jobs", ["one", "three"])
def test_reports_that_were_refused_are_in_the_archive_on_the_state_branch(
    make_hub: MakeHub, jobs: str
) -> None:
    hub = make_hub(script({"raw_report": "no"}, role="reviewer"))

    job = hub.job() if jobs == "one" else three_jobs.run(hub).published

    assert job.outputs["outcome"] == "invalid_review_report", job.log
    names = [f"archive/T-001/r1_review_report_refused_{n}.txt" for n in (1, 2)]
    kept = [hub.bare.file("loop/T-001/state", name) or b"" for name in names]
    assert [raw.startswith(b"Refused: ") and raw.endswith(b"\n\nno") for raw in kept] == [True] * 2


@pytest.mark.parametrize("jobs", ["one", "three"])
@pytest.mark.parametrize("second", ["approve", "changes_required"])
def test_a_review_of_which_nothing_blocks_is_asked_for_once_more(
    make_hub: MakeHub, jobs: str, second: str
) -> None:
    def sent_back() -> dict[str, Any]:
        vague = {"file": "calc.py", "line": 6, "reason": "names could be better"}
        return {"report": {"decision": "changes_required", "blocking_issues": [vague]}}

    last = {"report": APPROVED} if second == "approve" else sent_back()
    first = {"role": "reviewer", "attempt": 1, "steps": [sent_back()]}
    hub = make_hub({"scenes": [first, *script(last, role="reviewer")["scenes"]]})

    verify = {"verify": "true"}
    job = hub.job(**verify) if jobs == "one" else three_jobs.run(hub, **verify).published

    outcome = "approved" if second == "approve" else "needs_human"
    assert job.outputs["outcome"] == outcome, job.log
    assert hub.state().get("reasons", []) == ([] if second == "approve" else ["bar"])
    assert hub.state()["usage"]["rounds"] == 1
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert len(pull.reviews) == 1


def test_a_change_out_of_scope_stops_the_loop_with_its_reason(make_hub: MakeHub) -> None:
    edit = {"write": {"path": "test_calc.py", "text": "assert True\n"}}
    steps = (edit, {"commit": "Easier"}, {"report": {"notes": "done"}})
    hub = make_hub(script(*steps))

    run = three_jobs.run(hub)

    assert run.published.code == 0
    assert hub.state()["outcome"] == "needs_human"
    assert hub.state()["reasons"] == ["scope"]
    assert "test_calc.py is out of scope" in hub.state()["error"]


def test_a_verify_command_that_cannot_run_stops_the_loop_unspent(hub: Hub) -> None:
    run = three_jobs.run(hub, verify="no-such-program-anywhere")

    assert run.published.outputs["outcome"] == "verify_unavailable", run.published.log
    assert hub.state()["usage"].get("agent_seconds", 0) == 0


def test_without_a_bundle_the_loop_ends_visibly_and_can_be_retried(hub: Hub) -> None:
    issue = opened(hub)
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub, labelled(issue))

    published = three_jobs.later(hub, "publish", first)

    assert published.code == 2
    assert published.outputs["outcome"] == "worker_dispatch_failed"
    assert "left no usable bundle: loop-kit-bundle is missing or empty" in published.log
    assert "loop:failed" in issue.labels
    assert len(issue.comments) == 1
    assert "left no usable bundle" in issue.comments[0].body
    again = say(hub, issue, "/loop retry", phase="claim")
    assert again.outputs["continue"] == "true", again.log


def say(hub: Hub, issue: Issue, text: str, **inputs: Any) -> JobResult:
    comment = hub.api.comment(REPOSITORY, issue.number, "mona", text)
    return hub.job(event=commented(issue, comment), **inputs)


def test_a_stop_before_the_agents_runs_none_and_cancels(make_hub: MakeHub, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    hub = make_hub(counting(ledger))
    issue = opened(hub)
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub, labelled(issue))
    hub.api.set_run(REPOSITORY, int(first.checkout.parent.name), "in_progress")
    say(hub, issue, "/loop stop", phase="claim")

    agents = three_jobs.later(hub, "agents", first)
    published = three_jobs.later(hub, "publish", first, three_jobs.uploaded(agents))

    assert "waits: no agent is run" in agents.log
    assert runs(ledger) == []
    assert published.code == 0, published.log
    assert published.outputs["outcome"] == "cancelled"
    assert hub.api.dispatches == []


def test_a_pause_while_agents_work_keeps_what_was_paid_for(hub: Hub) -> None:
    issue = opened(hub)
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub, labelled(issue))
    hub.api.set_run(REPOSITORY, int(first.checkout.parent.name), "in_progress")
    agents = three_jobs.later(hub, "agents", first)
    say(hub, issue, "/loop pause", phase="claim")

    published = three_jobs.later(hub, "publish", first, three_jobs.uploaded(agents))

    assert published.code == 0, published.log
    state = hub.state("issue-1")
    assert (state["state"], state["resume_phase"]) == ("paused", "awaiting_review")
    assert b"a + b" in (hub.bare.file("loop/issue-1/work", "calc.py") or b"")


def test_a_push_of_a_person_while_agents_work_is_kept_and_theirs_set_aside(hub: Hub) -> None:
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)
    agents = three_jobs.later(hub, "agents", first)
    pushed = hub.bare.commit_files("loop/T-001/work", {"notes.txt": "mine\n"}, "By hand")

    published = three_jobs.later(hub, "publish", first, three_jobs.uploaded(agents))

    assert published.outputs["outcome"] == "needs_human", published.log
    assert hub.state()["reasons"] == ["human_push"]
    assert hub.bare.head("loop/T-001/work") == pushed
    held = [name for name in hub.bare.branches() if name.startswith("loop/T-001/held-")]
    assert len(held) == 1
    assert b"a + b" in (hub.bare.file(held[0], "calc.py") or b"")


def test_jobs_that_are_run_again_after_the_handing_over_change_nothing(hub: Hub) -> None:
    run = three_jobs.run(hub)
    pushes, state = len(hub.git.pushes), hub.state()

    agents = three_jobs.later(hub, "agents", run.claim, attempt=2)
    published = three_jobs.later(hub, "publish", run.claim, run.bundle, attempt=2)

    assert (agents.code, published.code) == (0, 0)
    assert "this run has handed it over already" in agents.log
    assert "this run has handed it over already" in published.log
    assert not three_jobs.uploaded(agents).exists()
    assert (len(hub.git.pushes), hub.state()) == (pushes, state)
    assert published.outputs.get("continue", "") != "true"


@pytest.mark.parametrize("push", [1, 2, 3])
def test_a_publish_that_died_is_run_again_and_repeats_only_what_is_outstanding(
    hub: Hub, push: int
) -> None:
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)
    agents = three_jobs.later(hub, "agents", first)
    bundle = three_jobs.uploaded(agents)
    died = three_jobs.later(hub, "publish", first, bundle, kill_after_push=push)
    hub.git.after_push.clear()

    again = three_jobs.later(hub, "publish", first, bundle, attempt=2)

    assert died.code == -9
    assert again.code == 0, again.log
    assert hub.state()["state"] == "awaiting_work"
    assert hub.state()["round"] == 2
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert len(pull.reviews) == 1
    if push < 3:
        assert len(hub.api.dispatches) == 1
        assert len(hub.git.pushes) == 4


def test_a_claim_that_finds_the_loop_over_shows_that_and_hands_over(hub: Hub) -> None:
    three_jobs.run(hub)
    hub.bare.commit_files("loop/T-001/work", {"notes.txt": "mine\n"}, "By hand")

    job = three_jobs.claim(hub, task_id="T-001")

    assert job.outputs["outcome"] == "needs_human", job.log
    assert job.outputs["continue"] == "false"
    assert hub.state().get("lease") is None
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert "loop:needs-human" in pull.issue.labels


def test_a_dry_run_of_a_later_phase_changes_nothing(hub: Hub) -> None:
    first = three_jobs.claim(hub)

    job = three_jobs.later(hub, "publish", first, dry_run="true")

    assert job.code == 0, job.log
    assert "Nothing is changed." in job.log
    assert len(hub.git.pushes) == 1


def test_a_loop_of_another_run_is_left_alone(hub: Hub) -> None:
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)
    pushes = len(hub.git.pushes)

    for phase in ("agents", "publish"):
        token = {"INPUT_GITHUB_TOKEN": three_jobs.READER} if phase == "agents" else {}
        job = hub.job(env=token, phase=phase, task_id="T-001")
        assert job.code == 0, job.log
        assert f"busy: run {first.checkout.parent.name} is working on T-001" in job.log
    assert len(hub.git.pushes) == pushes


def test_a_later_phase_without_a_loop_or_a_task_id_says_what_is_missing(hub: Hub) -> None:
    assert "nothing was claimed" in hub.job(phase="agents", task_id="T-009").log
    unnamed = hub.job(phase="publish")
    assert unnamed.code == 3
    assert "Pass the output task-id of the phase claim." in unnamed.log


def refused(*extra: dict[str, Any], again: dict[str, Any] | None = None) -> dict[str, Any]:
    """The two-round script, whose worker first does `extra`, and `again` when it got that back."""
    changed: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    worker = changed["scenes"][0]
    second = copy.deepcopy(worker)
    second["attempt"] = 2
    second["steps"][:0] = copy.deepcopy([again] if again else [])
    worker["steps"][:0] = list(extra)
    changed["scenes"].insert(0, second)
    return changed


KEY = "AKIA0EXAMPLE0KEY0000"
LARGE = {"write": {"path": "big.txt", "text": "x" * 400_000}}
SECRET = {"write": {"path": "settings.py", "text": f"KEY = '{KEY}'\n"}}
RULES = {
    "secret": (SECRET, SECRET_RULE.replace("@PATTERN@", KEY)),
    "size": (LARGE, SIZE_RULE.replace("@LIMIT@", "300000")),
    "path": (LARGE, PATH_RULE.replace("@PATTERN@", "big.txt")),
}


@pytest.mark.parametrize("rule", RULES)
def test_refused_content_goes_back_to_the_worker_once_quoted(make_hub: MakeHub, rule: str) -> None:
    step, hook = RULES[rule]
    hub = make_hub(refused(step))
    set_content_rules(hub.bare, hook)

    first = three_jobs.run(hub)

    state = hub.state()
    assert first.published.code == 0, first.published.log
    assert (state["state"], state["round"], "lease" in state) == ("awaiting_work", 1, False)
    assert step["write"]["path"] in state["attempt"]["feedback"]
    spent = record(first)["spent"]
    seconds = spent["worker"]["agent_seconds"] + spent["reviewer"]["agent_seconds"]
    assert state["usage"]["agent_seconds"] == pytest.approx(seconds, abs=0.01)
    assert first.published.outputs["continue"] == "true"

    second = three_jobs.continued(hub)

    assert "worker (scripted), attempt 2" in second.agents_log
    assert second.published.outputs["decision"] == "changes_required", second.published.log
    assert hub.state()["usage"]["rounds"] == 1


@pytest.mark.parametrize("rule", RULES)
def test_content_that_is_refused_twice_ends_the_loop_with_what_was_paid_for(
    make_hub: MakeHub, rule: str
) -> None:
    step, hook = RULES[rule]
    hub = make_hub(refused(step, again=step))
    set_content_rules(hub.bare, hook)
    three_jobs.run(hub)

    published = three_jobs.continued(hub).published

    state = hub.state()
    assert (state["outcome"], state["reasons"]) == ("needs_human", ["push_refused"]), published.log
    assert "lease" not in state
    assert ("held" in state) == (rule != "secret")
    assert ("bundle-path" in published.outputs) == (rule != "secret")
    assert KEY not in hub.bare.git("log", "-p", "--branches=loop/*", "--not", "main")
    if rule == "secret":
        return
    set_content_rules(hub.bare)
    three_jobs.admit_reader(hub)
    retried = three_jobs.claim(hub, task_id="T-001")
    agents = three_jobs.later(hub, "agents", retried)
    assert "worker (scripted)" not in agents.log
    published = three_jobs.later(hub, "publish", retried, three_jobs.uploaded(agents))
    assert published.outputs["decision"] == "changes_required", published.log
