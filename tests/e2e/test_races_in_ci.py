"""Six jobs at once on one task: one works on it, and the others leave it alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.conftest import REPOSITORY
from tests.e2e.test_crashes_in_ci import counting, finish, runs

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, JobResult, MakeHub

JOBS = 6


def at_once(hub: Hub, **inputs: str) -> list[JobResult]:
    """Six jobs with the same inputs, whose processes run side by side."""
    with ThreadPoolExecutor(JOBS) as pool:
        started = [pool.submit(hub.job, **inputs) for _ in range(JOBS)]
        return [job.result() for job in started]


@pytest.mark.parametrize("killed_after", [0, 1, 2, 3], ids=["new", "claimed", "worked", "reviewed"])
def test_six_jobs_at_once_pay_each_agent_of_a_round_once(
    make_hub: MakeHub, tmp_path: Path, killed_after: int
) -> None:
    ledger = tmp_path / "ledger"
    hub = make_hub(counting(ledger))
    if killed_after:
        killed = hub.job(kill_after_push=killed_after)
        hub.git.after_push.clear()
        hub.end_run(killed.checkout.parent.name)
    paid = runs(ledger)

    jobs = at_once(hub, **({"task_id": "T-001"} if killed_after else {}))

    assert [job.code for job in jobs] == [0] * JOBS, [job.log for job in jobs]
    fresh = runs(ledger)[len(paid) :]
    assert len(fresh) == len(set(fresh)), fresh
    finish(hub)
    assert hub.state()["outcome"] == "approved"
    assert runs(ledger).count("reviewer 2") == 1
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    markers = [review.body.splitlines()[0] for review in pull.reviews]
    assert markers == [f"<!-- loop-kit:T-001:review-r{n} -->" for n in (1, 2)]
