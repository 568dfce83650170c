"""The worker's files last from round to round, cleaned; everybody else's are new each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, workplace
from tests.adapters.workspaces.stand_ins import Scratch
from tests.adapters.workspaces.test_clones import agent_git, files_at
from tests.adapters.workspaces.test_clones_hostile import TRAP, plant
from tests.support.git_log import GitLog

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import BRANCH, Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.verifier import CloneVerifier
from loop_kit.adapters.workspaces.workplace import Workplace
from loop_kit.core.loop.state import Role


@pytest.fixture
def place(cloner: Cloner) -> Workplace:
    return workplace(cloner)


@pytest.fixture
def clones(place: Workplace) -> Clones:
    return Clones(place, IDENTITY)


@pytest.fixture
def base(local: Local) -> str:
    """A commit with a folder, in which build caches are ignored."""
    return local.commit({".gitignore": "cache/\n", "src/b.py": "b\n", "src/c.py": "c\n"})


def reopened(clones: Clones, sha: str, spoil: Callable[[Path], object]) -> Path:
    """The worker's workspace after an attempt that spoiled it."""
    first = clones.open(Role.WORKER, sha)
    spoil(first.path)
    first.close()
    return clones.open(Role.WORKER, sha).path


def status(path: Path) -> list[str]:
    return agent_git(path).text("status", "--porcelain", "--untracked-files=all").splitlines()


def test_a_cache_that_git_ignores_stays_and_what_is_untracked_goes(
    clones: Clones, base: str
) -> None:
    first = clones.open(Role.WORKER, base)
    path = first.path
    (path / "cache").mkdir()
    (path / "cache" / "big.o").write_text("built\n")
    (path / "left.txt").write_text("left\n")
    (path / "new" / "deep").mkdir(parents=True)
    (path / "new" / "deep" / "x").write_text("x\n")
    (path / "src" / "b.py").write_text("changed\n")
    (path / "src" / "c.py").unlink()
    before = (path / "a.py").stat().st_mtime_ns
    head = first.collect("Leftovers").head
    first.close()

    again = clones.open(Role.WORKER, base).path

    assert again == path
    assert (again / "cache" / "big.o").read_text() == "built\n"
    assert not (again / "left.txt").exists()
    assert not (again / "new").exists()
    assert (again / "src" / "b.py").read_text() == "b\n"
    assert (again / "src" / "c.py").read_text() == "c\n"
    assert (again / "a.py").stat().st_mtime_ns == before
    assert status(again) == []
    assert agent_git(again).text("rev-parse", "HEAD") == base != head


def test_the_next_round_begins_at_the_work_of_the_last(
    clones: Clones, base: str, local: Local
) -> None:
    first = clones.open(Role.WORKER, base)
    (first.path / "new.py").write_text("new\n")
    head = first.collect("Work").head
    first.close()

    second = clones.open(Role.WORKER, head)
    assert (second.path / "new.py").read_text() == "new\n"
    (second.path / "more.py").write_text("more\n")
    last = second.collect("More").head

    assert {"new.py", "more.py"} <= set(files_at(local, last))
    assert local.git.text("rev-parse", f"{last}^") == head


def test_a_worker_finds_its_commits_as_they_were_rewritten(
    clones: Clones, base: str, local: Local
) -> None:
    first = clones.open(Role.WORKER, base)
    git = agent_git(first.path)
    (first.path / "src" / "b.py").write_text("worked\n")
    mona = ("--author", "Mona <mona@example.com>")
    git.run("commit", "--quiet", "--all", *mona, "--message", "fixes #1 @octocat [skip ci]")
    own = git.text("rev-parse", "HEAD")
    (first.path / "left.py").write_text("left\n")
    times = {path: path.stat().st_mtime_ns for path in first.path.rglob("*.py")}

    head = first.collect("Left").head
    first.close()
    second = clones.open(Role.WORKER, head)

    shown = local.git.text("log", "--format=%an %cn %s", f"{base}..{head}").splitlines()
    assert shown == ["loop loop Left", "loop loop fixes # 1 @ octocat (skip ci)"]
    git = agent_git(second.path)
    assert git.text("rev-parse", "HEAD", "HEAD~2").split() == [head, base]
    assert git.text("diff", "--stat", own, "HEAD~") == ""
    assert status(second.path) == []
    assert {path: path.stat().st_mtime_ns for path in second.path.rglob("*.py")} == times
    assert second.collect("Nothing").head == head
    second.close()
    in_progress = clones.open(Role.WORKER, base, wip_sha=head)
    assert in_progress.collect("Nothing").head == head


def test_only_files_that_differ_are_written_again(
    clones: Clones, base: str, local: Local, tmp_path: Path
) -> None:
    first = clones.open(Role.WORKER, base)
    (first.path / "src" / "b.py").write_text("worked\n")
    head = first.collect("Work").head
    times = {path: path.stat().st_mtime_ns for path in first.path.rglob("*.py")}
    first.close()

    second = clones.open(Role.WORKER, head)

    assert {path: path.stat().st_mtime_ns for path in second.path.rglob("*.py")} == times


def test_files_that_wait_are_checked_although_their_index_was_known(
    clones: Clones, base: str, local: Local
) -> None:
    first = clones.open(Role.WORKER, base)
    path = first.path
    (path / "new.py").write_text("new\n")
    head = first.collect("Work").head
    first.close()
    parked, index = path.with_name("worker"), path.with_name("worker.index")
    (parked / "planted.py").write_text("planted\n")
    for name in ("a.py", "new.py"):
        (parked / name).write_text("planted\n")
    env = {"GIT_DIR": str(local.root / ".git"), "GIT_WORK_TREE": str(parked)}
    local.git.run("read-tree", head, env={**env, "GIT_INDEX_FILE": str(index)})
    local.git.run("add", "--update", ".", env={**env, "GIT_INDEX_FILE": str(index)})
    (parked / "src" / "b.py").unlink()

    again = clones.open(Role.WORKER, head).path

    for name, content in files_at(local, head).items():
        assert (again / name).read_text().rstrip("\n") == content
    assert status(again) == []


def test_a_workspace_costs_one_checkout_and_git_is_asked_for_no_history(
    local: Local, tmp_path: Path
) -> None:
    log = GitLog(tmp_path / "bin")
    git = Git(local.root, {**os.environ, **log.environment()}, isolated=True)
    clones = Clones(
        workplace(Cloner(git, local.root / ".git", Scratch(tmp_path / "scratch"))), IDENTITY
    )
    sha = local.head
    (log.folder / "calls").unlink(missing_ok=True)

    worker = clones.open(Role.WORKER, sha)
    worker.collect("Leftovers")
    worker.close()
    clones.open(Role.REVIEWER, sha).close()
    clones.open(Role.WORKER, sha).close()

    commands = [word for call in log.calls for word in call.split() if word in COMMANDS]
    assert commands == ["read-tree", "reset", "ls-files", "read-tree", "ls-files"]


COMMANDS = {"fetch", "read-tree", "reset", "ls-files", "clone", "upload-pack", "checkout"}


def test_while_others_work_the_workers_files_wait_beside_and_are_at_their_path_again(
    clones: Clones, place: Workplace, base: str
) -> None:
    worker = clones.open(Role.WORKER, base)
    (worker.path / "half.py").write_text("half\n")

    found = CloneVerifier(place, {"PATH": os.environ["PATH"]}).verify(
        base,
        [f'test "$(pwd)" = "{worker.path}"', "test ! -e half.py", "echo x > cache; echo x >> a.py"],
        60,
    )

    assert found.passed
    assert (worker.path / "half.py").read_text() == "half\n"
    assert status(worker.path) == ["?? half.py"]


def test_a_reviewer_gets_nothing_that_the_worker_or_another_reviewer_left(
    clones: Clones, base: str
) -> None:
    worker = clones.open(Role.WORKER, base)
    (worker.path / "cache").mkdir()
    worker.close()
    first = clones.open(Role.REVIEWER, base)
    assert not (first.path / "cache").exists()
    (first.path / "cache").mkdir()
    first.close()
    assert not (clones.open(Role.REVIEWER, base).path / "cache").exists()


# --- what a worker may have done to its files ----------------------------------------------------


def test_hooks_filters_and_programs_of_an_earlier_attempt_are_gone(
    clones: Clones, base: str, tmp_path: Path
) -> None:
    marker = tmp_path / "owned"

    path = reopened(clones, base, lambda path: plant(path, marker))

    assert not marker.exists()
    assert not (path / ".git" / "hooks").exists()
    assert not (path / ".gitattributes").exists()
    assert TRAP.format(marker=marker) not in (path / ".git" / "config").read_text()
    assert status(path) == []
    assert not marker.exists()


def leave_refs_and_a_merge(path: Path) -> None:
    git = agent_git(path)
    (path / "a.py").write_text("stashed\n")
    git.run("stash")
    git.run("tag", "evil")
    git.run("branch", "other")
    git.run("checkout", "--quiet", "-b", "elsewhere")
    git.run("worktree", "add", "--quiet", "--detach", str(path.parent / "tree"))
    (path / ".git" / "MERGE_HEAD").write_text(git.text("rev-parse", "HEAD") + "\n")
    (path / ".git" / "config.worktree").write_text("[core]\n\tbare = true\n")
    (path / ".git" / "info" / "sparse-checkout").write_text("/nothing\n")


def test_refs_stashes_merges_and_work_trees_of_an_earlier_attempt_are_gone(
    clones: Clones, base: str
) -> None:
    path = reopened(clones, base, leave_refs_and_a_merge)

    git = agent_git(path)
    assert git.text("for-each-ref", "--format=%(refname)") == f"refs/heads/{BRANCH}"
    assert git.text("branch", "--show-current") == BRANCH
    assert git.text("stash", "list") == ""
    assert sorted(name.name for name in (path / ".git").iterdir()) == [
        *("HEAD", "config", "index", "info", "objects", "refs"),
    ]
    assert status(path) == []


def hide_changes(path: Path) -> None:
    git = agent_git(path)
    git.run("update-index", "--assume-unchanged", "a.py")
    git.run("update-index", "--skip-worktree", "src/b.py")
    (path / "a.py").write_text("hidden\n")
    (path / "src" / "b.py").write_text("hidden\n")


def borrow_from_elsewhere(path: Path) -> None:
    (path / ".git" / "objects" / "info" / "alternates").write_text("/nowhere/objects\n")
    (path / ".git" / "shallow").write_text(f"{'1' * 40}\n")


def nest_repositories(path: Path) -> None:
    for folder in ("src", "new"):
        inside = path / folder
        inside.mkdir(exist_ok=True)
        agent_git(inside).run("init", "--quiet")
        agent_git(inside).run("commit", "--quiet", "--allow-empty", "-m", "Inside")


def test_of_repositories_inside_only_those_in_folders_that_git_ignores_stay(
    clones: Clones, base: str
) -> None:
    first = clones.open(Role.WORKER, base)
    for folder in ("src", "cache"):
        inside = first.path / folder / ".git"
        inside.mkdir(parents=True)
        (inside / "HEAD").write_text("ref: refs/heads/main\n")
    first.collect("Work")
    first.close()
    again = clones.open(Role.WORKER, base).path
    assert not (again / "src" / ".git").exists()
    assert (again / "cache" / ".git" / "HEAD").exists()


def lock_folders(path: Path) -> None:
    (path / "src" / "b.py").write_text("changed\n")
    for folder in (path / "src", path / ".git", path):
        folder.chmod(0o500)


def link_out(path: Path) -> None:
    outside = path.parent / "outside"
    outside.mkdir()
    for name in ("b.py", "c.py"):
        (path / "src" / name).rename(outside / name)
        (outside / name).write_text("outside\n")
    (path / "src").rmdir()
    (path / "src").symlink_to(outside)


def link_git_out(path: Path) -> None:
    (path / ".git").rename(path.parent / "moved")
    (path / ".git").symlink_to(path.parent / "moved")


def drop_git(path: Path) -> None:
    (path / ".git").rename(path.parent / "moved")


def swap_kinds(path: Path) -> None:
    (path / "a.py").unlink()
    (path / "a.py").mkdir()
    (path / "a.py" / "x").write_text("x\n")
    os.mkfifo(path / "run")


def replace_all(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.symlink_to(path.with_name("away"))


SPOILS: dict[str, Callable[[Path], object]] = {
    "flags of the index": hide_changes,
    "alternates": borrow_from_elsewhere,
    "nested repositories": nest_repositories,
    "read-only folders": lock_folders,
    "a folder that is a link": link_out,
    "a .git that is a link": link_git_out,
    "no .git": drop_git,
    "folders for files, and pipes": swap_kinds,
    "a link in place of all": replace_all,
    "a broken index of ours": lambda path: path.with_name("workspace.index").write_bytes(b"DIRC"),
    "a folder where ours goes": lambda path: path.with_name("workspace.index").mkdir(),
    "nothing left": lambda path: path.rename(path.with_name("away")),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_whatever_a_worker_did_its_next_attempt_begins_with_the_files_of_the_commit(
    clones: Clones, base: str, local: Local, spoil: Callable[[Path], object]
) -> None:
    path = reopened(clones, base, spoil)

    git = agent_git(path)
    assert not path.is_symlink()
    assert git.text("rev-parse", "HEAD", "HEAD^{tree}").splitlines() == [
        base,
        local.git.text("rev-parse", f"{base}^{{tree}}"),
    ]
    for name, content in files_at(local, base).items():
        assert (path / name).read_text().rstrip("\n") == content
        assert not (path / name).is_symlink()
    assert status(path) == []
    assert git.text("ls-files", "-v").count("H ") == len(files_at(local, base))
    assert [*path.rglob(".git")] == [path / ".git"]
    outside = path.parent / "outside"
    assert {f.read_text() for f in outside.glob("*.py")} <= {"outside\n"}


def test_an_agent_that_repacks_everything_breaks_nothing(
    clones: Clones, base: str, local: Local
) -> None:
    worker = clones.open(Role.WORKER, base)
    git = agent_git(worker.path)
    (worker.path / "a.py").write_text("mine\n")
    git.run("commit", "--quiet", "--all", "-m", "Mine")
    git.run("repack", "-a", "-d", "--quiet")
    git.run("gc", "--quiet", "--prune=now")

    head = worker.collect("Leftovers").head

    assert files_at(local, head)["a.py"] == "mine"
    local.git.run("fsck", "--connectivity-only")
