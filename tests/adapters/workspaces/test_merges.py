"""A worker finds the merge of its base branch with conflicts, and what it leaves is that merge."""

from __future__ import annotations

import pytest
from tests.adapters.conftest import IDENTITY, Local, workplace

from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.core.loop.state import Role
from loop_kit.ports import Collected, Workspace

RESOLVED = "ours and theirs\ntwo\nthree\n"


class Merge:
    """Work that conflicts with the base branch in `a.py`; the base branch has a new file, too."""

    def __init__(self, local: Local, cloner: Cloner) -> None:
        self.local = local
        self.clones = Clones(workplace(cloner), IDENTITY, limit=1)
        local.git.run("checkout", "--quiet", "-b", "work")
        self.work = local.commit({"a.py": "ours\ntwo\nthree\n"})
        local.git.run("checkout", "--quiet", "main")
        new = {f"new{number}.txt": "theirs\n" for number in range(3)}
        self.tip = local.commit({"a.py": "theirs\ntwo\nthree\n", **new})

    def open(self, work_sha: str = "") -> Workspace:
        return self.clones.open(Role.WORKER, self.work, work_sha, merges=self.tip)

    def collect(self, workspace: Workspace) -> Collected:
        collected = workspace.collect("What the worker left")
        workspace.close()
        return collected

    def parents(self, commit: str) -> list[str]:
        return self.local.git.text("rev-parse", f"{commit}^@").split()

    def file(self, commit: str, name: str = "a.py") -> str:
        return self.local.git.run("cat-file", "blob", f"{commit}:{name}").out.decode()


@pytest.fixture
def merge(local: Local, cloner: Cloner) -> Merge:
    return Merge(local, cloner)


def run(workspace: Workspace, local: Local, *args: str) -> str:
    return local.git.at(workspace.path).text(*args, env=IDENTITY.environment())


def test_the_workspace_holds_the_merge_with_its_conflicts(merge: Merge, local: Local) -> None:
    workspace = merge.open()

    assert run(workspace, local, "rev-parse", "HEAD", "MERGE_HEAD").split() == [
        merge.work,
        merge.tip,
    ]
    assert run(workspace, local, "diff", "--name-only", "--diff-filter=U") == "a.py"
    assert (workspace.path / "new0.txt").read_text() == "theirs\n"
    text = (workspace.path / "a.py").read_text()
    assert text.startswith("<<<<<<<")
    assert "ours\n" in text
    assert "theirs\n" in text


def test_what_is_resolved_and_left_is_committed_with_both_parents(
    merge: Merge, local: Local
) -> None:
    workspace = merge.open()
    (workspace.path / "a.py").write_text(RESOLVED)
    (workspace.path / "own.py").write_text("own\n")
    collected = merge.collect(workspace)

    assert collected.unfinished is None
    assert merge.parents(collected.head) == [merge.work, merge.tip]
    assert [merge.file(collected.head, name) for name in ("a.py", "new2.txt", "own.py")] == [
        RESOLVED,
        "theirs\n",
        "own\n",
    ]
    span = GitRepository(local.git).span(merge.work, collected.head, merge.tip)
    assert (span.descends, span.merged) == (True, merge.tip)
    assert [c.path for c in span.commits[0].changes] == ["a.py", "own.py"]


def test_a_merge_that_the_worker_commits_keeps_both_parents(merge: Merge, local: Local) -> None:
    workspace = merge.open()
    (workspace.path / "a.py").write_text(RESOLVED)
    run(workspace, local, "commit", "--quiet", "--all", "-m", "Fixes #1 [skip ci]")
    (workspace.path / "after.py").write_text("left\n")
    collected = merge.collect(workspace)

    assert collected.unfinished is None
    (done,) = merge.parents(collected.head)
    assert merge.parents(done) == [merge.work, merge.tip]
    assert "#1" not in local.git.text("show", "--no-patch", "--format=%B", done)


def test_conflict_markers_that_are_left_are_named_and_the_next_attempt_goes_on_from_there(
    merge: Merge, local: Local
) -> None:
    workspace = merge.open()
    run(workspace, local, "add", "--all")
    (workspace.path / "own.py").write_text("own\n")
    collected = merge.collect(workspace)
    assert collected.unfinished is not None
    assert "a.py" in collected.unfinished

    again = merge.open(collected.head)
    assert (again.path / "own.py").read_text() == "own\n"
    (again.path / "a.py").write_text(RESOLVED)
    collected = merge.collect(again)

    assert collected.unfinished is None
    assert merge.parents(collected.head) == [merge.work, merge.tip]
    assert merge.file(collected.head, "own.py") == "own\n"


def test_markers_that_the_worker_commits_are_not_resolved_either(
    merge: Merge, local: Local
) -> None:
    workspace = merge.open()
    run(workspace, local, "commit", "--quiet", "--all", "-m", "Merge")
    collected = merge.collect(workspace)

    assert "a.py" in (collected.unfinished or "")
    assert collected.own == merge.work


def test_a_merge_that_is_given_up_is_not_resolved(merge: Merge, local: Local) -> None:
    """A commit with both parents would take back what others did."""
    workspace = merge.open()
    run(workspace, local, "merge", "--abort")
    (workspace.path / "own.py").write_text("own\n")
    collected = merge.collect(workspace)

    assert merge.tip in (collected.unfinished or "")
    assert merge.parents(collected.head) == [merge.work]


def test_a_merge_that_is_begun_again_counts(merge: Merge, local: Local) -> None:
    workspace = merge.open()
    run(workspace, local, "merge", "--abort")
    run(workspace, local, "merge", "--quiet", "-X", "ours", "--no-edit", merge.tip)
    collected = merge.collect(workspace)

    assert collected.unfinished is None
    assert merge.parents(collected.head) == [merge.work, merge.tip]
