"""Git waits for no pipe that an agent left where git opens a file."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, environment, workplace
from tests.support.unix_sockets import bound

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.workplace import PARKED
from loop_kit.core.loop.state import Role
from loop_kit.errors import GitFailed
from loop_kit.ports import Workspace

PACK = "pack/pack-1234567890123456789012345678901234567890"
OPENED = (
    *(".gitattributes", ".gitignore", ".gitmodules", "src/.gitattributes", "new/deep/.gitignore"),
    *("inner/.git/HEAD", "inner/.git/packed-refs", "inner/.git/config", ".git/packed-refs"),
    *(".git/config", ".git/index", ".git/shallow", ".git/commondir", ".git/refs/heads/x"),
    *(".git/info/exclude", ".git/info/attributes", ".git/objects/info/alternates"),
    *(f".git/objects/{PACK}.idx", f".git/objects/{PACK}.pack", ".git/objects/info/commit-graph"),
    *(".git/objects/pack/multi-pack-index",),
)
"""What git opens in a work tree, in its `.git` folder, and in one below it."""


def put_pipe(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def commit(workspace: Workspace, name: str) -> str:
    git = Git(workspace.path, {**environment(workspace.path), **IDENTITY.environment()})
    (workspace.path / name).write_text("new\n")
    git.run("add", name)
    git.run("commit", "--quiet", "--message", "Work")
    return git.text("rev-parse", "HEAD")


def test_work_is_collected_whatever_pipes_are_beside_it(workspace: Workspace, local: Local) -> None:
    commit(workspace, "done.py")
    (workspace.path / "left.py").write_text("left\n")
    for name in OPENED:
        put_pipe(workspace.path / name)
    objects = workspace.path / ".git" / "objects"
    unused = next(path for n in range(256) if not (path := objects / f"{n:02x}").exists())
    unused.symlink_to(workspace.path.parent)
    (workspace.path / ".git" / "logs" / "HEAD").unlink()
    (workspace.path / ".git" / "logs" / "HEAD").symlink_to("/dev/zero")
    bound(workspace.path / ".git" / "ipc").close()

    head = workspace.collect("Leftovers").head

    names = local.git.text("ls-tree", "-r", "--name-only", head).split()
    assert {"done.py", "left.py", "a.py"} <= set(names)
    assert not any(name in names for name in OPENED)


@pytest.mark.parametrize("name", ["HEAD", "refs/heads/loop", "an object"])
def test_a_clone_whose_commit_is_a_pipe_is_refused_at_once(workspace: Workspace, name: str) -> None:
    head = commit(workspace, "done.py")
    branch = (workspace.path / ".git" / "HEAD").read_text().split()[1]
    names = {"refs/heads/loop": branch, "an object": f"objects/{head[:2]}/{head[2:]}"}
    put_pipe(workspace.path / ".git" / names.get(name, name))
    began = time.monotonic()

    with pytest.raises(GitFailed):
        workspace.collect("Leftovers")

    assert time.monotonic() - began < 20


def test_a_configuration_that_includes_a_pipe_is_not_read(workspace: Workspace) -> None:
    commit(workspace, "done.py")
    inside = workspace.path / ".git"
    put_pipe(workspace.path.parent / "pipe")
    with (inside / "config").open("a") as stream:
        stream.write(f"[include]\n\tpath = {workspace.path.parent}/pipe\n")
    (inside / "HEAD").rename(inside / "old")
    (inside / "HEAD").symlink_to("old")

    with pytest.raises(GitFailed, match="includes others"):
        workspace.collect("Leftovers")


def test_a_branch_may_have_dots_in_its_name(workspace: Workspace, local: Local) -> None:
    inside = workspace.path
    subprocess.run(("git", "switch", "-q", "-c", "fix/1.2.x"), cwd=inside, check=True)
    commit(workspace, "done.py")
    put_pipe(inside / ".git" / "packed-refs.lock")

    assert "done.py" in local.git.text("ls-tree", "--name-only", workspace.collect("x").head)


def test_the_files_that_a_worker_left_are_opened_again_without_waiting(
    cloner: Cloner, local: Local
) -> None:
    clones = Clones(workplace(cloner), IDENTITY)
    workspace = clones.open(Role.WORKER, local.head)
    workspace.close()
    put_pipe(cloner.folder / PARKED / "new" / ".gitignore")
    for name in (".gitattributes", ".git/index", ".git/packed-refs"):
        put_pipe(cloner.folder / PARKED / name)

    again = clones.open(Role.WORKER, local.head)

    assert (again.path / "a.py").read_text() == "one\ntwo\nthree\n"
    assert not (again.path / "new").exists()
