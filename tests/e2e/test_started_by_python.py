"""A loop whose commands Python itself starts, in CI and on a laptop; the other tests fork them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.e2e.conftest import REPOSITORY
from tests.e2e.laptop import Laptop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Hub

PYTHON = (sys.executable, "-P", "-m", "loop_kit")


def test_a_loop_that_python_starts_is_planned_run_fetched_published_and_swept(
    hub: Hub, tmp_path: Path
) -> None:
    hub.command = (*PYTHON, "action")
    hub.job()
    laptop = Laptop.of(hub, tmp_path / "laptop")

    planned = laptop.run(*PYTHON, "plan", "--json", env=laptop.token)
    fetched = laptop.run(*PYTHON, "fetch", "T-001", "--switch")
    resumed = laptop.run(*PYTHON, "run", "--auto-dispatch", "--resume")
    published = laptop.run(*PYTHON, "publish", env=laptop.token)
    swept = laptop.run(*PYTHON, "sweep", "--workflow", "loop.yml", env=laptop.token)

    for done in (planned, fetched, resumed, published, swept):
        assert done.code == 0, done.text
    assert hub.state()["outcome"] == "approved"
    posted = hub.job(task_id="T-001")
    assert posted.code == 0, posted.log
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert len(pull.reviews) == 2
