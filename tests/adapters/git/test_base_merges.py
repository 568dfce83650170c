"""A worker may merge its base branch: what others did there is not counted as its own."""

from __future__ import annotations

import pytest
from tests.adapters.conftest import Local

from loop_kit.adapters.git.repository import GitRepository
from loop_kit.core.card.scope import ScopeRules, judge
from loop_kit.core.secrets.forms import Forms

SECRET = "ghp_" + "a1B2" * 9
LINES = "".join(f"line {number}\n" for number in range(1, 20))


class Branches:
    """Work that begins at `start`, and a base branch that moved on from there."""

    def __init__(self, local: Local) -> None:
        self.local = local
        self.start = local.commit({"a.py": LINES, "ci.yml": "old\n"})
        self._switch("-b", "work")
        self.work = local.commit({"a.py": "ours\n" + LINES})
        self._switch("main")
        self.tip = local.commit({"a.py": LINES + "theirs\n", "ci.yml": "new\n", "key": SECRET})
        self._switch("work")

    def _switch(self, *args: str) -> None:
        self.local.git.run("checkout", "--quiet", *args)

    def merge(self, files: dict[str, str] | None = None, other: str = "main") -> str:
        """Merge into the work, with these files as somebody has changed them meanwhile."""
        self.local.git.run("merge", "--quiet", "--no-commit", "--no-ff", other, ok=(0, 1))
        for name, content in (files or {}).items():
            self.local.write(name, content)
        self.local.git.run("add", "--all")
        self.local.git.run("commit", "--quiet", "--no-edit")
        return self.local.head


@pytest.fixture
def branches(local: Local) -> Branches:
    return Branches(local)


@pytest.fixture
def repository(local: Local) -> GitRepository:
    return GitRepository(local.git)


def test_a_merge_of_the_base_branch_changes_nothing_of_its_own(
    branches: Branches, repository: GitRepository
) -> None:
    head = branches.merge()
    span = repository.span(branches.work, head, branches.tip)

    assert span.descends
    assert span.merged == branches.tip
    assert [(c.sha, c.parents, c.changes) for c in span.commits] == [(head, 1, ())]
    assert judge(span.commits, ScopeRules(protected=("ci.yml",))) == ()
    assert repository.leaks(branches.work, head, Forms({}), branches.tip) == ()


def test_what_a_merge_changes_beside_is_judged(
    branches: Branches, repository: GitRepository
) -> None:
    """Also where it takes back what others did."""
    head = branches.merge({"ci.yml": "old\n", "b.py": "new\n", "key": f"{SECRET}\n{SECRET[::-1]}"})
    span = repository.span(branches.work, head, branches.tip)

    assert {c.path for c in span.commits[0].changes} == {"ci.yml", "b.py", "key"}
    found = judge(span.commits, ScopeRules(protected=("ci.yml",)))
    assert [violation.path for violation in found] == ["ci.yml"]
    assert repository.leaks(branches.work, head, Forms({}), branches.tip) == ()


def test_commits_before_and_after_a_merge_are_the_workers_own(
    branches: Branches, repository: GitRepository
) -> None:
    before = branches.local.commit({"c.py": "c\n"})
    merge = branches.merge()
    after = branches.local.commit({"d.py": "d\n"})
    span = repository.span(branches.work, after, branches.tip)

    assert [c.sha for c in span.commits] == [after, merge, before]
    assert [[change.path for change in c.changes] for c in span.commits] == [["d.py"], [], ["c.py"]]


def test_a_merge_of_anything_else_is_refused(branches: Branches, repository: GitRepository) -> None:
    """Also of what the base branch does not hold yet."""
    git = branches.local.git
    git.run("checkout", "--quiet", "-b", "other", branches.start)
    branches.local.commit({"other.py": "o\n"})
    git.run("checkout", "--quiet", "work")
    head = branches.merge(other="other")
    span = repository.span(branches.work, head, branches.tip)

    assert span.merged is None
    assert [violation.kind for violation in judge(span.commits, ScopeRules())] == ["scope"]
    unknown = repository.span(branches.work, head)
    assert [c.parents for c in unknown.commits] == [2, 1]


def test_work_that_left_the_line_for_an_older_base_does_not_descend(
    branches: Branches, repository: GitRepository
) -> None:
    git = branches.local.git
    git.run("checkout", "--quiet", "-b", "other", f"{branches.start}~1")
    head = branches.local.commit({"other.py": "o\n"})

    assert not repository.span(branches.start, head, branches.tip).descends
