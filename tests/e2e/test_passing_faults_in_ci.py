"""Whole loops on a bad day: what passes is waited out, and nothing is posted or paid twice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.conftest import APPROVED, REPOSITORY, _work
from tests.e2e.events import commented, labelled
from tests.e2e.test_crashes_in_ci import counting, runs
from tests.e2e.test_issues_in_ci import opened
from tests.e2e.test_sweep_in_ci import grow_old, sweep
from tests.support.git_faults import GitFault
from tests.support.github_faults import Fault, any_fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Hub, JobResult, MakeHub
    from tests.support.github_state import Issue

CHANCE = 0.15
MOST = 7
"""How many faults one storm has: each of them costs a real pause."""

GIT_FAULTS = (
    *(GitFault("status", status) for status in (408, 429, 500, 503)),
    *(GitFault("reset"), GitFault("cut"), GitFault("lost")),
    GitFault("refused", reason="fatal error in commit_refs"),
)
ASKING = {"status", "reset", "cut"}
"""The kinds of faults that a question to the git server can have."""
API_FAULTS: tuple[dict[str, Any], ...] = (
    *({"status": status} for status in (408, 500, 502, 503, 504)),
    *({"drop_before": True}, {"drop_after": True}, {"cut": True}),
)


class Storm:
    """Lets requests fail at random, never two of the same kind after each other."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.faults: list[str] = []
        self._last = ""

    def strikes(self, request: str) -> bool:
        """Whether this request fails."""
        hit = self.chance.random() < CHANCE and request != self._last and len(self.faults) < MOST
        self._last = request if hit else ""
        if hit:
            self.faults.append(request)
        return hit

    def over_git(self, endpoint: str) -> GitFault | None:
        """What happens to a request to the git server."""
        possible = [f for f in GIT_FAULTS if endpoint == "git-receive-pack" or f.kind in ASKING]
        return self.chance.choice(possible) if self.strikes(endpoint) else None

    def over_the_api(self, method: str, path: str) -> Fault | None:
        """What happens to a request to the API."""
        how = self.chance.choice(API_FAULTS)
        return any_fault(method, **how) if self.strikes(f"{method} {path}") else None


@pytest.mark.parametrize("seed", [11, 12])
def test_a_storm_over_two_rounds_ends_in_one_pull_request_and_each_post_once(
    make_hub: MakeHub, tmp_path: Path, seed: int
) -> None:
    ledger = tmp_path / "ledger"
    hub = make_hub(counting(ledger))
    storm = Storm(seed)
    jobs = []
    hub.on_start = lambda: rage(hub, storm)
    while len(jobs) < 8 and outcome(hub) != "approved":
        jobs.append(hub.job(task_id="T-001") if outcome(hub) else hub.job())
        calm(hub)

    hub.on_start = lambda: None
    log = "\n".join(job.log for job in jobs) + repr(storm.faults)
    hub.job(task_id="T-001")
    assert len(storm.faults) >= 5
    assert runs(ledger) == ["worker 1", "reviewer 1", "worker 2", "reviewer 2"], log
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    markers = [review.body.splitlines()[0] for review in pull.reviews]
    assert markers == [f"<!-- loop-kit:T-001:review-r{n} -->" for n in (1, 2)], log
    assert (pull.draft, len(pull.issue.comments)) == (False, 1), log
    assert {item["status"] for item in hub.state()["outbox"]} == {"done"}, log


def outcome(hub: Hub) -> str:
    """The outcome so far, 'None' before there is one; '' where there is no state yet."""
    if hub.bare.head("loop/T-001/state") is None:
        return ""
    return str(hub.state().get("outcome"))


def rage(hub: Hub, storm: Storm) -> None:
    hub.git.faults.forecast = storm.over_git
    hub.api.forecast(storm.over_the_api)


def calm(hub: Hub) -> None:
    hub.git.faults.forecast = None
    hub.api.forecast(None)


EDIT = _work("a - b", "a + b", "")[0]
AT_ONCE: dict[str, Any] = {
    "scenes": [
        {"role": "worker", "round": 1, "steps": [EDIT, *_work("a * 3", "a * 2", "Both")]},
        {"role": "reviewer", "round": 1, "steps": [{"report": {**APPROVED, "dispositions": []}}]},
    ]
}


def retry(hub: Hub, issue: Issue) -> JobResult:
    asked = hub.api.comment(REPOSITORY, issue.number, "mona", "/loop retry")
    return hub.job(event=commented(issue, asked))


def run_the_sweep(hub: Hub, issue: Issue) -> JobResult:
    grow_old(hub, f"loop/issue-{issue.number}/state")
    return sweep(hub)


@pytest.mark.parametrize("later", [retry, run_the_sweep])
def test_an_approved_loop_without_its_pull_request_is_not_green_until_it_is_opened(
    make_hub: MakeHub, later: Callable[[Hub, Issue], JobResult]
) -> None:
    hub = make_hub(AT_ONCE)
    issue = opened(hub)
    hub.api.fail_next("POST", r"/pulls$", status=503, times=99)

    first = hub.job(event=labelled(issue))

    assert hub.state("issue-1")["outcome"] == "approved"
    assert first.code == 6, first.log
    assert "could not be opened. Run this job again" in first.log
    hub.api.clear_failures()

    again = later(hub, issue)

    assert again.code == 0, again.log
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert (pull.draft, len(pull.reviews)) == (False, 1), again.log
