"""Objects that a clone has as files of their own are packed without a program of git."""

from __future__ import annotations

import os
import shutil
import zlib
from pathlib import Path

import pytest
from tests.adapters.conftest import Local

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.loose_objects import pack_own
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.takeover import take_over
from loop_kit.errors import GitFailed

REF = "refs/loop-kit/incoming-test"


@pytest.fixture
def clone(cloner: Cloner, local: Local) -> Path:
    """A clone of the loop's repository."""
    return cloner.clone("one", local.head)


def commit(git: Git, clone: Path, name: str, text: str = "A = 1\n") -> str:
    """Commit one more file in the clone; the commit's id."""
    path = clone / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    inside = git.at(clone)
    inside.run("add", "--all")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    inside.run(*who, "commit", "--quiet", "--message", name)
    return inside.text("rev-parse", "HEAD")


def object_file(clone: Path, oid: str) -> Path:
    """Where an object of the clone is, writable."""
    path = clone / ".git" / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    return path


def own(clone: Path, sha: str, local: Local) -> bytes | None:
    """What is packed of the clone."""
    return pack_own(clone / ".git" / "objects", sha, [local.head])


def test_commits_with_folders_are_packed_whole_and_taken_over(local: Local, clone: Path) -> None:
    commit(local.git, clone, "a/b/c.py")
    last = commit(local.git, clone, "a/d.py", "B = 2\n" * 1000)
    assert own(clone, last, local) is not None
    take_over(local.git, clone, last, [local.head], REF)
    shutil.rmtree(clone)
    assert local.git.text("show", f"{REF}:a/b/c.py") == "A = 1"
    local.git.run("fsck", "--strict", "--connectivity-only", REF)


def test_a_submodule_is_named_and_not_looked_for(local: Local, clone: Path) -> None:
    entry = f"160000,{local.head},inner"
    local.git.at(clone).run("update-index", "--add", "--cacheinfo", entry)
    (clone / "inner").mkdir()
    last = commit(local.git, clone, "a.py")
    assert own(clone, last, local) is not None
    take_over(local.git, clone, last, [local.head], REF)
    assert local.git.text("rev-parse", f"{REF}:inner") == local.head


def test_what_is_in_packs_is_left_to_git(local: Local, clone: Path) -> None:
    last = commit(local.git, clone, "a.py")
    local.git.at(clone).run("repack", "-a", "-d", "-l", "-q")
    assert own(clone, last, local) is None
    take_over(local.git, clone, last, [local.head], REF)
    assert local.git.text("show", f"{REF}:a.py") == "A = 1"


def test_many_objects_and_large_ones_are_left_to_git(local: Local, clone: Path) -> None:
    large = commit(local.git, clone, "large.txt", "long line\n" * 300_000)
    assert own(clone, large, local) is None
    for number in range(250):
        (clone / f"{number}.py").write_text(f"A = {number}\n")
    assert own(clone, commit(local.git, clone, "last.py"), local) is None


def test_a_commit_on_top_of_an_older_one_than_the_loop_names_is_left_to_git(
    local: Local, clone: Path
) -> None:
    last = commit(local.git, clone, "a.py")
    assert pack_own(clone / ".git" / "objects", last, []) is None


@pytest.mark.parametrize("damage", ["gone", "another", "long", "no object", "a folder"])
def test_a_clone_whose_objects_are_damaged_is_refused(
    local: Local, clone: Path, damage: str
) -> None:
    last = commit(local.git, clone, "a.py")
    path = object_file(clone, local.git.at(clone).text("rev-parse", "HEAD:a.py"))
    path.unlink()
    if damage == "another":
        path.write_bytes(zlib.compress(b"blob 6\0B = 2\n"))
    elif damage == "long":
        path.write_bytes(zlib.compress(b"blob 6\0" + b"\0" * 50_000_000))
    elif damage == "no object":
        path.write_bytes(zlib.compress(b"A = 1\n"))
    elif damage == "a folder":
        path.mkdir()
    with pytest.raises(GitFailed):
        take_over(local.git, clone, last, [local.head], REF)
    assert local.git.text("for-each-ref", REF) == ""


def test_nothing_is_read_of_an_object_once_there_is_too_much(local: Local, clone: Path) -> None:
    inside = local.git.at(clone)
    (clone / "a.py").write_text("A = 2\n")
    commit(local.git, clone, "z.py")
    before = sum(int(inside.text("cat-file", "-s", name)) for name in ("HEAD", "HEAD^{tree}"))
    (clone / "z.py").write_text("A" * (1024 * 1024 - before + 2))
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    inside.run(*who, "commit", "--quiet", "--all", "--amend", "--no-edit")
    path = object_file(clone, inside.text("rev-parse", "HEAD:a.py"))
    os.truncate(path, 1 << 43)
    assert own(clone, inside.text("rev-parse", "HEAD"), local) is None
