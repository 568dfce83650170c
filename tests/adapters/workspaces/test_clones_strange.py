"""Clones of repositories with files that git would change by merely looking at them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, environment, workplace
from tests.adapters.workspaces.stand_ins import Scratch
from tests.support.git_log import GitLog

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.core.loop.state import Role
from loop_kit.ports import Workspace

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 9\n" % (b"4" * 64)
LFS = "[filter {quote}lfs{quote}]\n\tprocess = git-lfs filter-process\n\trequired = true\n"


def blob(local: Local, content: bytes) -> str:
    done = local.git.run("hash-object", "-w", "--stdin", "--no-filters", stdin=content)
    return done.out.decode().strip()


def commit_raw(local: Local, files: dict[str, bytes]) -> str:
    """Commit these bytes as they are, whatever attributes say."""
    for name, content in files.items():
        entry = ("--add", "--cacheinfo", f"100644,{blob(local, content)},{name}")
        local.git.run("update-index", *entry)
    local.git.run("commit", "--quiet", "-m", "As it is", env=IDENTITY.environment())
    local.git.run("reset", "--quiet", "--hard")
    return local.head


def opened(local: Local, tmp_path: Path, git: Git | None = None) -> Workspace:
    cloner = Cloner(git or local.git, local.root / ".git", Scratch(tmp_path / "scratch"))
    return Clones(workplace(cloner), IDENTITY).open(Role.WORKER, local.head)


def changed(local: Local, head: str) -> list[str]:
    names = local.git.text("diff", "--name-only", "-z", local.head, head)
    return names.split("\0")[:-1]


def test_line_ends_that_nobody_touched_are_not_committed(local: Local, tmp_path: Path) -> None:
    dos = b"one\r\ntwo\r\n"
    commit_raw(local, {".gitattributes": b"*.txt text\n", "a.txt": dos, "b.txt": dos})
    workspace = opened(local, tmp_path)
    (workspace.path / "a.py").write_text("mine\n")
    (workspace.path / "b.txt").write_bytes(dos + b"three\r\n")

    head = workspace.collect("Leftovers").head

    assert changed(local, head) == ["a.py", "b.txt"]
    assert local.git.run("cat-file", "blob", f"{head}:b.txt").out == b"one\ntwo\nthree\n"


def test_line_ends_that_a_reviewer_found_void_no_verdict_and_those_it_wrote_do(
    local: Local, tmp_path: Path
) -> None:
    dos = b"one\r\ntwo\r\n"
    commit_raw(local, {".gitattributes": b"*.txt text\n", "a.txt": dos, "b.txt": dos})
    workspace = opened(local, tmp_path)
    before = workspace.fingerprint()
    for name in ("a.txt", "b.txt"):
        (workspace.path / name).touch()
    assert workspace.fingerprint() == before
    (workspace.path / "b.txt").write_bytes(b"one\ntwo\n")
    assert workspace.fingerprint().changed_since(before) == ("b.txt",)
    (workspace.path / "a.txt").chmod(0o755)
    assert workspace.fingerprint().changed_since(before) == ("a.txt", "b.txt")


def test_an_entry_of_the_index_that_a_reviewer_marked_is_named_and_nothing_else(
    local: Local, tmp_path: Path
) -> None:
    commit_raw(local, {"a.txt": b"one\n", "b.txt": b"two\n"})
    workspace = opened(local, tmp_path)
    before = workspace.fingerprint()
    git = local.git.at(workspace.path)
    git.run("update-index", "--assume-unchanged", "b.txt")
    assert workspace.fingerprint().changed_since(before) == ("b.txt (in the index)",)


def test_line_ends_alone_are_no_work(local: Local, tmp_path: Path) -> None:
    commit_raw(local, {".gitattributes": b"*.txt text\n", "a.txt": b"one\r\n"})
    assert opened(local, tmp_path).collect("Leftovers").head == local.head


def test_a_mode_is_work(local: Local, tmp_path: Path) -> None:
    workspace = opened(local, tmp_path)
    (workspace.path / "run.sh").chmod(0o644)
    assert changed(local, workspace.collect("Leftovers").head) == ["run.sh"]


@pytest.mark.parametrize("name", ['"quoted', "line\nend", "-u", ":(top)x", " space ", "é\udce9"])
def test_a_change_in_a_file_with_an_odd_name_is_work(
    local: Local, tmp_path: Path, name: str
) -> None:
    local.commit({name: "before\n"})
    workspace = opened(local, tmp_path)
    (workspace.path / name).write_text("after\n")
    head = workspace.collect("Leftovers").head
    assert changed(local, head) == [name]
    assert local.git.text("cat-file", "blob", f"{head}:{name}") == "after"


@pytest.mark.parametrize("where", ["home", "checkout"])
def test_no_lfs_program_is_run_and_pointers_stay_what_they_are(
    local: Local, tmp_path: Path, where: str
) -> None:
    commit_raw(local, {".gitattributes": b"*.bin filter=lfs -text\n", "a.bin": POINTER})
    home = tmp_path / "home"
    home.mkdir()
    target = home / ".gitconfig" if where == "home" else local.root / ".git" / "config"
    with target.open("a") as config:
        config.write(LFS.format(quote='"'))
    log = GitLog(tmp_path / "bin")
    environ = {**environment(home), **log.environment()}
    workspace = opened(local, tmp_path, Git.in_job(local.root, environ, timeout=30))
    theirs = Git(workspace.path, {**environ, **IDENTITY.environment()})

    (workspace.path / "b.bin").write_bytes(b"new")
    theirs.run("add", "--all")
    theirs.run("commit", "--quiet", "-m", "By the agent")
    (workspace.path / "c.bin").write_bytes(b"newer")
    head = workspace.collect("Leftovers").head

    assert changed(local, head) == ["b.bin", "c.bin"]
    assert (workspace.path / "a.bin").read_bytes() == POINTER
    assert local.git.run("cat-file", "blob", f"{head}:c.bin").out == b"newer"
    assert log.calls
    assert log.lfs_calls == []


def test_a_submodule_is_neither_fetched_nor_changed(local: Local, tmp_path: Path) -> None:
    local.write(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = https://127.0.0.1:1/x\n')
    local.git.run("add", ".gitmodules")
    local.git.run("update-index", "--add", "--cacheinfo", f"160000,{'5' * 40},x")
    local.git.run("commit", "--quiet", "-m", "A submodule", env=IDENTITY.environment())
    log = GitLog(tmp_path / "bin")
    environ = {**environment(tmp_path), **log.environment()}
    workspace = opened(local, tmp_path, Git.in_job(local.root, environ, timeout=30))
    (workspace.path / "a.py").write_text("mine\n")

    head = workspace.collect("Leftovers").head

    assert changed(local, head) == ["a.py"]
    assert list((workspace.path / "x").iterdir()) == []
    assert not [call for call in log.calls if "127.0.0.1" in call]
