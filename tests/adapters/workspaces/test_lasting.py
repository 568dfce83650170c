"""Of many files of a worker only those are looked at that something was done to."""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local
from tests.adapters.workspaces.stand_ins import Scratch, Unprepared
from tests.adapters.workspaces.test_clones import agent_git
from tests.support.git_log import GitLog

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.snapshots import Snapshots
from loop_kit.adapters.workspaces.workplace import Workplace
from loop_kit.core.loop.state import Role
from loop_kit.ports import Workspace

FILES = {".gitignore": "cache/\n", "src/b.py": "b\n", "src/deep/c.py": "c\n"}


class Lasting:
    """A worker's workspace that is open for the second time, and watched."""

    def __init__(self, local: Local, git: Git, folder: Path) -> None:
        self.sha = local.commit(FILES)
        cloner = Cloner(git, local.root / ".git", Scratch(folder))
        self.place = Workplace(Snapshots(cloner, Unprepared()), large_index=0)
        self._clones = Clones(self.place, IDENTITY)
        self.open(self.sha).close()
        self.workspace = self.open(self.sha)
        assert self.place.lasting is not None
        self.path = self.workspace.path

    def open(self, sha: str) -> Workspace:
        return self._clones.open(Role.WORKER, sha)

    def commit(self) -> str:
        """What the worker commits in its round, as it is collected; it is clean."""
        (self.path / "src" / "b.py").write_text("worked\n")
        (self.path / "cache").mkdir(exist_ok=True)
        (self.path / "cache" / "built").write_text("built\n")
        agent_git(self.path).run("commit", "--quiet", "--all", "-m", "Work")
        return self.workspace.collect("Leftovers").head

    def reopened(self, sha: str) -> Path:
        """Where the worker's next attempt finds the files of its commit and what git ignores."""
        path = self.open(sha).path
        assert path == self.path
        for name, content in {**FILES, "src/b.py": "worked\n"}.items():
            assert (path / name).read_text() == content
        assert (path / "cache" / "built").read_text() == "built\n"
        assert not (path / "src" / ".git").exists()
        assert not (path / "src" / "empty").exists()
        return path


def status(path: Path) -> str:
    """What an agent's git says of its files."""
    return agent_git(path).text("status", "--porcelain", "--untracked-files=all")


@pytest.fixture(params=["/dev/shm", ""])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is such a file system, and one on the disk."""
    where = request.param if os.access(request.param, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=where) as name:
        yield Path(name)


@pytest.fixture
def lasting(local: Local, folder: Path) -> Lasting:
    return Lasting(local, local.git, folder)


def test_files_that_nothing_was_done_to_are_not_compared(local: Local, tmp_path: Path) -> None:
    log = GitLog(tmp_path / "bin")
    git = Git(local.root, {**os.environ, **log.environment()})
    lasting = Lasting(local, git, tmp_path / "scratch")
    head = lasting.commit()
    lasting.workspace.close()
    before = len(log.calls)
    assert status(lasting.reopened(head)) == ""
    assert not [call for call in log.calls[before:] if "safe.directory" not in call]


def map_by_another_name(path: Path) -> None:
    other = path.with_name("other")
    os.link(path / "src" / "b.py", other)
    with other.open("r+b") as stream, mmap.mmap(stream.fileno(), 2) as memory:
        memory[:1] = b"z"
    other.unlink()


def plant(path: Path) -> None:
    (path / "src" / ".git").mkdir()
    (path / "src" / ".git" / "HEAD").write_text("ref: refs/heads/x\n")
    (path / "src" / "empty").mkdir()
    (path / "new.py").write_text("new\n")
    os.mkfifo(path / "src" / ".gitignore")


def replace_whole(path: Path) -> None:
    path.rename(path.with_name("aside"))
    shutil.copytree(path.with_name("aside"), path, symlinks=True)
    (path / "src" / "b.py").write_text("z\n")


def link_folder(path: Path) -> None:
    (path / "src").rename(path.with_name("aside"))
    (path / "src").symlink_to(path.with_name("aside"))


SPOILS: list[Callable[[Path], None]] = [
    *(map_by_another_name, plant, link_folder),
    lambda path: (path / "src" / "deep" / "c.py").unlink(),
    lambda path: (path / "src" / "b.py").chmod(0o755),
]


@pytest.mark.parametrize("spoil", SPOILS)
def test_what_an_agent_did_after_its_work_was_collected_is_undone(
    lasting: Lasting, spoil: Callable[[Path], None]
) -> None:
    head = lasting.commit()
    spoil(lasting.path)
    lasting.workspace.close()
    assert status(lasting.reopened(head)) == ""


@pytest.mark.parametrize("spoil", [*SPOILS, replace_whole])
def test_and_so_is_what_was_done_while_it_was_parked(
    lasting: Lasting, spoil: Callable[[Path], None]
) -> None:
    head = lasting.commit()
    lasting.workspace.close()
    spoil(lasting.path.with_name("worker"))
    assert status(lasting.reopened(head)) == ""


def test_what_a_worker_leaves_uncommitted_is_seen_however_it_was_written(lasting: Lasting) -> None:
    map_by_another_name(lasting.path)
    head = lasting.workspace.collect("Leftovers").head
    assert head != lasting.sha
    lasting.workspace.close()
    assert (lasting.open(head).path / "src" / "b.py").read_bytes() == b"z\n"


def hide(path: Path, index: Path, git: Git) -> None:
    """Change a file, and let an index in the place of ours call it unchanged."""
    shutil.copy(path / ".git" / "index", index)
    env = {"GIT_INDEX_FILE": str(index), "GIT_DIR": str(git.directory / ".git")}
    (path / "src" / "b.py").write_text("z\n")
    os.utime(path / "src" / "b.py", (1, 1))
    before = git.text("rev-parse", "HEAD:src/b.py")
    inside = git.at(path)
    inside.run("update-index", "src/b.py", env={**env, "GIT_WORK_TREE": str(path)})
    blob = inside.text("hash-object", "src/b.py", env=env)
    content = index.read_bytes()[:-20].replace(bytes.fromhex(blob), bytes.fromhex(before))
    index.write_bytes(content + hashlib.sha1(content).digest())


@pytest.mark.parametrize("when", ["before", "after", "parked"])
def test_an_index_that_calls_a_changed_file_unchanged_is_not_believed(
    lasting: Lasting, local: Local, when: str
) -> None:
    path = lasting.path
    if when == "before":
        hide(path, path.with_name("workspace.index"), local.git)
    head = lasting.workspace.collect("Leftovers").head
    assert (head != lasting.sha) is (when == "before")
    if when == "after":
        hide(path, path.with_name("workspace.index"), local.git)
    lasting.workspace.close()
    if when == "parked":
        hide(path.with_name("worker"), path.with_name("worker.index"), local.git)
    found = (lasting.open(head).path / "src" / "b.py").read_text()
    assert found == ("z\n" if when == "before" else "b\n")


def test_nor_is_one_that_waits_for_a_run_to_continue(
    lasting: Lasting, local: Local, folder: Path
) -> None:
    head = lasting.commit()
    lasting.workspace.close()
    hide(lasting.path.with_name("worker"), lasting.path.with_name("worker.index"), local.git)
    times = {path: path.stat().st_mtime_ns for path in lasting.path.with_name("worker").iterdir()}
    cloner = Cloner(local.git, local.root / ".git", Scratch(folder))
    later = Clones(Workplace(Snapshots(cloner, Unprepared())), IDENTITY).open(Role.WORKER, head)
    assert (later.path / "src" / "b.py").read_text() == "worked\n"
    assert (later.path / "cache" / "built").read_text() == "built\n"
    kept = {path: (later.path / path.name).stat().st_mtime_ns for path in times}
    assert {path.name for path, time in times.items() if kept[path] != time} <= {".git", "src"}


def test_a_pipe_that_git_would_wait_for_is_removed(lasting: Lasting) -> None:
    os.mkfifo(lasting.path / "src" / "deep" / ".gitignore")
    (lasting.path / "new").mkdir()
    os.mkfifo(lasting.path / "new" / ".gitattributes")
    assert lasting.workspace.collect("Leftovers").head == lasting.sha
