"""A further pass of the reviewer in CI, in one job and in three: one review for both passes."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.e2e import three_jobs
from tests.e2e.conftest import APPROVED as APPROVAL
from tests.e2e.conftest import REPOSITORY, TWO_ROUNDS
from tests.e2e.test_second_reviewer_in_ci import reviewed_twice, two_rounds

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, MakeHub

APPROVED = copy.deepcopy(APPROVAL)
"""The same again: a script has no aliases."""
LOST = {
    "decision": "changes_required",
    "summary": "Seen only when looking again.",
    "blocking_issues": [
        {
            "severity": "high",
            "file": "calc.py",
            "reason": "add loses a digit",
            "scenario": "add(9, 9)",
        },
        {"severity": "low", "reason": "a long name", "scenario": "read it"},
    ],
}


def looked_at_again(make_hub: MakeHub, first: dict[str, Any], again: dict[str, Any]) -> Hub:
    """A repository whose reviewer takes the step `first` in round 1, and then `again`."""
    reviews = [
        {"role": "reviewer", "round": 1, "attempt": 1, "steps": [first]},
        {"role": "reviewer", "round": 1, "attempt": 2, "steps": [again]},
    ]
    config = {"rules": {"passes": {"alone": 1}}, "dispatch-retries": 0}
    files = {".loop/config.yaml": yaml.safe_dump(config)}
    return make_hub(script={"scenes": [*reviews, *TWO_ROUNDS["scenes"]]}, files=files)


def first_round(hub: Hub, *, jobs: int) -> Any:
    return (hub.job() if jobs == 1 else three_jobs.run(hub).published).outputs


def posts(hub: Hub) -> list[str]:
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    return [post.body for post in pull.reviews]


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_only_the_second_pass_sees_turns_an_approval_into_another_round(
    make_hub: MakeHub, jobs: int
) -> None:
    hub = looked_at_again(make_hub, {"report": APPROVED}, {"report": LOST})

    outputs = first_round(hub, jobs=jobs)

    assert (outputs["decision"], outputs["continue"]) == ("changes_required", "true")
    state = hub.state()
    assert [(f["id"], f["reason"]) for f in state["findings"]] == [("F1", "add loses a digit")]
    assert state["history"][0]["reviews"][0]["further"] == 1
    assert "further" not in state
    (review,) = posts(hub)
    for text in ("add loses a digit", "Seen only when looking again.", "a long name"):
        assert text in review
    attempts = [one["role"] for one in state["history"][0]["attempts"]]
    assert attempts.count("reviewer") == 2
    raw = hub.bare.file("loop/T-001/state", "archive/T-001/r1_review_report_pass_2.json")
    assert json.loads(raw or b"{}")["summary"] == LOST["summary"]

    last = hub.continued() if jobs == 1 else three_jobs.continued(hub).published
    assert last.outputs["outcome"] == "approved", last.log


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_pass_that_crashes_is_done_without_and_the_posted_review_says_so(
    make_hub: MakeHub, jobs: int
) -> None:
    hub = looked_at_again(make_hub, {"report": APPROVED}, {"crash": 7})

    outputs = first_round(hub, jobs=jobs)

    assert (outputs["decision"], outputs["continue"]) == ("changes_required", "true")
    (review,) = posts(hub)
    assert "A further pass of the reviewer was done without:" in review
    assert "exit code 7" in review


@pytest.mark.parametrize("jobs", [1, 3])
def test_both_reviewers_look_twice_by_default_and_every_call_is_counted(
    make_hub: MakeHub, jobs: int
) -> None:
    hub = reviewed_twice(make_hub, {"report": APPROVED})

    outputs = two_rounds(hub, jobs=jobs)

    assert outputs["outcome"] == "approved"
    first, last = hub.state()["history"]
    called = [[one["role"] for one in record["attempts"]] for record in (first, last)]
    assert called == [
        ["worker", "reviewer", "reviewer"],
        ["worker", "reviewer", "second_reviewer", "second_reviewer"],
    ]
    assert len(posts(hub)) == 2
