"""Git is led from a workspace to no folder where a pipe could wait for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local
from tests.adapters.workspaces.stand_ins import Scratch, Unprepared
from tests.adapters.workspaces.test_clones import agent_git

from loop_kit.adapters.files.special_files import remove_special_files
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.snapshots import Snapshots
from loop_kit.adapters.workspaces.workplace import Workplace
from loop_kit.core.loop.state import Role


def lay_trap(folder: Path) -> None:
    """A repository of which each file is a pipe."""
    for name in ("objects", "refs/heads"):
        (folder / name).mkdir(parents=True)
    for name in ("HEAD", "packed-refs", "config", "refs/heads/x"):
        os.mkfifo(folder / name)


def name_folder(workspace: Path, trap: Path) -> None:
    (workspace / "sub" / ".git").write_text(f"gitdir: {trap}\n")


def link_folder(workspace: Path, trap: Path) -> None:
    (workspace / "sub" / ".git").symlink_to(trap)


def half(workspace: Path) -> Path:
    inside = workspace / "sub" / ".git"
    (inside / "objects").mkdir(parents=True)
    (inside / "HEAD").write_text("ref: refs/heads/x\n")
    return inside


def link_refs(workspace: Path, trap: Path) -> None:
    (half(workspace) / "refs").symlink_to(trap / "refs")


def name_common(workspace: Path, trap: Path) -> None:
    inside = half(workspace)
    (inside / "refs").mkdir()
    (inside / "commondir").write_text(f"{trap}\n")


@pytest.mark.parametrize("is_inside", [True, False])
@pytest.mark.parametrize("lead", [name_folder, link_folder, link_refs, name_common])
def test_git_waits_for_no_pipe_that_a_repository_inside_leads_to(
    local: Local, tmp_path: Path, lead: Callable[[Path, Path], None], is_inside: bool
) -> None:
    cloner = Cloner(local.git, local.root / ".git", Scratch(tmp_path / "scratch"))
    clones = Clones(Workplace(Snapshots(cloner, Unprepared())), IDENTITY)
    workspace = clones.open(Role.WORKER, local.head)
    trap = (workspace.path if is_inside else tmp_path) / "trap"
    lay_trap(trap)
    (workspace.path / "sub").mkdir()
    (workspace.path / "sub" / "new.py").write_text("new\n")
    lead(workspace.path, trap)
    workspace.collect("Leftovers")
    workspace.close()
    assert clones.open(Role.WORKER, local.head).path.is_dir()


def test_a_work_tree_of_the_workspace_itself_is_left_alone(local: Local, tmp_path: Path) -> None:
    cloner = Cloner(local.git, local.root / ".git", Scratch(tmp_path / "scratch"))
    path = cloner.clone("workspace", local.head)
    agent_git(path).run("worktree", "add", "--quiet", "-b", "other", "inner")
    remove_special_files(path)
    remove_special_files(path, ["inner"])
    assert agent_git(path / "inner").text("rev-parse", "HEAD") == local.head
