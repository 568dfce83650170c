"""What a worker leaves uncommitted in its clone: committed for it, or only named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, environment, workplace
from tests.adapters.workspaces.stand_ins import Scratch
from tests.adapters.workspaces.test_clones import agent_git, files_at

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.core.loop.state import Role
from loop_kit.ports import Workspace


def write(path: Path, *names: str) -> None:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(f"{name}\n")


def opened(local: Local, cloner: Cloner, limit: int = 50, work: str = "") -> Workspace:
    return Clones(workplace(cloner), IDENTITY, limit).open(Role.WORKER, local.head, work)


def committed(path: Path, name: str = "mine.py") -> None:
    write(path, name)
    git = agent_git(path)
    git.run("add", name)
    git.run("commit", "--quiet", "--message", "Mine")


def test_new_files_are_committed_and_what_tools_leave_is_named(
    workspace: Workspace, local: Local
) -> None:
    write(workspace.path, "new.py", "__pycache__/new.pyc", "debug.log", ".env", "x/pyvenv.cfg")
    collected = workspace.collect("Leftovers")
    assert set(files_at(local, collected.head)) == {"a.py", "run.sh", "new.py"}
    assert collected.notes == (
        "Not committed for the worker, since tools and other repositories leave such files:"
        " .env, __pycache__/, debug.log, x/.",
    )
    assert collected.unfinished is None


def test_what_was_committed_for_the_worker_outlives_a_pruning_of_the_repository(
    workspace: Workspace, local: Local
) -> None:
    write(workspace.path, "new.py")
    collected = workspace.collect("Leftovers")
    local.git.run("reflog", "expire", "--expire=now", "--all")
    local.git.run("gc", "--quiet", "--prune=now")
    assert "new.py" in files_at(local, collected.head)


def test_what_tools_leave_alone_is_no_work(workspace: Workspace, local: Local) -> None:
    write(workspace.path, "node_modules/a.js", ".env")
    assert workspace.collect("Leftovers").head == local.head


def test_a_tracked_file_is_work_whatever_its_name(local: Local, cloner: Cloner) -> None:
    local.commit({"debug.log": "old\n", "build/a": "old\n"})
    workspace = opened(local, cloner)
    write(workspace.path, "debug.log", "build/a", "build/b")
    found = files_at(local, workspace.collect("Leftovers").head)
    assert (found["debug.log"], found["build/a"]) == ("debug.log", "build/a")
    assert "build/b" in found


def test_a_worker_that_commits_is_asked_for_no_more_although_it_left_many_files(
    local: Local, cloner: Cloner
) -> None:
    workspace = opened(local, cloner, limit=3)
    committed(workspace.path)
    (workspace.path / "a.py").write_text("changed\n")
    write(workspace.path, *(f"many/{n}" for n in range(4)))
    collected = workspace.collect("Leftovers")
    assert set(files_at(local, collected.head)) == {"a.py", "run.sh", "mine.py"}
    assert files_at(local, collected.head)["a.py"] == "changed"
    assert collected.unfinished is None
    assert "4 new files are not committed, more than max-leftovers (3)" in collected.notes[-1]


def test_a_worker_that_commits_nothing_is_asked_to_when_it_left_many_files(
    local: Local, cloner: Cloner
) -> None:
    first = opened(local, cloner, limit=3)
    write(first.path, *(f"many/{n}" for n in range(4)))
    collected = first.collect("Leftovers")
    assert "Commit those that are your work" in str(collected.unfinished)
    assert collected.own == local.head
    first.close()

    second = opened(local, cloner, limit=3, work=collected.head)
    assert sorted(p.name for p in (second.path / "many").iterdir()) == list("0123")


def test_a_folder_that_was_moved_is_committed_whole(local: Local, cloner: Cloner) -> None:
    local.commit({f"old/{n}.py": f"{n}\n" for n in range(5)})
    workspace = opened(local, cloner, limit=3)
    (workspace.path / "old").rename(workspace.path / "new")
    head = workspace.collect("Leftovers").head
    assert {name for name in files_at(local, head) if "/" in name} == {
        f"new/{n}.py" for n in range(5)
    }


def test_nested_repositories_and_work_trees_are_named(workspace: Workspace, local: Local) -> None:
    path = workspace.path
    for name in ("empty", "deep/full", "staged"):
        (path / name).mkdir(parents=True)
        agent_git(path / name).run("init", "--quiet")
        write(path / name, "package.json")
    for name in ("deep/full", "staged"):
        agent_git(path / name).run("commit", "--quiet", "--allow-empty", "--message", "Inside")
    agent_git(path).run("add", "staged")
    agent_git(path).run("worktree", "add", "--quiet", ".worktrees/x", "-b", "other")
    write(path, "deep/mine.py")
    collected = workspace.collect("Leftovers")
    assert set(files_at(local, collected.head)) == {"a.py", "run.sh", "deep/mine.py"}
    assert collected.notes[0].endswith(": .worktrees/x/, deep/full/, empty/, staged/.")


def test_an_ignored_file_that_was_staged_is_work_unless_a_tool_left_it(
    local: Local, cloner: Cloner
) -> None:
    local.commit({".gitignore": "dist/\n*.bin\n"})
    workspace = opened(local, cloner)
    write(workspace.path, "dist/b.js", "one.bin", "two.bin", "gone.bin")
    agent_git(workspace.path).run("add", "--force", "dist/b.js", "one.bin", "gone.bin")
    (workspace.path / "gone.bin").unlink()
    collected = workspace.collect("Leftovers")
    found = files_at(local, collected.head)
    assert ("one.bin" in found, "two.bin" in found, "gone.bin" in found) == (True, False, False)
    assert collected.notes[0].endswith(": dist/.")


def test_a_folder_in_place_of_a_file_that_was_staged_is_judged_file_by_file(
    workspace: Workspace, local: Local
) -> None:
    write(workspace.path, "x")
    agent_git(workspace.path).run("add", "x")
    (workspace.path / "x").unlink()
    write(workspace.path, "x/a.py", "x/debug.log")
    found = files_at(local, workspace.collect("Leftovers").head)
    assert {name for name in found if name.startswith("x")} == {"x/a.py"}


def test_a_path_that_git_refuses_is_named_and_sinks_nothing_else(
    workspace: Workspace, local: Local
) -> None:
    (workspace.path / "a.py").write_text("changed\n")
    (workspace.path / "run.sh").unlink()
    os.mkfifo(workspace.path / "run.sh")
    os.mkfifo(workspace.path / "new pipe")
    write(workspace.path, "git~1", "new.py")
    collected = workspace.collect("Leftovers")
    found = files_at(local, collected.head)
    assert found == {"a.py": "changed", "run.sh": "echo hi", "new.py": "new.py"}
    assert collected.notes == ("Not committed, since git refuses these paths: run.sh, git~1.",)


def test_the_users_line_ends_and_sparse_checkout_refuse_nothing(
    local: Local, tmp_path: Path
) -> None:
    local.commit({"src/a.txt": "a\n", "other/o": "o\n"})
    for setting in ("core.autocrlf", "core.safecrlf"):
        local.git.run("config", setting, "true")
    Git(local.root, environment(tmp_path)).run("sparse-checkout", "set", "--cone", "src")
    git = Git(local.root, environment(tmp_path))
    workspace = opened(local, Cloner(git, local.root / ".git", Scratch(tmp_path / "scratch")))
    (workspace.path / "a.py").write_bytes(b"one\r\n")
    write(workspace.path, "docs/new.txt", "lf.txt")
    found = files_at(local, workspace.collect("Leftovers").head)
    assert {"docs/new.txt", "lf.txt", "other/o", "src/a.txt"} < set(found)
    assert found["a.py"] == "one"


def test_a_broken_index_of_the_agent_costs_no_work(workspace: Workspace, local: Local) -> None:
    (workspace.path / ".git" / "index").write_bytes(b"REUC")
    write(workspace.path, "new.py")
    assert "new.py" in files_at(local, workspace.collect("Leftovers").head)


@pytest.mark.parametrize("name", ["line\nend.py", '"quoted".py', ":(top)x.py", "-u.py", "é\udce9"])
def test_a_new_file_with_an_odd_name_is_work(workspace: Workspace, local: Local, name: str) -> None:
    (workspace.path / name).write_text("odd\n")
    head = workspace.collect("Leftovers").head
    assert local.git.text("cat-file", "blob", f"{head}:{name}") == "odd"


def test_work_is_found_although_the_user_likes_a_quiet_reset(local: Local, cloner: Cloner) -> None:
    local.git.run("config", "reset.quiet", "true")
    workspace = opened(local, cloner)
    write(workspace.path, "a.py")
    collected = workspace.collect("Leftovers")
    assert files_at(local, collected.head)["a.py"] == "a.py"


def test_tracked_files_with_odd_names_are_work(local: Local, cloner: Cloner) -> None:
    names = ('q"uote', "tab\tx", "line\nend", "ü", "*", "a")
    local.commit(dict.fromkeys(names, "old\n"))
    workspace = opened(local, cloner)
    write(workspace.path, *names)
    head = workspace.collect("Leftovers").head
    found = [local.git.text("cat-file", "blob", f"{head}:{name}") for name in names]
    assert found == list(names)
