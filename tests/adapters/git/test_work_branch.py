"""The branch of a loop's work is moved only from where it was left, and under no work tree."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.adapters.conftest import Local

from loop_kit.adapters.git.repository import locate
from loop_kit.adapters.git.work_branch import WorkBranch, may_be_checked_out
from loop_kit.errors import BranchRefused

REF = "refs/heads/loop/T-001/work"


def opened(local: Local, warned: list[str]) -> WorkBranch:
    branch = WorkBranch(local.git, locate(local.git), "T-001", "loop/T-001/work", warned.append)
    branch.open(local.head)
    return branch


def at(local: Local, ref: str = REF) -> str:
    return local.git.text("rev-parse", "--verify", ref)


def test_the_branch_follows_the_work(local: Local) -> None:
    warned: list[str] = []
    branch = opened(local, warned)
    for number in range(3):
        branch.keep(local.commit({"a.py": f"{number}\n"}))
        assert at(local) == local.head
    assert (branch.ref, warned) == (REF, [])
    assert "loop-kit: work" in local.git.text("reflog", REF)


def test_what_an_earlier_loop_left_beside_the_branch_is_found(local: Local) -> None:
    first = local.head
    local.git.run("update-ref", "refs/loop/T-001/work", first)
    head = local.commit({"a.py": "later\n"})
    branch = opened(local, [])
    branch.keep(head)
    assert (branch.name, at(local)) == ("loop/T-001/work", head)
    assert local.git.run("rev-parse", "--verify", "refs/loop/T-001/work", ok=(128,)).code


def test_a_branch_that_somebody_moved_stays_there(local: Local) -> None:
    warned: list[str] = []
    branch = opened(local, warned)
    first = local.head
    branch.keep(first)
    theirs = local.commit({"b.py": "theirs\n"})
    local.git.run("update-ref", REF, theirs)
    branch.keep(local.commit({"a.py": "ours\n"}))
    assert (at(local), at(local, f"{REF}-2")) == (theirs, local.head)
    assert "is not where the loop left it" in warned[0]


def test_a_branch_that_a_work_tree_took_meanwhile_is_not_moved_under_it(
    local: Local, tmp_path: Path
) -> None:
    warned: list[str] = []
    branch = opened(local, warned)
    first = local.head
    branch.keep(first)
    local.git.run("worktree", "add", "--quiet", str(tmp_path / "tree"), "loop/T-001/work")
    branch.keep(local.commit({"a.py": "ours\n"}))
    assert (at(local), at(local, f"{REF}-2")) == (first, local.head)
    assert "is checked out in" in warned[0]


def test_a_name_that_is_taken_is_explained_although_git_ends_over_it(local: Local) -> None:
    branch = opened(local, [])
    local.git.run("branch", "loop")
    with pytest.raises(BranchRefused, match="cannot be created"):
        branch.keep(local.head)


def test_the_branch_is_moved_although_the_git_that_moved_it_was_killed(local: Local) -> None:
    branch = opened(local, [])
    branch.keep(local.head)
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    for pid in map(int, listed.split()):
        if b"update-ref" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    branch.keep(local.commit({"a.py": "on\n"}))
    assert at(local) == local.head


def test_head_is_read_from_its_file_as_git_writes_it(local: Local, tmp_path: Path) -> None:
    inside = local.root / ".git"
    assert may_be_checked_out(inside, "refs/heads/main")
    assert not may_be_checked_out(inside, REF)
    local.git.run("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    assert not may_be_checked_out(inside, REF)
    local.git.at(tmp_path / "tree").run("checkout", "--quiet", "-b", "loop/T-001/work")
    assert may_be_checked_out(inside, REF)
    for content in (b"ref: refs/heads/.invalid\n", b"", b"what is this"):
        (inside / "HEAD").write_bytes(content)
        assert may_be_checked_out(inside, "refs/heads/other")
