"""The ground of the acceptance suite: two commits, `loop init`, card T-001, three fake backends."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import MakeRepo, make_repo, two_commits
from tests.cli.harness import Repo
from tests.support import programs
from tests.support.programs import LOOP, Program

__all__ = ["make_repo", "two_commits"]

NewRepo = Callable[[Path], Repo]
HUNG_GIT = "test_a_git_call_that_hangs_is_cut_and_named"


@pytest.fixture(scope="session")
def new_repo(make_repo: MakeRepo, tmp_path_factory: pytest.TempPathFactory) -> NewRepo:
    """Make a repository after `loop init`, which runs once and is copied."""
    first = make_repo(tmp_path_factory.mktemp("init"))
    assert first.loop("init").code == 0

    def make(folder: Path) -> Repo:
        made = make_repo(folder)
        shutil.copytree(first.folder, made.folder, dirs_exist_ok=True)
        shutil.copytree(
            first.root / ".git" / "info", made.root / ".git" / "info", dirs_exist_ok=True
        )
        shutil.copy2(made.bin / "codex", made.bin / "opencode")
        return made

    return make


@pytest.fixture
def repo(tmp_path: Path, new_repo: NewRepo) -> Iterator[Repo]:
    """A repository of this test alone."""
    made = new_repo(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session", autouse=True)
def hung(
    request: pytest.FixtureRequest, make_repo: MakeRepo, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program | None]:
    """A command whose git hangs: started first, because git is given 30 s, and looked at late."""
    if not any(item.name == HUNG_GIT for item in request.session.items):
        yield None
        return
    repo = make_repo(tmp_path_factory.mktemp("hung"))
    shim = repo.bin / "git"
    shim.write_text("#!/bin/sh\nexec sleep 999\n", "utf-8")
    shim.chmod(0o755)
    process = programs.start(
        [LOOP, "extract-diff", "HEAD~1", "HEAD"], cwd=repo.root, env=repo.environ
    )
    yield process
    process.kill()
    process.communicate(timeout=60)
