"""What counts as uncommitted in the user's work tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, environment

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.work_tree import read_status, require_clean
from loop_kit.errors import DirtyWorktree


def test_uncommitted_changes_are_listed_and_untracked_files_do_not_count(local: Local) -> None:
    local.write("untracked.txt", "x\n")
    require_clean(read_status(local.git, ".loop"))
    for number in range(25):
        local.write(f"f{number:02}", "x\n")
    local.git.run("add", "--all")
    with pytest.raises(DirtyWorktree, match="and 6 more") as refused:
        require_clean(read_status(local.git, ".loop"))
    assert "26 tracked files" in refused.value.sentence
    assert refused.value.exit_code == 4


def test_a_conflict_counts_as_uncommitted(local: Local, tmp_path: Path) -> None:
    base = local.head
    local.commit({"a.py": "ours\n"})
    git = Git(local.root, {**environment(tmp_path), **IDENTITY.environment()})
    git.run("checkout", "--quiet", "-b", "other", base)
    local.commit({"a.py": "theirs\n"})
    git.run("merge", "main", ok=(1,))
    found = read_status(local.git, ".loop")
    assert found.tracked == ("a.py",)
    with pytest.raises(DirtyWorktree):
        require_clean(found)
