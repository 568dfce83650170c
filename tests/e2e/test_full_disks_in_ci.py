"""A job on a full disk: what was saved and posted stays, and an annotation says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.conftest import REPOSITORY
from tests.support.full_disk import limited

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Hub

FULL = "/dev/full"
BUG = "bug in loop-kit"
ERROR = "::error title=loop-kit::"


@pytest.mark.parametrize(
    "names",
    [("GITHUB_OUTPUT",), ("GITHUB_STEP_SUMMARY",), ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")],
)
def test_outputs_that_cannot_be_written_lose_nothing_else(hub: Hub, names: tuple[str, ...]) -> None:
    job = hub.job(env=dict.fromkeys(names, FULL))

    assert job.code == 1, job.log
    assert BUG not in job.log
    assert job.log.count(f"{ERROR}/dev/full: No space left on device.") == len(names)
    assert hub.state()["continue_to"] == 2
    assert hub.state().get("lease") is None
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert len(pull.reviews) == 1
    assert len(hub.api.dispatches) == 1
    assert bool(job.outputs.get("task-id")) == ("GITHUB_OUTPUT" not in names)
    assert bool(job.summary) == ("GITHUB_STEP_SUMMARY" not in names)


def test_a_job_that_is_never_to_fail_says_it_in_the_annotation_alone(hub: Hub) -> None:
    job = hub.job(env={"GITHUB_OUTPUT": FULL}, fail_on="never")

    assert job.code == 0
    assert f"{ERROR}/dev/full: No space left on device." in job.log


def test_a_folder_for_temporary_files_that_is_none_is_a_sentence(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("")
    job = hub.job(env={"RUNNER_TEMP": str(tmp_path / "temp")})

    assert job.code == 1
    assert BUG not in job.log
    assert f"{ERROR}{tmp_path / 'temp'}: File exists." in job.log
    assert hub.git.pushes == []


@pytest.mark.parametrize("limit", [300, 1000, 3000, 6000])
def test_a_full_disk_of_a_runner_is_a_sentence_and_the_next_job_carries_on(
    hub: Hub, limit: int
) -> None:
    command = hub.command
    hub.command = tuple(limited(limit, *command))
    job = hub.job()
    hub.command = command

    assert BUG not in job.log, job.log
    assert ERROR in job.log, job.log
    assert job.code != 0
    assert hub.job().code == 0
