"""Prepared workspaces: the same for every role, and made again when what is asked for changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import Local
from tests.adapters.workspaces.preparing import Preparing

from loop_kit.core.loop.state import Role
from loop_kit.ports import SetupFailed


@pytest.fixture
def preparing(local: Local, tmp_path: Path) -> Preparing:
    local.commit({".gitignore": "made/\n"})
    return Preparing(local, tmp_path, setup=("mkdir made; echo 1 >> made/count",))


def test_every_role_finds_the_same_preparation_which_ran_once(preparing: Preparing) -> None:
    clones, sha = preparing.clones(), preparing.local.head
    clones.prepare(sha)

    for role in Role:
        workspace = clones.open(role, sha)
        assert (workspace.path / "made" / "count").read_text() == "1\n"
        workspace.close()
    assert preparing.log.read_text().count("$ mkdir made") == 1


def test_what_setup_does_to_tracked_files_and_to_git_is_undone(preparing: Preparing) -> None:
    preparing.setup = ("echo x > a.py; git config core.pager evil; mkdir -p .git/hooks; rm run.sh",)
    workspace = preparing.clones().open(Role.REVIEWER, preparing.local.head)

    assert (workspace.path / "a.py").read_text() == "one\ntwo\nthree\n"
    assert (workspace.path / "run.sh").exists()
    assert "evil" not in (workspace.path / ".git" / "config").read_text()
    assert not (workspace.path / ".git" / "hooks").exists()


def test_files_that_the_worker_left_are_not_kept_once_other_setup_is_asked_for(
    preparing: Preparing,
) -> None:
    sha = preparing.local.head
    first = preparing.clones()
    first.prepare(sha)
    workspace = first.open(Role.WORKER, sha)
    (workspace.path / "made" / "cache").write_text("warm")
    workspace.close()

    same = preparing.clones()
    same.prepare(sha)
    kept = same.open(Role.WORKER, sha)
    assert (kept.path / "made" / "cache").exists()
    kept.close()
    preparing.setup = ("mkdir made; touch made/other",)
    changed = preparing.clones()
    changed.prepare(sha)

    assert sorted(
        path.name for path in (changed.open(Role.WORKER, sha).path / "made").iterdir()
    ) == ["other"]


def test_setup_that_fails_is_found_before_a_workspace_is_opened(preparing: Preparing) -> None:
    preparing.setup = ("exit 3",)

    with pytest.raises(SetupFailed):
        preparing.clones().prepare(preparing.local.head)
    assert not (preparing.tmp_path / "scratch" / "workspace").exists()


def test_setup_runs_at_the_base_while_manifests_are_as_there(preparing: Preparing) -> None:
    local = preparing.local
    preparing.base = local.head
    preparing.setup = ("mkdir made; cat *.py > made/seen",)
    sha = local.commit({"a.py": "by an agent\n"})

    workspace = preparing.clones().open(Role.REVIEWER, sha)

    assert (workspace.path / "made" / "seen").read_text() == "one\ntwo\nthree\n"
    assert (workspace.path / "a.py").read_text() == "by an agent\n"
