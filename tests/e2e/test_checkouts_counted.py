"""How often a job writes all files of a repository: for workers, reviewers and verify commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e import three_jobs
from tests.e2e.conftest import APPROVED, BOT, Hub, JobResult, MakeHub
from tests.e2e.test_request_counts import THREE_ROUNDS
from tests.e2e.test_second_reviewer_in_ci import reviewed_twice
from tests.support import cost_meter
from tests.support.cost_meter import METER, read
from tests.support.fork_server import PRELUDE

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = {"git writes all files", "copy of snapshot"}
"""The other checkouts write only what differs from what a workspace holds already."""


class Meter:
    """Gives each job a folder to count into."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    @property
    def environment(self) -> dict[str, str]:
        self._count += 1
        return {PRELUDE: cost_meter.__file__, METER: str(self._folder / f"job-{self._count}")}

    @property
    def last(self) -> int:
        """How often the last job wrote all files."""
        made = read(self._folder / f"job-{self._count}").checkouts
        return sum(one in WHOLE for one in made)


def continued(hub: Hub, meter: Meter, **inputs: Any) -> JobResult:
    asked = {k.replace("-", "_"): v for k, v in hub.api.dispatches[-1].inputs.items()}
    return hub.job(sender=BOT, env=meter.environment, **asked, **inputs)


def test_a_job_writes_all_files_for_the_worker_and_once_more_for_all_who_only_look(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    hub, meter = make_hub(script=THREE_ROUNDS), Meter(tmp_path / "costs")
    hub.job(env=meter.environment)
    counts = [meter.last]
    for _ in range(2):
        job = continued(hub, meter)
        counts.append(meter.last)

    assert job.outputs["outcome"] == "approved", job.log
    assert counts == [2, 2, 2]


def test_with_a_set_up_they_are_written_once_for_it_and_copied_twice_also_for_two_reviewers(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = reviewed_twice(make_hub, {"report": {**APPROVED, "summary": "right for me too"}})
    setup, meter = "mkdir installed; touch installed/package", Meter(tmp_path / "costs")
    hub.job(env=meter.environment, workspace_setup=setup)
    first = meter.last
    job = continued(hub, meter, workspace_setup=setup)

    assert job.outputs["outcome"] == "approved", job.log
    assert (first, meter.last) == (3, 3)


def test_of_three_jobs_only_that_of_the_agents_writes_files(hub: Hub, tmp_path: Path) -> None:
    meter, counts = Meter(tmp_path / "costs"), []
    three_jobs.admit_reader(hub)
    first = hub.job(phase="claim", env=meter.environment)
    counts.append(meter.last)
    agents = three_jobs.later(hub, "agents", first, env=meter.environment)
    counts.append(meter.last)
    bundle = three_jobs.uploaded(agents)
    last = three_jobs.later(hub, "publish", first, bundle, env=meter.environment)
    counts.append(meter.last)

    assert last.outputs["continue"] == "true", last.log
    assert counts == [0, 2, 0]
