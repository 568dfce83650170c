"""A second reviewer in CI: in one job and in three, with what is posted about both reviews."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.e2e import three_jobs
from tests.e2e.conftest import APPROVED, REPOSITORY

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, MakeHub

MORE = {
    "decision": "changes_required",
    "summary": "double is still wrong for text",
    "blocking_issues": [
        {"severity": "high", "reason": "double('a') is 'aa'", "scenario": "double('a')"}
    ],
}


def reviewed_twice(make_hub: MakeHub, *steps: dict[str, Any], mode: str = "optional") -> Hub:
    """A repository whose second reviewer, in round 2, takes these steps."""
    scenes = {"scenes": [{"role": "reviewer", "steps": list(steps)}]}
    config = {"second-reviewer": "scripted:.loop/second.yml", "second-reviewer-mode": mode}
    files = {
        ".loop/second.yml": yaml.safe_dump(scenes),
        ".loop/config.yaml": yaml.safe_dump(config),
    }
    return make_hub(files=files)


def two_rounds(hub: Hub, *, jobs: int) -> Any:
    """The outputs of the second round, run in one job or in three."""
    if jobs == 1:
        hub.job()
        return hub.continued().outputs
    three_jobs.run(hub)
    return three_jobs.continued(hub).published.outputs


def posts(hub: Hub) -> str:
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    return "\n".join(post.body for post in (*pull.reviews, *pull.issue.comments))


@pytest.mark.parametrize("jobs", [1, 3])
def test_both_approve_and_every_post_says_so(make_hub: MakeHub, jobs: int) -> None:
    hub = reviewed_twice(make_hub, {"report": {**APPROVED, "summary": "right for me too"}})

    outputs = two_rounds(hub, jobs=jobs)

    assert outputs["outcome"] == "approved"
    state = hub.state()
    assert [one["decision"] for one in state["history"][1]["reviews"]] == ["approve", "approve"]
    assert state["history"][1]["reviews"][1]["reviewer"] == "scripted"
    assert len(state["history"][0]["reviews"]) == 1
    assert posts(hub).count("2 reviewers (scripted, scripted; the same model twice)") == 2
    assert "right for me too" in posts(hub)
    for name in ("review_report.json", "second_review_report.json"):
        assert hub.bare.file("loop/T-001/state", f"archive/T-001/r2_{name}")


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_the_second_finds_is_posted_as_a_finding_and_opens_another_round(
    make_hub: MakeHub, jobs: int
) -> None:
    hub = reviewed_twice(make_hub, {"report": MORE})

    outputs = two_rounds(hub, jobs=jobs)

    assert (outputs["decision"], outputs["continue"]) == ("changes_required", "true")
    state = hub.state()
    assert [(f["id"], f["status"], f["by"]) for f in state["findings"]] == [
        ("F1", "fixed", ""),
        ("F2", "open", "second"),
    ]
    assert "scripted approved; scripted asks for changes." in posts(hub)
    assert "double is still wrong for text" in posts(hub)
    fixes = json.loads(hub.bare.file("loop/T-001/state", "fix_list.json") or b"{}")
    assert [fix["id"] for fix in fixes["fixes"]] == ["F2"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_optional_one_that_fails_leaves_an_approval_by_one(make_hub: MakeHub, jobs: int) -> None:
    hub = reviewed_twice(make_hub, {"crash": 7})

    outputs = two_rounds(hub, jobs=jobs)

    assert outputs["outcome"] == "approved"
    assert "by 1 reviewer (scripted); the second" in posts(hub)
    assert "exit code 7" in posts(hub)


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_required_one_that_fails_is_no_approval_and_is_asked_again_alone(
    make_hub: MakeHub, jobs: int
) -> None:
    hub = reviewed_twice(make_hub, {"crash": 7}, mode="required")

    outputs = two_rounds(hub, jobs=jobs)

    assert outputs["outcome"] == "reviewer_dispatch_failed"
    assert hub.state()["second"]["report"]["decision"] == "approve"
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert pull.draft
    head = hub.state()["head_sha"]

    scene = {"scenes": [{"role": "reviewer", "steps": [{"report": APPROVED}]}]}
    files = {".loop/second.yml": yaml.safe_dump(scene)}
    hub.bare.commit_files("main", files, "Repair the second reviewer")
    hub.job(task_id="T-001") if jobs == 1 else three_jobs.run(hub, task_id="T-001")

    state = hub.state()
    assert state["outcome"] == "approved", hub.jobs[-1].log
    assert state["head_sha"] == head
    assert (state["usage"]["rounds"], state["round"]) == (2, 2)
    assert "2 reviewers (scripted, scripted" in posts(hub)


def test_one_that_only_the_agents_job_names_is_not_asked_and_the_log_says_so(
    make_hub: MakeHub,
) -> None:
    hub = make_hub()
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)

    agents = three_jobs.later(hub, "agents", first, second_reviewer="scripted")

    assert "The second reviewer is not asked: the job that claimed the loop" in agents.log
