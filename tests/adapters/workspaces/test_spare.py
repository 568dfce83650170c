"""A workspace that was used once hands on the files that nobody has written to, and no more."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.adapters.conftest import Local
from tests.adapters.workspaces.stand_ins import Scratch, Unprepared
from tests.adapters.workspaces.test_clones import agent_git
from tests.support.git_log import GitLog

from loop_kit.adapters.files.special_files import READ_BY_GIT, remove_special_files
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces import spare
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.fingerprints import Fingerprints
from loop_kit.adapters.workspaces.inventory import LARGE_INDEX, Inventory
from loop_kit.adapters.workspaces.own_index import read_index
from loop_kit.adapters.workspaces.snapshots import Snapshots
from loop_kit.adapters.workspaces.spare import Spare
from loop_kit.adapters.workspaces.undelivered import Closing
from loop_kit.adapters.workspaces.workplace import Workplace
from loop_kit.adapters.workspaces.writes import has_mounts, reports_overlays

FILES = {
    "src/a.py": "a\n",
    "src/b.py": "b\n",
    "src/deep/c.py": "c\n",
    ".gitignore": "cache/\n*.pyc\n",
    ".gitattributes": "* text\n",
    "README": "read\n",
}
MOMENT = 15_000_000
"""Nanoseconds after which a file that was noted is still not trusted."""
SETTLED = 0.07
"""Seconds after which a later write has another time for certain."""


class Used:
    """A workspace that was made long enough ago to be trusted, and is used now."""

    def __init__(
        self, local: Local, folder: Path, *, in_files: bool = True, large_index: int = LARGE_INDEX
    ) -> None:
        self.cloner = Cloner(local.git, local.root / ".git", Scratch(folder))
        self.spare = Spare(self.cloner, in_files=in_files, large_index=large_index)
        self.local = local
        self.sha = local.commit(FILES)
        self.path = self.cloner.clone("workspace", self.sha)
        time.sleep(SETTLED)
        self.spare.note(self.path, self.sha, None)
        assert self.spare.inventory is not None
        assert self.spare.inventory.watches_files is in_files
        self.before = self.changes()

    def changes(self) -> dict[str, int]:
        """When each file was last written to, or changed otherwise."""
        return {name: (self.path / name).lstat().st_ctime_ns for name in (*FILES, "a.py", "run.sh")}

    def reopen(self, sha: str, meanwhile: Callable[[Path], object] = lambda kept: None) -> bool:
        self.spare.keep(self.path)
        meanwhile(self.path.with_name("spare"))
        return self.spare.reopen(self.path, sha, None, None)

    def require_new(self, sha: str) -> None:
        """The workspace is as a new clone of `sha` is."""
        new = self.cloner.clone("new", sha)
        names = {str(p.relative_to(new)) for p in new.rglob("*") if ".git/" not in f"{p}/"}
        found = {
            str(p.relative_to(self.path))
            for p in self.path.rglob("*")
            if ".git/" not in f"{p.relative_to(self.path)}/"
        }
        assert found == names
        for name in names:
            ours, theirs = self.path / name, new / name
            assert (ours.is_symlink(), ours.is_dir()) == (theirs.is_symlink(), theirs.is_dir())
            assert ours.lstat().st_mode == theirs.lstat().st_mode
            assert ours.is_dir() or ours.read_bytes() == theirs.read_bytes()
            assert ours.is_dir() or ours.lstat().st_nlink == 1
        git = agent_git(self.path)
        assert git.text("status", "--porcelain", "--ignored", "--untracked-files=all") == ""
        assert git.text("rev-parse", "HEAD") == sha

    def require_like_new(self, sha: str, before: dict[str, int]) -> None:
        """It is as a new clone is, and what was not to be trusted is written again."""
        self.require_new(sha)
        assert self.changes()["src/a.py"] > before["src/a.py"]


@pytest.fixture(params=[LARGE_INDEX, 0], ids=["few files", "many files"])
def used(request: pytest.FixtureRequest, local: Local, tmp_path: Path) -> Used:
    return Used(local, tmp_path / "scratch", large_index=request.param)


def test_only_what_differs_between_two_commits_is_written(used: Used) -> None:
    later = used.local.commit({"src/b.py": "changed\n"})
    assert used.reopen(later)
    used.require_new(later)
    now = used.changes()
    assert {name for name in now if now[name] != used.before[name]} == {"src/b.py"}


def test_folders_come_and_go_between_two_commits(used: Used) -> None:
    used.local.git.run("rm", "--quiet", "-r", "src/deep", "README")
    new = {"README/inside": "x\n", "new/deep/x": "x\n"}
    later = used.local.commit(new)
    assert used.reopen(later)
    used.require_new(later)
    used.path.joinpath("new", "deep", "y").write_text("left\n")
    assert used.reopen(used.sha)
    used.require_new(used.sha)


def test_of_many_files_git_neither_reads_nor_writes_an_index(local: Local, tmp_path: Path) -> None:
    log = GitLog(tmp_path / "bin")
    logged = Git(local.root, {**os.environ, **log.environment()})
    used = Used(Local(local.root, logged), tmp_path / "scratch", large_index=0)
    later = used.local.commit({"src/b.py": "changed\n", "new/deep/x": "x\n"})
    used.local.git.run("rm", "--quiet", "src/deep/c.py")
    later = used.local.commit({})
    used.spare.keep(used.path)
    before = len(log.calls)
    assert used.spare.reopen(used.path, later, None, None)
    words = [call.split() for call in log.calls[before:]]
    assert not [call for call in words if {"read-tree", "diff", "ls-files"} & {*call}]
    used.require_new(later)


def same_size_and_time(path: Path) -> None:
    about = (path / "src/a.py").stat()
    (path / "src/a.py").write_text("z\n")
    os.utime(path / "src/a.py", ns=(about.st_atime_ns, about.st_mtime_ns))


def swap(path: Path) -> None:
    (path / "src/a.py").rename(path / "x")
    (path / "src/b.py").rename(path / "src/a.py")
    (path / "x").rename(path / "src/b.py")


def link_folder(path: Path) -> None:
    shutil.copytree(path / "src", path.with_name("elsewhere"), dirs_exist_ok=True)
    shutil.rmtree(path / "src")
    (path / "src").symlink_to(path.with_name("elsewhere"))


def plant_files(path: Path) -> None:
    (path / "cache").mkdir()
    (path / "cache" / "built").write_text("x")
    (path / "src" / "a.pyc").write_text("x")
    (path / "src" / "new.py").write_text("x")
    (path / "src" / "empty").mkdir()
    os.mkfifo(path / "src" / ".gitignore")
    (path / "src" / "deep" / ".git").mkdir()
    (path / "src" / "deep" / ".git" / "HEAD").write_text("ref: refs/heads/x\n")


def lock_folder(path: Path) -> None:
    (path / "src" / "deep").chmod(0o000)


def link_file(path: Path) -> None:
    (path.with_name("held")).unlink(missing_ok=True)
    os.link(path / "src/a.py", path.with_name("held"))


def set_attribute(path: Path) -> None:
    os.setxattr(path / "src" / "deep", "user.x", b"1")


SPOILS: dict[str, Callable[[Path], object]] = {
    "written, time and size as before": same_size_and_time,
    "two files swapped": swap,
    "a folder is a link": link_folder,
    "new files": plant_files,
    "a locked folder": lock_folder,
    "a second name": link_file,
    "an attribute of a folder": set_attribute,
    "another mode": lambda path: (path / "src/a.py").chmod(0o777),
    "gone": lambda path: shutil.rmtree(path / "src"),
    "hidden by git": lambda path: (path / ".git" / "info" / "exclude").write_text("*\n"),
    "its git gone": lambda path: shutil.rmtree(path / ".git", ignore_errors=True),
}


@pytest.mark.parametrize("in_files", [True, False])
@pytest.mark.parametrize("name", SPOILS)
def test_nothing_of_what_an_agent_left_is_in_the_next(
    local: Local, tmp_path: Path, name: str, in_files: bool
) -> None:
    used = Used(local, tmp_path / "scratch", in_files=in_files)
    if name == "hidden by git":
        (used.path / "new.py").write_text("x")
    SPOILS[name](used.path)
    later = used.local.commit({"README": "changed\n"})
    assert used.reopen(later)
    used.require_new(later)


@pytest.mark.parametrize("name", [name for name in SPOILS if "git" not in name])
def test_nor_is_what_was_done_to_it_while_it_was_kept(used: Used, name: str) -> None:
    later = used.local.commit({"README": "changed\n"})
    assert used.reopen(later, SPOILS[name])
    used.require_new(later)


def test_what_was_only_open_for_writing_is_written_again(used: Used) -> None:
    with (used.path / "src/a.py").open("r+b"):
        pass
    assert used.changes() == used.before
    assert used.reopen(used.sha)
    used.require_like_new(used.sha, used.before)
    now = used.changes()
    assert {name for name in now if now[name] != used.before[name]} == {"src/a.py"}


def map_memory(path: Path) -> None:
    with (path / "src/a.py").open("r+b") as stream, mmap.mmap(stream.fileno(), 2) as memory:
        memory[:1] = bytes([memory[0] + 1])


def swap_blocks(path: Path) -> None:
    """As the owner of two files can on ext4; nowhere else."""
    other = path / "other"
    other.write_text("z\n")
    with other.open("r+b") as stream, (path / "src/a.py").open("r+b") as victim:
        os.fsync(stream.fileno())
        os.fsync(victim.fileno())
        about = struct.pack("IIQQQQ", 0, victim.fileno(), 0, 0, 1, 0)
        with contextlib.suppress(OSError):
            fcntl.ioctl(stream.fileno(), 0xC028660F, about)


@pytest.fixture(params=["/dev/shm", ""])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is such a file system, and one on the disk."""
    where = request.param if os.access(request.param, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=where) as name:
        yield Path(name)


def map_by_another_name(path: Path) -> None:
    """Through a link that is elsewhere, and gone before anybody looks."""
    other = path.with_name("other")
    os.link(path / "src/a.py", other)
    with other.open("r+b") as stream, mmap.mmap(stream.fileno(), 2) as memory:
        memory[:1] = b"z"
    other.unlink()


def truncate_by_another_name(path: Path) -> None:
    """Which opens no file."""
    other = path.with_name("other")
    os.link(path / "src/a.py", other)
    os.truncate(other, 0)
    other.unlink()


def write_in_a_folder_that_is_elsewhere(path: Path) -> None:
    aside = path.with_name("moved")
    (path / "src").rename(aside)
    with (aside / "a.py").open("r+b") as stream, mmap.mmap(stream.fileno(), 2) as memory:
        memory[:1] = b"z"
    aside.rename(path / "src")


@pytest.mark.parametrize("in_files", [True, False])
@pytest.mark.parametrize(
    "write",
    [
        *(map_memory, swap_blocks, map_by_another_name, truncate_by_another_name),
        write_in_a_folder_that_is_elsewhere,
    ],
)
def test_a_write_that_sets_no_time_or_has_another_name_is_undone(
    local: Local, folder: Path, write: Callable[[Path], None], in_files: bool
) -> None:
    used = Used(local, folder / "scratch", in_files=in_files)
    write(used.path)
    assert used.reopen(used.sha)
    used.require_like_new(used.sha, used.before)


def test_a_file_whose_earlier_self_ends_now_is_written_again(local: Local, folder: Path) -> None:
    used = Used(local, folder / "scratch")
    other = used.path.with_name("other")
    os.link(used.path / "src/a.py", other)
    assert used.reopen(used.sha)
    before = used.changes()
    map_memory(used.path)
    other.unlink()
    assert used.reopen(used.sha)
    used.require_like_new(used.sha, before)


SEND_TO_NOBODY = """
import mmap, socket, sys
with open(sys.argv[1], "r+b") as stream, mmap.mmap(stream.fileno(), 2) as memory:
    memory[:1] = b"z"
    one, other = socket.socketpair()
    socket.send_fds(one, [b"x"], [stream.fileno(), one.fileno(), other.fileno()])
"""


@pytest.mark.parametrize("in_files", [True, False])
def test_a_file_that_only_a_message_to_nobody_holds_open_is_written_again(
    local: Local, folder: Path, in_files: bool
) -> None:
    used = Used(local, folder / "scratch", in_files=in_files)
    subprocess.run([sys.executable, "-c", SEND_TO_NOBODY, used.path / "src/a.py"], check=True)
    assert used.reopen(used.sha)
    used.require_like_new(used.sha, used.before)


def test_what_nobody_holds_is_closed_from_the_end_of_an_agent_on_unless_another_begins(
    used: Used, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Closing] = []

    class Counted(Closing):
        def __init__(self) -> None:
            super().__init__()
            begun.append(self)

    monkeypatch.setattr(spare, "Closing", Counted)
    after_use = 1
    assert used.reopen(used.sha, lambda _: used.spare.work_ended())
    assert len(begun) == after_use + 1
    begun.clear()

    def two_agents(_: Path) -> None:
        used.spare.work_ended()
        used.spare.work_begins()

    assert used.reopen(used.sha, two_agents)
    assert len(begun) == after_use + 2
    begun.clear()
    assert used.reopen(used.sha)
    assert len(begun) == after_use + 1


def test_an_empty_folder_that_was_removed_and_made_again_is_looked_at(used: Used) -> None:
    empty = used.path / "src" / "empty"
    empty.mkdir()
    used.spare.note(used.path, used.sha, None)
    empty.rmdir()
    empty.mkdir()
    (empty / "new").write_text("x\n")
    assert used.reopen(used.sha)
    assert not (empty / "new").exists()
    empty.mkdir(exist_ok=True)
    (empty / "new").write_text("x\n")
    assert used.reopen(used.sha)
    assert not (empty / "new").exists()


@pytest.mark.parametrize(
    ("release", "reports"),
    [("6.18.44-x\n", True), ("6.5.0-1025-azure", True), ("7.0.1", True)]
    + [(old, False) for old in ("6.1.0-18-amd64", "5.15.0", "4.19", "", "x.y")],
)
def test_files_are_watched_where_a_write_through_an_overlay_is_reported(
    release: str, reports: bool
) -> None:
    assert reports_overlays(release) is reports


def test_nothing_is_removed_through_a_link_that_a_commit_puts_in_place_of_a_folder(
    used: Used,
) -> None:
    outside = used.path.with_name("outside")
    shutil.copytree(used.path / "src", outside)
    used.local.git.run("rm", "--quiet", "-r", "src")
    (used.local.root / "src").symlink_to(outside)
    later = used.local.commit({})
    assert used.reopen(later)
    (outside / "deep" / "new").write_text("x\n")
    (used.path / "README").write_text("z\n")
    assert used.reopen(later)
    assert {path.name for path in (outside / "deep").iterdir()} == {"c.py", "new"}
    assert (used.path / "README").read_text() == FILES["README"]


def test_a_file_system_in_the_place_of_a_folder_is_noticed(tmp_path: Path) -> None:
    assert has_mounts(Path("/dev"))
    assert not has_mounts(tmp_path)


def test_only_what_was_touched_is_looked_at(used: Used) -> None:
    assert used.spare.inventory is not None
    (used.path / "src" / "b.py").write_text("z\n")
    (used.path / "src" / "deep").chmod(0o000)
    looked_at = used.spare.inventory.strange(used.path, {".gitattributes"})
    assert looked_at is not None
    assert {*looked_at} == {"src/b.py", "src/deep"}


def test_a_pipe_behind_a_link_that_was_committed_is_found(used: Used) -> None:
    (used.local.root / ".gitignore").unlink()
    (used.local.root / ".gitignore").symlink_to("README")
    assert used.reopen(used.local.commit({}))
    assert used.spare.inventory is not None
    (used.path / "README").unlink()
    os.mkfifo(used.path / "README")
    remove_special_files(used.path, used.spare.inventory.strange(used.path, READ_BY_GIT))
    assert not os.path.lexists(used.path / ".gitignore")


def test_one_in_which_more_was_written_than_is_known_is_given_up(used: Used) -> None:
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    names = [used.path / "src" / name for name in ("a.py", "b.py")]
    for number in range(queue + 1):
        os.close(os.open(names[number % 2], os.O_WRONLY))
    assert not used.reopen(used.sha)
    assert not used.path.exists()


def test_attributes_that_change_make_a_new_one(used: Used) -> None:
    later = used.local.commit({".gitattributes": "* text eol=crlf\n"})
    assert not used.reopen(later)
    assert not used.path.exists()


def test_the_time_of_a_folder_is_set_back(used: Used) -> None:
    folder = used.path / "src" / "deep"
    before = folder.stat().st_mtime_ns
    (folder / "x").write_text("x\n")
    os.utime(folder, ns=(1, 1))
    assert used.reopen(used.sha)
    assert folder.stat().st_mtime_ns == before


def flag_index(path: Path) -> None:
    agent_git(path).run("update-index", "--assume-unchanged", "src/a.py")
    agent_git(path).run("update-index", "--skip-worktree", "src/b.py")
    for name in ("src/a.py", "src/b.py"):
        (path / name).write_text("z\n")


def steer_git(path: Path) -> None:
    inside = path / ".git"
    (inside / "info" / "attributes").write_text("* filter=evil eol=crlf\n")
    (inside / "info" / "sparse-checkout").write_text("/README\n")
    (inside / "hooks").mkdir()
    (inside / "hooks" / "post-checkout").write_text("#!/bin/sh\ntouch hooked\n")
    (inside / "hooks" / "post-checkout").chmod(0o755)
    config = '[filter "evil"]\n\tsmudge = echo evil\n[core]\n\tsparseCheckout = true\n'
    (inside / "config").write_text(config)
    (path / "src" / "a.py").unlink()


def nest_repository(path: Path) -> None:
    agent_git(path).run("init", "--quiet", "src/deep")
    agent_git(path).run("init", "--quiet", "module")


def sink_folders(path: Path) -> None:
    """Folders deeper than a path may be long."""
    below = os.open(path / "src", os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 200, dir_fd=below)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=below)
        os.close(below)
        below = deeper
    os.close(below)


def move_folder_out_and_in(path: Path) -> None:
    aside = path.with_name("moved")
    (path / "src").rename(aside)
    (aside / "a.py").rename(path.with_name("a.py"))
    path.with_name("a.py").rename(aside / "a.py")
    aside.rename(path / "src")


def set_file_attribute(path: Path) -> None:
    os.setxattr(path / "src/a.py", "user.x", b"1")


@pytest.mark.parametrize(
    "spoil",
    [
        flag_index,
        steer_git,
        nest_repository,
        sink_folders,
        move_folder_out_and_in,
        set_file_attribute,
    ],
)
def test_no_trick_reaches_the_next(used: Used, spoil: Callable[[Path], None]) -> None:
    spoil(used.path)
    later = used.local.commit({"README": "changed\n"})
    assert used.reopen(later)
    used.require_new(later)
    assert not os.listxattr(used.path / "src/a.py")


def replace_folder(kept: Path) -> None:
    kept.rename(kept.with_name("aside"))
    shutil.copytree(kept.with_name("aside"), kept)


def link_whole(kept: Path) -> None:
    kept.rename(kept.with_name("aside"))
    kept.symlink_to(kept.with_name("aside"))


@pytest.mark.parametrize(
    "meanwhile",
    [
        shutil.rmtree,
        replace_folder,
        link_whole,
        lambda kept: kept.chmod(0o777),
    ],
)
def test_one_that_is_not_what_was_kept_is_given_up(
    used: Used, meanwhile: Callable[[Path], object]
) -> None:
    assert not used.reopen(used.sha, meanwhile)
    assert not os.path.lexists(used.path)
    assert not os.path.lexists(used.path.with_name("spare"))


def test_files_that_were_written_a_moment_before_are_written_again(
    local: Local, tmp_path: Path
) -> None:
    cloner = Cloner(local.git, local.root / ".git", Scratch(tmp_path / "scratch"))
    spare = Spare(cloner, in_files=False)
    path = cloner.clone("workspace", local.head)
    deadline = time.monotonic() + 30
    while True:
        (path / "a.py").chmod(0o644)
        about = (path / "a.py").lstat()
        spare.note(path, local.head, None)
        took = time.time_ns() - about.st_ctime_ns
        spare.keep(path)
        assert spare.reopen(path, local.head, None, None)
        if took < MOMENT or time.monotonic() > deadline:
            break
    assert (path / "a.py").lstat().st_ctime_ns > about.st_ctime_ns


def test_one_that_was_prepared_otherwise_is_not_used(used: Used) -> None:
    used.spare.keep(used.path)
    assert not used.spare.reopen(used.path, used.sha, "another key", None)
    assert not used.path.exists()


def test_what_is_missing_of_a_preparation_is_copied_again(used: Used, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    for root in (prepared, used.path):
        (root / "cache" / "deep").mkdir(parents=True)
        (root / "cache" / "deep" / "x").write_text("x\n")
        (root / "cache" / "y").write_text("y\n")
    time.sleep(SETTLED)
    used.spare.note(used.path, used.sha, "key")
    (used.path / "cache" / "y").write_text("spoilt\n")
    shutil.rmtree(used.path / "cache" / "deep")
    (used.path / "cache" / "new").write_text("new\n")
    used.spare.keep(used.path)
    assert used.spare.reopen(used.path, used.sha, "key", prepared)
    assert {path.name for path in (used.path / "cache").iterdir()} == {"deep", "y"}
    assert (used.path / "cache" / "y").read_text() == "y\n"
    assert (used.path / "cache" / "deep" / "x").read_text() == "x\n"


@pytest.mark.parametrize("name", [name for name in SPOILS if "file" in name or "written" in name])
def test_a_fingerprint_asks_git_only_about_what_was_touched(used: Used, name: str) -> None:
    prints = [
        Fingerprints(
            used.local.git,
            used.local.root / ".git",
            used.path,
            read_index(used.path / ".git" / "index"),
            used.path.with_name("workspace.index"),
            inventory,
        )
        for inventory in (Inventory(used.path), None)
    ]
    for each in prints:
        each.take()
    SPOILS[name](used.path)
    found, as_git_says = (each.take() for each in prints)
    assert found == as_git_says


def test_nothing_is_noted_for_a_reviewer_that_may_be_the_last_to_need_a_workspace(
    local: Local, tmp_path: Path
) -> None:
    cloner = Cloner(local.git, local.root / ".git", Scratch(tmp_path / "scratch"))
    place = Workplace(Snapshots(cloner, Unprepared()))
    kept = cloner.folder / "spare"
    for is_later in (False, True):
        place.open_fresh(local.head)
        assert (place.inventory is not None) is is_later
        place.close_fresh()
        assert kept.exists() is is_later
        assert not place.path.exists()


@pytest.mark.parametrize("in_job", [False, True])
def test_in_a_large_repository_the_first_is_noted_too_unless_a_job_takes_one_round(
    local: Local, tmp_path: Path, in_job: bool
) -> None:
    git = Git(local.root, os.environ, isolated=in_job)
    cloner = Cloner(git, local.root / ".git", Scratch(tmp_path / "scratch"))
    place = Workplace(Snapshots(cloner, Unprepared(), large_index=0))
    place.open_fresh(local.head)
    assert (place.inventory is None) is in_job


def test_what_verify_used_is_kept_for_the_reviewer(local: Local, tmp_path: Path) -> None:
    cloner = Cloner(local.git, local.root / ".git", Scratch(tmp_path / "scratch"))
    place = Workplace(Snapshots(cloner, Unprepared()))
    with place.fresh(local.head):
        pass
    assert (cloner.folder / "spare").exists()
    place.open_fresh(local.head)
    assert place.inventory is not None
