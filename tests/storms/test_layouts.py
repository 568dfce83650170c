"""What earlier versions left behind is loaded, and its loop is continued, by this one.

`record_layouts.py` has recorded each layout with the version that its folder is named after; those
of agent-task-runner 0.3 are in tests/cli/test_migration.py.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.conftest import (
    BOT,
    REPOSITORY,
    TWO_ROUNDS,
    Hub,
    JobResult,
    MakeHub,
    make_hub,
)
from tests.storms.record_layouts import RUN
from tests.support import programs
from tests.support.git_repository import git_environment
from tests.support.programs import LOOP

__all__ = ["make_hub"]

LAYOUTS = Path(__file__).with_name("layouts")
VERSIONS = sorted(path.name for path in LAYOUTS.iterdir())
FIXED = b"return a * 2"


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> Path:
    """The folder of one version's layouts."""
    return LAYOUTS / str(request.param)


def restored(hub: Hub, version: Path, name: str) -> Hub:
    """A hub whose repository is as that version left it, with the run of the last job ended.

    Its reviewer gives evidence for each criterion from now on, which that version did not ask for.
    """
    refs = "+refs/heads/*:refs/heads/*"
    hub.bare.git("fetch", "--quiet", "--update-head-ok", str(version / f"{name}.bundle"), refs)
    script = yaml.safe_dump(dict(TWO_ROUNDS))
    hub.bare.commit_files("main", {".loop/script.yml": script}, "Give evidence")
    hub.api.open_pull(REPOSITORY, "T-001", "loop/T-001/work", "main", BOT)
    lease = hub.state().get("lease")
    if lease:
        hub.api.set_run(REPOSITORY, int(lease["run_id"]), "completed", "failure")
    return hub


def finished(hub: Hub, **inputs: str) -> list[JobResult]:
    """The jobs from the first one to the one that approves."""
    jobs = [hub.job(**{"task_id": "T-001", **inputs})]
    while jobs[-1].outputs.get("continue") == "true":
        jobs.append(hub.continued())
    assert [job.code for job in jobs] == [0] * len(jobs), jobs[-1].log
    state = hub.state()
    assert (state["outcome"], state["usage"]["rounds"]) == ("approved", 2), jobs[-1].log
    assert FIXED in (hub.bare.file("loop/T-001/work", "calc.py") or b"")
    return jobs


@pytest.mark.parametrize("name", ["ci-mid-round", "ci-in-inbox", "ci-handed-over"])
def test_a_loop_that_ran_in_ci_is_continued(make_hub: MakeHub, version: Path, name: str) -> None:
    hub = restored(make_hub(), version, name)
    work = hub.bare.head("loop/T-001/work")

    finished(hub)

    assert hub.bare.count_commits("main", "loop/T-001/work") == 2
    assert hub.bare.contains("loop/T-001/work", work)
    assert len(hub.api.repository(REPOSITORY).pulls) == 1


def test_a_command_in_the_inbox_is_carried_out(make_hub: MakeHub, version: Path) -> None:
    hub = restored(make_hub(), version, "ci-in-inbox")

    finished(hub)

    state = hub.state()
    assert (state["limits"]["max_rounds"], state["added_rounds"]) == (5, 2)


def test_a_loop_that_waited_for_a_person_is_continued(make_hub: MakeHub, version: Path) -> None:
    hub = restored(make_hub(), version, "ci-needs-human")
    assert hub.state()["outcome"] == "needs_human"

    finished(hub)

    assert hub.bare.file("loop/T-001/work", "note.txt") == b"mine\n"


def test_a_paused_loop_is_left_alone(make_hub: MakeHub, version: Path) -> None:
    hub = restored(make_hub(), version, "ci-paused")

    job = hub.job(task_id="T-001")

    assert job.code == 0, job.log
    assert hub.state()["state"] == "paused"


def test_a_loop_that_is_over_is_not_run_again(make_hub: MakeHub, version: Path) -> None:
    hub = restored(make_hub(), version, "ci-done")

    job = hub.job(task_id="T-001")

    assert job.code == 0, job.log
    assert hub.state()["usage"]["rounds"] == 2
    assert hub.git.pushes == []


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    """An empty folder for a repository."""
    (tmp_path / "home").mkdir()
    return tmp_path / "repo"


def unpack(version: Path, name: str, root: Path) -> None:
    """Clone a laptop's repository, and put its folder `.loop` where it was."""

    def git(*args: str) -> None:
        subprocess.run(["git", *args], env=git_environment(), check=True)

    git("clone", "--quiet", "--branch=main", str(version / f"{name}.bundle"), str(root))
    folder = root / ".loop"
    folder.mkdir()
    here = f"--git-dir={root / '.git'}"
    git(here, f"--work-tree={folder}", "checkout", "--quiet", "origin/dot-loop", "--", ".")
    git("-C", str(root), "reset", "--quiet")
    for key, value in {"user.name": "Mona", "user.email": "mona@example.org"}.items():
        git("-C", str(root), "config", key, value)


@pytest.mark.parametrize("name", ["worker-runs", "reviewer-runs", "reviewer-failed", "done"])
def test_a_loop_on_a_laptop_is_continued(laptop: Path, version: Path, name: str) -> None:
    unpack(version, f"laptop-{name}", laptop)
    environ = git_environment(HOME=str(laptop.parent / "home"))

    done = programs.run([LOOP, *RUN, "--resume"], cwd=laptop, env=environ, timeout=90)

    assert done.returncode == 0, done.stdout + done.stderr
    state: dict[str, Any] = json.loads((laptop / ".loop" / "state.json").read_bytes())
    assert (state["outcome"], state["usage"]["rounds"]) == ("approved", 2)
    assert [record["decision"] for record in state["history"]] == ["changes_required", "approve"]


def test_a_job_refuses_a_newer_layout_with_the_version_to_upgrade_to(
    make_hub: MakeHub, version: Path
) -> None:
    hub = restored(make_hub(), version, "ci-handed-over")
    newer = {**hub.state(), "schema_version": 99, "written_by": "9.1.0"}
    hub.bare.commit_files("loop/T-001/state", {"state.json": json.dumps(newer)})

    job = hub.job(task_id="T-001")

    assert job.code == 5, job.log
    assert "it needs loop-kit >= 9.1.0" in job.log
    assert "Upgrade loop-kit" in job.log
    assert (hub.state(), hub.git.pushes) == (newer, [])
