"""Clones borrow the objects of whatever repository there is, and add nothing to read in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, environment, make_local, workplace
from tests.adapters.workspaces.stand_ins import Scratch
from tests.adapters.workspaces.test_clones import agent_git, files_at

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import locate
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.core.loop.state import Role


def work_in(git: Git, scratch: Path) -> tuple[str, Path]:
    """What a worker's round leaves at HEAD of the repository that `git` is in, and where."""
    place = locate(git)
    clones = Clones(workplace(Cloner(git, place.git_dir, Scratch(scratch))), IDENTITY)
    workspace = clones.open(Role.WORKER, place.head)
    inside = agent_git(workspace.path)
    assert inside.text("status", "--porcelain") == ""
    (workspace.path / "mine.py").write_text("mine\n")
    inside.run("add", "mine.py")
    inside.run("commit", "--quiet", "-m", "Mine")
    (workspace.path / "left.py").write_text("left\n")
    head = workspace.collect("Leftovers").head
    changed = git.text("diff", "--name-only", place.head, head).splitlines()
    assert changed == ["left.py", "mine.py"]
    workspace.close()
    assert (clones.open(Role.WORKER, head).path / "left.py").read_text() == "left\n"
    return head, workspace.path


def test_a_repository_of_sha256(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    git = Git(root, environment(tmp_path), isolated=True)
    git.run("init", "--quiet", "--object-format=sha256")
    local = Local(root, git)
    local.commit({"a.py": "a\n"})
    head, path = work_in(git, tmp_path / "scratch")
    assert len(head) == 64
    assert agent_git(path).text("rev-parse", "--show-object-format") == "sha256"


def test_old_history_that_is_malformed_is_nobodys_business(local: Local, tmp_path: Path) -> None:
    tree = local.git.text("rev-parse", "HEAD^{tree}")
    raw = (
        f"tree {tree}\nparent {local.head}\nauthor A <a@b> 1313584730 +051800\n"
        "committer A <a@b> 1313584730 +051800\n\nold\n"
    )
    write = ("hash-object", "-t", "commit", "-w", "--stdin", "--literally")
    sha = local.git.run(*write, stdin=raw.encode()).out.decode().strip()
    local.git.run("reset", "--quiet", "--hard", sha)
    local.commit({"b.py": "b\n"})
    local.git.run("config", "fetch.fsckObjects", "true")
    local.git.run("checkout", "--quiet", "--detach")
    local.git.run("branch", "--quiet", "-D", "main")

    _, path = work_in(local.git, tmp_path / "scratch")

    assert agent_git(path).text("rev-list", "--count", "HEAD") == "5"


def test_a_shallow_repository_and_its_history_ends_at_the_same_commit(
    local: Local, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        local.commit({f"{name}.py": "x\n"})
    shallow = tmp_path / "shallow"
    local.git.run("clone", "--quiet", "--depth=2", local.root.as_uri(), str(shallow))
    git = Git(shallow, environment(tmp_path), isolated=True)

    head, path = work_in(git, tmp_path / "scratch")

    assert git.text("rev-list", "--count", head) == "4"
    assert agent_git(path).text("rev-list", "--count", "HEAD") == "4"


def test_a_linked_work_tree(local: Local, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    local.git.run("worktree", "add", "--quiet", "-b", "other", str(linked))
    head, _ = work_in(local.git.at(linked), tmp_path / "scratch")
    assert "mine.py" in files_at(local, head)


@pytest.mark.parametrize("relative", [True, False])
def test_a_repository_that_borrows_itself(local: Local, tmp_path: Path, *, relative: bool) -> None:
    local.commit({"b.py": "b\n"})
    second = tmp_path / "second"
    local.git.run("clone", "--quiet", "--shared", str(local.root), str(second))
    if relative:
        alternates = second / ".git" / "objects" / "info" / "alternates"
        alternates.write_text("../../../repository/.git/objects\n")
    git = Git(second, environment(tmp_path), isolated=True)
    head, path = work_in(git, tmp_path / "scratch")
    assert git.text("show", f"{head}:b.py") == "b"
    assert agent_git(path).text("fsck", "--connectivity-only") == ""


@pytest.mark.parametrize("name", ["line\nend", '"quoted"', "#hash", "back\\slash", "é ü"])
def test_a_repository_at_an_odd_path(tmp_path: Path, name: str) -> None:
    local = make_local(tmp_path / name / "repository")
    local.commit({"a.py": "a\n"})
    head, path = work_in(local.git, tmp_path / "scratch")
    assert local.git.text("show", f"{head}:a.py") == "a"
    assert agent_git(path).text("fsck", "--connectivity-only") == ""


def test_an_agent_that_cuts_itself_off_breaks_its_own_attempt_alone(
    local: Local, tmp_path: Path
) -> None:
    clones = Clones(
        workplace(Cloner(local.git, local.root / ".git", Scratch(tmp_path / "s"))), IDENTITY
    )
    worker = clones.open(Role.WORKER, local.head)
    (worker.path / ".git" / "objects" / "info" / "alternates").unlink()
    worker.close()
    assert agent_git(clones.open(Role.WORKER, local.head).path).text("status", "--porcelain") == ""
    local.git.run("fsck", "--connectivity-only")
