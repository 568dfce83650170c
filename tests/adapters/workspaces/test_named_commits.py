"""Which commit counts: HEAD, whatever branch it is on, or the one that the report names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.adapters.conftest import Local
from tests.adapters.workspaces.test_clones import agent_git, files_at

from loop_kit.adapters.git.command import Git
from loop_kit.ports import Workspace

Make = Callable[[Git], str]


def commit(git: Git, name: str) -> str:
    (git.directory / name).write_text(f"{name}\n")
    git.run("add", name)
    git.run("commit", "--quiet", "--message", name)
    return git.text("rev-parse", "HEAD")


@pytest.mark.parametrize("where", ["a branch of its own", "no branch"])
def test_a_worker_may_commit_on(workspace: Workspace, local: Local, where: str) -> None:
    git = agent_git(workspace.path)
    git.run("checkout", "--quiet", *(("-b", "mine") if where != "no branch" else ("--detach",)))
    head = commit(git, "b.py")
    collected = workspace.collect("Leftovers")
    assert (collected.head, collected.notes) == (head, ())


def on_a_branch(git: Git) -> str:
    start = git.text("rev-parse", "HEAD")
    git.run("checkout", "--quiet", "-b", "mine")
    made = commit(git, "b.py")
    git.run("checkout", "--quiet", "-B", "loop-work", start)
    return made


def in_a_work_tree(git: Git) -> str:
    git.run("worktree", "add", "--quiet", ".worktrees/x", "-b", "mine")
    return commit(git.at(git.directory / ".worktrees" / "x"), "b.py")


def on_nothing(git: Git) -> str:
    made = commit(git, "b.py")
    git.run("reset", "--quiet", "--hard", "HEAD~")
    return made


@pytest.mark.parametrize("make", [on_a_branch, in_a_work_tree, on_nothing])
@pytest.mark.parametrize("length", [64, 8])
def test_a_commit_that_only_the_report_names_is_found(
    workspace: Workspace, make: Make, length: int
) -> None:
    made = make(agent_git(workspace.path))
    collected = workspace.collect("Leftovers", made[:length])
    assert collected.head == made
    assert f"The commit {made[:10]}, which the report names, is not on HEAD" in collected.notes[0]


def write_plainly(git: Git) -> None:
    """Leave the branches as git wrote them, each in a file of its own."""


def pack_branches(git: Git) -> None:
    git.run("pack-refs", "--all")


@pytest.mark.parametrize("keep", [write_plainly, pack_branches])
@pytest.mark.parametrize("words", ["mine", " refs/heads/mine\n"])
def test_a_commit_that_the_report_names_by_its_branch_is_found(
    workspace: Workspace, keep: Callable[[Git], None], words: str
) -> None:
    git = agent_git(workspace.path)
    made = on_a_branch(git)
    keep(git)
    assert workspace.collect("Leftovers", words).head == made


@pytest.mark.parametrize("words", ["{} (mine)", "commit {}", "`{}`", "mine@{}", "{}..."])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_commit_that_the_report_names_among_other_words_is_found(
    workspace: Workspace, words: str, case: Callable[[str], str]
) -> None:
    made = on_a_branch(agent_git(workspace.path))
    assert workspace.collect("Leftovers", words.format(case(made[:12]))).head == made


def test_a_branch_whose_file_leaves_the_clone_names_no_commit(
    workspace: Workspace, local: Local
) -> None:
    git = agent_git(workspace.path)
    made = on_a_branch(git)
    outside = workspace.path.parent / "elsewhere"
    outside.write_text(f"{made}\n")
    (workspace.path / ".git" / "refs" / "heads" / "away").symlink_to(outside)
    for words in ("away", "../../elsewhere", "mine/../away"):
        assert workspace.collect("Leftovers", words).head == local.head


def test_what_is_uncommitted_comes_on_top_of_the_commit_that_the_report_names(
    workspace: Workspace, local: Local
) -> None:
    made = on_a_branch(agent_git(workspace.path))
    (workspace.path / "c.py").write_text("c\n")
    (workspace.path / "run.sh").unlink()
    head = workspace.collect("Leftovers", made).head
    assert local.git.text("rev-parse", f"{head}^") == made
    assert set(files_at(local, head)) == {"a.py", "b.py", "c.py"}


def test_head_counts_when_both_moved(workspace: Workspace, local: Local) -> None:
    git = agent_git(workspace.path)
    named = on_a_branch(git)
    head = commit(git, "c.py")
    collected = workspace.collect("Leftovers", named)
    assert collected.head == head
    assert (
        f"names {named[:10]}, which is not part of HEAD; {head[:10]} counts" in (collected.notes[0])
    )


def test_an_older_commit_of_head_is_no_news(workspace: Workspace, local: Local) -> None:
    git = agent_git(workspace.path)
    named = commit(git, "b.py")
    head = commit(git, "c.py")
    collected = workspace.collect("Leftovers", named)
    assert (collected.head, collected.notes) == (head, ())


def unrelated(git: Git) -> str:
    git.run("checkout", "--quiet", "--orphan", "new")
    made = commit(git, "b.py")
    git.run("checkout", "--quiet", "loop-work")
    return made


@pytest.mark.parametrize(
    "named", ["1" * 40, "HEAD", "", "-x", "--all", "main:a.py", "é", "\0", "\ud800"]
)
def test_a_name_that_is_no_commit_of_the_clone_changes_nothing(
    workspace: Workspace, local: Local, named: str
) -> None:
    commit(agent_git(workspace.path), "b.py")
    agent_git(workspace.path).run("reset", "--quiet", "--hard", "HEAD~")
    collected = workspace.collect("Leftovers", named)
    assert (collected.head, collected.notes) == (local.head, ())


def test_a_commit_that_does_not_build_on_the_start_is_not_taken(
    workspace: Workspace, local: Local
) -> None:
    made = unrelated(agent_git(workspace.path))
    collected = workspace.collect("Leftovers", made)
    assert (collected.head, collected.notes) == (local.head, ())


def pack_refs(git: Git) -> None:
    git.run("pack-refs", "--all")


def rename_branch(git: Git) -> None:
    git.run("branch", "--move", "feature/x.y")


def link_branch(git: Git) -> None:
    git.run("branch", "target")
    git.run("symbolic-ref", "refs/heads/alias", "refs/heads/target")
    git.run("symbolic-ref", "HEAD", "refs/heads/alias")


def pack_and_move(git: Git) -> None:
    pack_refs(git)
    commit(git, "more.py")


@pytest.mark.parametrize("act", [pack_refs, rename_branch, link_branch, pack_and_move])
def test_head_is_found_however_git_has_written_it(
    workspace: Workspace, act: Callable[[Git], None]
) -> None:
    git = agent_git(workspace.path)
    commit(git, "b.py")
    act(git)
    assert workspace.collect("Leftovers").head == git.text("rev-parse", "HEAD")
