"""How long a job may go on trying: as long as its own lease holds, and no longer."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from tests.adapters.conftest import environment, make_local

from loop_kit.adapters.retry import MAX_SECONDS
from loop_kit.adapters.runner.job import read_job
from loop_kit.adapters.runner.log import ActionsLog
from loop_kit.settings import for_job
from loop_kit.usecases.authority import Authority
from loop_kit.usecases.job import LoopJob
from loop_kit.usecases.job_context import LEASE_MARGIN_SEC, JobContext, open_context


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobContext:
    """A job that may take 30 minutes for its round."""
    local = make_local(tmp_path / "checkout")
    local.commit({"a.py": "a\n"})
    monkeypatch.chdir(local.root)
    environ = {
        **environment(tmp_path),
        "GITHUB_REPOSITORY": "octo/demo",
        "GITHUB_WORKSPACE": str(local.root),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "INPUT_GITHUB_TOKEN": "bot",
        "INPUT_ROUND_TIMEOUT_MINUTES": "30",
    }
    layers = for_job(environ)
    log = ActionsLog(sys.stderr)
    return open_context(read_job(environ), environ, log, layers.resolve(), layers)


def seconds_left(context: JobContext) -> float:
    """The time until the deadline that the adapters of both servers have."""
    deadline = context.deadline
    assert context.checkout.remote.deadline is deadline
    assert context.forge._access.deadline is deadline
    return deadline.at - time.monotonic()


def test_a_job_retries_until_its_round_and_the_margin_of_its_lease_are_over(
    context: JobContext,
) -> None:
    assert seconds_left(context) == pytest.approx(30 * 60 + LEASE_MARGIN_SEC, abs=20)


def test_the_lease_that_a_job_takes_is_its_deadline(context: JobContext) -> None:
    job = LoopJob(context, Authority(context.forge, "octo/demo", "", []))

    job.new_lease(0)

    assert seconds_left(context) == pytest.approx(LEASE_MARGIN_SEC, abs=20)
    assert context.deadline.time_for_retries() == pytest.approx(MAX_SECONDS, abs=20)
