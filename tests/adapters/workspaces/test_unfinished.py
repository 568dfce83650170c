"""A worker that left a merge, a rebase or conflicts: never committed with its markers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, workplace
from tests.adapters.workspaces.test_clones import agent_git, files_at

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.core.loop.state import Role
from loop_kit.ports import Collected, Workspace

Act = Callable[[Git], object]
MAY_FAIL = (0, 1, 128)


def commit(git: Git, message: str, **files: str) -> str:
    for name, content in files.items():
        (git.directory / f"{name}.py").write_text(content)
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message", message)
    return git.text("rev-parse", "HEAD")


def diverge(path: Path) -> Git:
    """Two branches that change the same line, and one of them also another file."""
    git = agent_git(path)
    git.run("checkout", "--quiet", "-b", "other")
    commit(git, "Theirs", a="theirs\n", clean="clean\n")
    git.run("checkout", "--quiet", "-")
    commit(git, "Ours", a="ours\n")
    return git


def apply_mailbox(git: Git) -> None:
    patch = git.run("format-patch", "-1", "--stdout", "other").out
    git.run("am", "--3way", stdin=patch, ok=MAY_FAIL)


def pop_stash(git: Git) -> None:
    (git.directory / "a.py").write_text("stashed\n")
    git.run("stash", "--quiet")
    commit(git, "Meanwhile", a="meanwhile\n")
    git.run("stash", "pop", ok=MAY_FAIL)


ACTS: dict[str, Act] = {
    "merge": lambda git: git.run("merge", "other", ok=MAY_FAIL),
    "cherry-pick": lambda git: git.run("cherry-pick", "other", ok=MAY_FAIL),
    "revert": lambda git: git.run("revert", "--no-edit", "HEAD~", ok=MAY_FAIL),
    "git am": apply_mailbox,
}


def start(local: Local, cloner: Cloner) -> tuple[Clones, Workspace]:
    local.commit({"a.py": "one\n"})
    local.commit({"a.py": "two\n"})
    clones = Clones(workplace(cloner), IDENTITY)
    return clones, clones.open(Role.WORKER, local.head)


def has_markers(local: Local, sha: str) -> bool:
    return "<<<<<<<" in files_at(local, sha)["a.py"]


@pytest.mark.parametrize("name", ACTS)
def test_an_unfinished_operation_is_named_with_its_conflicts(
    local: Local, cloner: Cloner, name: str
) -> None:
    _, workspace = start(local, cloner)
    git = diverge(workspace.path)
    ours = git.text("rev-parse", "HEAD")
    ACTS[name](git)
    collected = workspace.collect("Leftovers")
    assert f"An unfinished {name} was left." in str(collected.unfinished)
    assert "Conflicts are not resolved in a.py:" in str(collected.unfinished)
    assert collected.own == ours
    assert not has_markers(local, collected.own)


def test_the_next_attempt_finds_the_conflict_and_must_resolve_it(
    local: Local, cloner: Cloner
) -> None:
    clones, first = start(local, cloner)
    ACTS["merge"](diverge(first.path))
    left = first.collect("Leftovers")
    first.close()

    second = clones.open(Role.WORKER, local.head, left.head, left.own)
    assert (second.path / "clean.py").read_text() == "clean\n"
    git = agent_git(second.path)
    commit(git, "As it is")
    again = second.collect("Leftovers")
    assert "a.py" in str(again.unfinished)
    assert again.own == left.own
    second.close()

    third = clones.open(Role.WORKER, local.head, again.head, again.own)
    commit(agent_git(third.path), "Resolved", a="both\n")
    done = third.collect("Leftovers")
    assert done.unfinished is None
    assert files_at(local, done.head)["a.py"] == "both"


def test_an_unfinished_rebase_is_undone(local: Local, cloner: Cloner) -> None:
    _, workspace = start(local, cloner)
    git = diverge(workspace.path)
    ours = git.text("rev-parse", "HEAD")
    git.run("rebase", "other", ok=MAY_FAIL)
    collected = workspace.collect("Leftovers")
    assert "An unfinished rebase was left with conflicts in a.py." in str(collected.unfinished)
    assert (collected.head, collected.own) == (ours, ours)


def test_a_merge_that_was_resolved_and_not_committed_is_unfinished(
    local: Local, cloner: Cloner
) -> None:
    _, workspace = start(local, cloner)
    git = diverge(workspace.path)
    ACTS["merge"](git)
    (workspace.path / "a.py").write_text("both\n")
    git.run("add", "a.py")
    collected = workspace.collect("Leftovers")
    assert "An unfinished merge was left." in str(collected.unfinished)
    assert "Conflicts" not in str(collected.unfinished)
    assert files_at(local, collected.head)["a.py"] == "both"


def stage_markers(git: Git) -> None:
    pop_stash(git)
    git.run("add", "a.py")


def commit_markers(git: Git) -> None:
    ACTS["merge"](git)
    commit(git, "Merged")


def commit_markers_and_more(git: Git) -> None:
    commit_markers(git)
    commit(git, "More", more="more\n")


def forget_the_merge(git: Git) -> None:
    ACTS["merge"](git)
    git.run("reset", "--quiet")


@pytest.mark.parametrize(
    "act", [pop_stash, stage_markers, commit_markers, commit_markers_and_more, forget_the_merge]
)
def test_conflict_markers_are_found_without_an_operation(
    local: Local, cloner: Cloner, act: Act
) -> None:
    _, workspace = start(local, cloner)
    act(diverge(workspace.path))
    collected = workspace.collect("Leftovers")
    assert str(collected.unfinished).startswith("Conflicts are not resolved in a.py:")
    assert not has_markers(local, collected.own)


def finish_the_merge(git: Git) -> None:
    ACTS["merge"](git)
    commit(git, "Merged", a="both\n")


def abort_the_merge(git: Git) -> None:
    ACTS["merge"](git)
    git.run("merge", "--abort")


def write_about_conflicts(git: Git) -> None:
    commit(git, "A page about conflicts", a="<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> z\n")


@pytest.mark.parametrize("act", [finish_the_merge, abort_the_merge, write_about_conflicts])
def test_what_is_finished_is_judged(local: Local, cloner: Cloner, act: Act) -> None:
    _, workspace = start(local, cloner)
    git = diverge(workspace.path)
    act(git)
    head = git.text("rev-parse", "HEAD")
    assert workspace.collect("Leftovers") == Collected(head, head)


def test_markers_that_were_there_before_are_no_conflict(local: Local, cloner: Cloner) -> None:
    local.commit({"a.py": "<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> z\n"})
    workspace = Clones(workplace(cloner), IDENTITY).open(Role.WORKER, local.head)
    with (workspace.path / "a.py").open("a") as file:
        file.write("more\n")
    assert workspace.collect("Leftovers").unfinished is None
