"""Clones that an agent booby-trapped: nothing of it runs in our name, and nothing fools us."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, workplace
from tests.adapters.workspaces.test_clones import agent_git, files_at

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.core.loop.state import Role
from loop_kit.errors import GitFailed
from loop_kit.ports import Workspace, WorkspaceGone

Act = Callable[[Path, Git], object]


TRAP = "touch {marker}; cat"


def plant(path: Path, marker: Path) -> None:
    """Everything in a clone's configuration and attributes that makes git run a program."""
    hooks = path / ".git" / "hooks"
    hooks.mkdir()
    trap = TRAP.format(marker=marker)
    for name in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\n{trap}\n")
        (hooks / name).chmod(0o755)
    (path / ".git" / "config").write_text(
        f"""
[core]
    repositoryformatversion = 1
    hooksPath = {hooks}
    fsmonitor = "{trap}"
    sshCommand = "{trap}"
    pager = "{trap}"
    editor = "{trap}"
[filter "evil"]
    clean = "{trap}"
    smudge = "{trap}"
    process = "{trap}"
[diff]
    external = "{trap}"
[diff "evil"]
    textconv = "{trap}"
    command = "{trap}"
[alias]
    add = "!{trap}"
    ls-files = "!{trap}"
[uploadpack]
    packObjectsHook = "{trap}"
[extensions]
    partialClone = evil
[remote "evil"]
    promisor = true
    url = "ext::sh -c '{trap}'"
    uploadpack = "{trap}"
[include]
    path = {marker}.config
""",
        "utf-8",
    )
    (path / ".gitattributes").write_text("* filter=evil diff=evil\n")
    info = path / ".git" / "info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text("* filter=evil diff=evil\n")


def test_nothing_planted_in_a_workers_clone_is_run_when_its_work_is_taken(
    workspace: Workspace, local: Local, tmp_path: Path
) -> None:
    marker = tmp_path / "owned"
    git = agent_git(workspace.path)
    git.run("commit", "--quiet", "--allow-empty", "--message", "Mine")
    plant(workspace.path, marker)
    (workspace.path / "a.py").write_text("changed\n")

    head = workspace.collect("Leftovers").head

    assert files_at(local, head)["a.py"] == "changed"
    assert not marker.exists()


def test_nothing_planted_in_a_reviewers_clone_is_run_when_it_is_checked(
    workspace: Workspace, tmp_path: Path
) -> None:
    marker = tmp_path / "owned"
    before = workspace.fingerprint()
    plant(workspace.path, marker)
    (workspace.path / "a.py").write_text("changed\n")
    assert workspace.fingerprint() != before
    assert not marker.exists()


def test_a_missing_object_makes_nobody_run_the_promisor_that_a_worker_configured(
    workspace: Workspace, tmp_path: Path
) -> None:
    marker = tmp_path / "owned"
    git = agent_git(workspace.path)
    (workspace.path / "a.py").write_text("new content\n")
    git.run("commit", "--quiet", "--all", "--message", "Mine")
    blob = git.text("rev-parse", "HEAD:a.py")
    plant(workspace.path, marker)
    (workspace.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitFailed):
        workspace.collect("Leftovers")
    assert not marker.exists()


def with_submodule(local: Local) -> str:
    """A commit that has a submodule at `sub`."""
    local.git.run("update-index", "--add", "--cacheinfo", f"160000,{local.head},sub")
    who = IDENTITY.environment()
    local.git.run("commit", "--quiet", "--message", "With a submodule", env=who)
    return local.head


def plant_submodule(path: Path, marker: Path) -> None:
    """Fill the submodule, at its very commit, so that git runs a filter to look for changes."""
    sub = path / "sub"
    sub.mkdir(exist_ok=True)
    git = agent_git(sub)
    git.run("init", "--quiet")
    git.run("fetch", "--quiet", "..", "HEAD")
    git.run("reset", "--quiet", "--hard", "FETCH_HEAD~")
    git.run("config", "filter.evil.clean", TRAP.format(marker=marker))
    (sub / ".gitattributes").write_text("* filter=evil\n")
    (sub / "a.py").touch()


@pytest.mark.parametrize("act", ["collect", "fingerprint"])
def test_a_submodule_that_an_agent_filled_runs_nothing_in_our_name(
    local: Local, cloner: Cloner, tmp_path: Path, act: str
) -> None:
    marker = tmp_path / "owned"
    workspace = Clones(workplace(cloner), IDENTITY).open(Role.REVIEWER, with_submodule(local))
    workspace.fingerprint()
    plant_submodule(workspace.path, marker)
    if act == "collect":
        workspace.collect("Leftovers")
    else:
        workspace.fingerprint()
    assert not marker.exists()


def test_a_nested_repository_that_a_worker_commits_is_a_submodule_for_the_scope_to_refuse(
    workspace: Workspace, local: Local
) -> None:
    nested = workspace.path / "nested"
    nested.mkdir()
    git = agent_git(nested)
    git.run("init", "--quiet")
    git.run("commit", "--quiet", "--allow-empty", "--message", "Inside")
    agent_git(workspace.path).run("add", "nested")
    agent_git(workspace.path).run("commit", "--quiet", "--message", "With it")
    head = workspace.collect("Leftovers").head
    assert local.git.text("ls-tree", head, "nested").startswith("160000")


def test_a_cache_that_somebody_cleans_is_not_the_agents_doing(workspace: Workspace) -> None:
    workspace.fingerprint()
    remove(workspace.path.parent)
    with pytest.raises(WorkspaceGone, match="was removed while an agent worked in it"):
        workspace.fingerprint()
    with pytest.raises(WorkspaceGone):
        workspace.collect("Leftovers")
    workspace.close()


def replace_by_link(path: Path) -> None:
    (path / ".git").rename(path.parent / "moved")
    (path / ".git").symlink_to(path.parent / "moved")


def replace_by_file(path: Path) -> None:
    (path / ".git").rename(path.parent / "moved")
    (path / ".git").write_text(f"gitdir: {path.parent / 'moved'}\n")


def drop(path: Path) -> None:
    (path / ".git").rename(path.parent / "moved")


@pytest.mark.parametrize("replace", [replace_by_link, replace_by_file, drop])
def test_a_git_folder_that_was_replaced_is_neither_collected_nor_fingerprinted(
    workspace: Workspace, replace: Callable[[Path], None]
) -> None:
    replace(workspace.path)
    with pytest.raises(GitFailed, match="replaced its"):
        workspace.collect("Leftovers")
    with pytest.raises(GitFailed, match="replaced its"):
        workspace.fingerprint()
