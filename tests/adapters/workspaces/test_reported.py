"""Whether git looks at all files, or only what was reported is compared, the same is collected."""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local
from tests.adapters.workspaces.stand_ins import Scratch, Unprepared
from tests.adapters.workspaces.test_clones import agent_git
from tests.support.git_log import GitLog

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.inventory import LARGE_INDEX, Inventory
from loop_kit.adapters.workspaces.reported import blob_id
from loop_kit.adapters.workspaces.snapshots import Snapshots
from loop_kit.adapters.workspaces.workplace import Workplace
from loop_kit.adapters.workspaces.writes import Writes
from loop_kit.core.loop.state import Role

FILES = {
    ".gitignore": "cache/\n*.o\n",
    "src/b.py": "b\n",
    "src/deep/c.py": "c\n",
    "src/deep/d.py": "d\n",
    "lib/e.py": "e\n",
}
DATES = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-01-01T00:00:00Z")
Act = Callable[[Path], object]


def commit(path: Path, message: str = "Work") -> None:
    git = agent_git(path)
    git.run("add", "--all")
    git.run("commit", "--quiet", "--allow-empty", "-m", message, env=DATES)


def work(path: Path) -> None:
    (path / "src" / "b.py").write_text("worked\n")
    (path / "cache").mkdir(exist_ok=True)
    (path / "cache" / "built").write_text("built\n")
    commit(path)


def add_more(path: Path) -> None:
    (path / "pack" / "deep").mkdir(parents=True)
    (path / "pack" / "deep" / "x.py").write_text("x\n")
    (path / "pack" / "run").write_text("run\n")
    (path / "pack" / "run").chmod(0o755)
    (path / "pack" / "link").symlink_to("run")
    (path / "pack" / "x.o").write_text("built\n")
    (path / "src" / "b.py").unlink()
    commit(path)


def keep_time(path: Path) -> None:
    work(path)
    about = (path / "lib" / "e.py").stat()
    (path / "lib" / "e.py").write_text("z\n")
    os.utime(path / "lib" / "e.py", ns=(about.st_atime_ns, about.st_mtime_ns))


def map_by_another_name(path: Path) -> None:
    work(path)
    os.link(path / "lib" / "e.py", path.with_name("other"))
    with (
        path.with_name("other").open("r+b") as stream,
        mmap.mmap(stream.fileno(), 2) as memory,
    ):
        memory[:1] = b"z"
    path.with_name("other").unlink()


def link_folder(path: Path) -> None:
    shutil.copytree(path / "src", path.with_name("outside"), dirs_exist_ok=True)
    work(path)
    shutil.rmtree(path / "src")
    (path / "src").symlink_to("../outside")


def make_folder_again(path: Path) -> None:
    work(path)
    shutil.rmtree(path / "src" / "deep")
    (path / "src" / "deep").mkdir()
    for name in ("c.py", "new.py"):
        (path / "src" / "deep" / name).write_text("c\n")


def commit_without_files(path: Path) -> None:
    git = agent_git(path)
    before = git.text("rev-parse", "HEAD")
    (path / "src" / "b.py").write_text("worked\n")
    commit(path)
    after = git.text("rev-parse", "HEAD")
    git.run("reset", "--quiet", "--hard", before)
    git.run("update-ref", "HEAD", after)


def stage_alone(path: Path) -> None:
    work(path)
    (path / "lib" / "e.py").write_text("staged\n")
    (path / "lib" / "new.py").write_text("staged\n")
    agent_git(path).run("add", "--all")
    (path / "lib" / "e.py").write_text("e\n")
    (path / "lib" / "new.py").unlink()


def flag_index(path: Path) -> None:
    agent_git(path).run("update-index", "--assume-unchanged", "lib/e.py")
    agent_git(path).run("update-index", "--skip-worktree", "src/deep/c.py")
    for name in ("lib/e.py", "src/deep/c.py"):
        (path / name).write_text("hidden\n")


def hide_by_rules(path: Path) -> None:
    work(path)
    (path / "lib" / ".gitignore").write_text("*\n")
    (path / "lib" / "hidden.py").write_text("hidden\n")
    (path / "lib" / "e.py").write_text("hidden\n")


def hide_by_exclude(path: Path) -> None:
    work(path)
    (path / ".git" / "info").mkdir(exist_ok=True)
    (path / ".git" / "info" / "exclude").write_text("*\n")
    (path / "lib" / "hidden.py").write_text("hidden\n")


def ignore_less(path: Path) -> None:
    (path / "lib" / "x.o").write_text("built\n")
    (path / ".gitignore").write_text("cache/\n")
    agent_git(path).run("commit", "--quiet", "--all", "-m", "Rules")


def nest(path: Path, where: str) -> None:
    work(path)
    (path / where).mkdir(parents=True)
    agent_git(path / where).run("init", "--quiet")
    (path / where / "inner").write_text("inner\n")


def cherry_pick(path: Path) -> None:
    work(path)
    git = agent_git(path)
    before = git.text("rev-parse", "HEAD")
    (path / "lib" / "e.py").write_text("one\n")
    commit(path)
    one = git.text("rev-parse", "HEAD")
    git.run("reset", "--quiet", "--hard", before)
    (path / "lib" / "e.py").write_text("two\n")
    commit(path)
    git.run("cherry-pick", one, ok=(0, 1))


def after_work(act: Act) -> Act:
    def both(path: Path) -> None:
        work(path)
        act(path)

    return both


def spell_link(path: Path) -> None:
    (path / "src" / "link").symlink_to("deep")
    (path / "lib" / "e.py").write_text("worked\n")
    commit(path)
    (path / "src" / "link").unlink()
    (path / "src" / "link").symlink_to("./deep/")


ACTS: dict[str, Act] = {
    "nothing": lambda path: None,
    "commits": work,
    "commits new folders, links and programs": add_more,
    "keeps size and time": keep_time,
    "writes through a mapping by another name": map_by_another_name,
    "a link for a folder": link_folder,
    "a folder made again": make_folder_again,
    "a commit without its files": commit_without_files,
    "stages what it takes back": stage_alone,
    "flags of the index": flag_index,
    "rules that hide": hide_by_rules,
    "rules of its own repository": hide_by_exclude,
    "rules that ignore less": ignore_less,
    "a repository inside": lambda path: nest(path, "lib/inside"),
    "an ignored repository inside": lambda path: nest(path, "cache/inside"),
    "a cherry-pick that is not ended": cherry_pick,
    "a file less": after_work(lambda path: (path / "lib" / "e.py").unlink()),
    "a mode": after_work(lambda path: (path / "lib" / "e.py").chmod(0o755)),
    "a mode of a folder": after_work(lambda path: (path / "src").chmod(0o700)),
    "a new file": after_work(lambda path: (path / "lib" / "new.py").write_text("new\n")),
    "an empty folder": after_work(lambda path: (path / "lib" / "empty" / "er").mkdir(parents=True)),
    "a pipe for a file": after_work(
        lambda path: ((path / "lib" / "e.py").unlink(), os.mkfifo(path / "lib" / "e.py"))
    ),
    "a link for a file": after_work(
        lambda path: ((path / "lib" / "e.py").unlink(), (path / "lib" / "e.py").symlink_to("e"))
    ),
    "a link to the same, spelt otherwise": spell_link,
    "a name for another": after_work(lambda path: (path / "lib/e.py").rename(path / "lib/f.py")),
    "a folder for another": after_work(lambda path: (path / "lib").rename(path / "moved")),
    "a name for another, committed": lambda path: (
        (path / "lib/e.py").rename(path / "lib/f.py"),
        (path / "src/deep").rename(path / "moved"),
        commit(path),
    ),
    "swapped names": after_work(
        lambda path: (
            (path / "src/deep/c.py").rename(path / "c"),
            (path / "src/deep/d.py").rename(path / "src/deep/c.py"),
            (path / "c").rename(path / "src/deep/d.py"),
        )
    ),
    "written as it was": after_work(lambda path: (path / "lib" / "e.py").write_text("e\n")),
    "no index": after_work(lambda path: (path / ".git" / "index").unlink()),
}


@dataclass(frozen=True)
class Seen:
    """What was collected of a round, and what the next attempt finds."""

    tree: str
    about: tuple[object, ...]
    files: dict[str, bytes] | None = None
    status: str = ""


def contents(path: Path) -> dict[str, bytes]:
    found = {}
    for entry in sorted(path.rglob("*")):
        name = entry.relative_to(path).as_posix()
        if name.split("/")[0] != ".git":
            is_plain = entry.is_file() and not entry.is_symlink()
            found[name] = entry.read_bytes() if is_plain else b""
    return found


def rounds(local: Local, folder: Path, large_index: int, act: Act, sha: str) -> list[Seen]:
    """A round in which a worker does this, and one in which it does nothing."""
    git = Git(local.root, os.environ)
    cloner = Cloner(git, local.root / ".git", Scratch(folder))
    place = Workplace(Snapshots(cloner, Unprepared()), large_index=large_index)
    clones, seen = Clones(place, IDENTITY), []
    for doing in (act, ACTS["nothing"]):
        workspace = clones.open(Role.WORKER, sha)
        assert (place.lasting is None) is (large_index > 0)
        path = workspace.path
        if seen:
            found = contents(path)
            status = agent_git(path).text("status", "--porcelain", "--untracked-files=all")
            seen[-1] = replace(seen[-1], files=found, status=status)
        doing(path)
        collected = workspace.collect("Left")
        workspace.close()
        sha = collected.head
        tree = local.git.text("rev-parse", f"{sha}^{{tree}}")
        seen.append(Seen(tree, (collected.notes, collected.unfinished)))
    return seen


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_whatever_a_worker_leaves(local: Local, tmp_path: Path, act: Act) -> None:
    sha = local.commit(FILES)
    looked, reported = (
        rounds(local, tmp_path / name, large, act, sha)
        for name, large in (("looked", LARGE_INDEX), ("reported", 0))
    )
    assert reported == looked


def test_where_all_is_committed_git_is_not_asked_for_more(local: Local, tmp_path: Path) -> None:
    log = GitLog(tmp_path / "bin")
    git = Git(local.root, {**os.environ, **log.environment()})
    sha = local.commit(FILES)
    cloner = Cloner(git, local.root / ".git", Scratch(tmp_path / "scratch"))
    clones = Clones(Workplace(Snapshots(cloner, Unprepared()), large_index=0), IDENTITY)
    for act in (work, add_more, ACTS["a name for another, committed"]):
        workspace = clones.open(Role.WORKER, sha)
        before = len(log.calls)
        act(workspace.path)
        sha = workspace.collect("Left").head
        workspace.close()
        words = [{*call.split()} for call in log.calls[before:]]
        asked = [call for call in words if {"reset", "read-tree", "diff-index", "add"} & call]
        assert not [call for call in asked if "core.splitIndex=false" in call]


def test_a_file_that_was_renamed_is_watched_by_its_new_name(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("one", "two"):
        (root / name).mkdir(parents=True)
        (root / name / "x").write_text(name)
    inventory = Inventory(root)
    (root / "one" / "x").rename(root / "one" / "y")
    (root / "two").rename(root / "three")
    assert inventory.renew(root) == ["one/x", "one/y", "three", "two"]
    assert inventory.is_as_noted(root)
    (root / "three" / "x").write_text("z")
    (root / "one" / "y").write_text("z")
    assert inventory.renew(root) == ["one/y", "three/x"]


def test_a_folder_that_is_made_again_is_not_taken_for_the_watched_one(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    writes = Writes(in_files=True)
    writes.watch_folder(f"{root}/", "")
    root.rmdir()
    root.mkdir()
    with pytest.raises(OSError, match="more was done than is known"):
        writes.taken()


def test_a_file_of_another_size_is_not_read(local: Local, tmp_path: Path) -> None:
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 42)
    assert blob_id(tmp_path / "large", local.commit({"a": "a"}), 7) is None


def test_what_was_left_running_and_writes_while_files_are_opened_is_seen(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloner = Cloner(Git(local.root, os.environ), local.root / ".git", Scratch(tmp_path / "x"))
    clones = Clones(Workplace(Snapshots(cloner, Unprepared()), large_index=0), IDENTITY)
    sha = local.commit(FILES)
    for act in (work, work):
        workspace = clones.open(Role.WORKER, sha)
        act(workspace.path)
        sha = workspace.collect("Left").head
        workspace.close()
    renew = Inventory.renew

    def late(self: Inventory, root: Path) -> list[str] | None:
        root.with_name("late").write_text("late\n")
        root.with_name("late").replace(root / "lib" / "e.py")
        monkeypatch.undo()
        return renew(self, root)

    monkeypatch.setattr(Inventory, "renew", late)
    workspace = clones.open(Role.WORKER, sha)
    sha = workspace.collect("Left").head
    workspace.close()
    assert local.git.text("show", f"{sha}:lib/e.py") == "late"


def test_a_file_with_two_names_is_not_watched(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "x").write_text("x")
    inventory = Inventory(root)
    os.link(root / "x", root / "y")
    with pytest.raises(OSError, match="is x, too"):
        inventory.renew(root)
    assert not inventory.is_as_noted(root)
