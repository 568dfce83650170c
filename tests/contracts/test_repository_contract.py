"""What every repository promises about where lines come from: the fake, and git."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.adapters.conftest import make_local
from tests.fakes import MemoryRepository

from loop_kit.core.loop.provenance import NOWHERE, Spot
from loop_kit.ports import Repository

Tree = Mapping[str, str]
OLD = "import os\n\n\ndef add(a, b):\n    return a - b\n"


@dataclass
class History:
    """A repository, and the commits that were made in it, each with a whole tree."""

    repository: Repository
    make: Callable[[str, Tree], str]
    commits: list[str] = field(default_factory=list)

    def commit(self, **tree: str) -> str:
        """Commit exactly these files, with `_` for the dot in their names."""
        files = {name.replace("_", "."): content for name, content in tree.items()}
        self.commits.append(self.make(self.commits[-1] if self.commits else "", files))
        return self.commits[-1]

    def origin(self, file: str, line: int | None = None) -> str | None:
        """Which commit brought in a place, by all commits in their order."""
        spot = Spot(file, line)
        return self.repository.origins(self.commits[:1], self.commits[1:], [spot])[spot]


def memory_history() -> History:
    repository = MemoryRepository()

    def make(parent: str, tree: Tree) -> str:
        encoded = {name: content.encode() for name, content in tree.items()}
        return repository.commit(parent, encoded, f"Change {len(repository.commits)}")

    return History(repository, make)


def git_history(root: Path) -> History:
    from loop_kit.adapters.git.repository import GitRepository

    local = make_local(root)

    def make(parent: str, tree: Tree) -> str:
        for path in local.root.glob("*.py"):
            path.unlink()
        return local.commit(tree)

    return History(GitRepository(local.git), make)


@pytest.fixture(params=["memory", "git"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    return memory_history() if request.param == "memory" else git_history(tmp_path / "repository")


def test_a_line_is_of_the_commit_that_wrote_it_last(history: History) -> None:
    base = history.commit(calc_py=OLD)
    first = history.commit(calc_py=OLD + "\n\ndef sub(a, b):\n    return a + b\n")
    fix = history.commit(calc_py=OLD + "\n\ndef sub(a, b):\n    return a - b\n")

    assert history.origin("calc.py", 5) == base
    assert history.origin("calc.py", 8) == first
    assert history.origin("calc.py", 9) == fix


def test_a_line_that_only_moves_down_or_is_indented_keeps_its_commit(history: History) -> None:
    base = history.commit(calc_py=OLD)
    history.commit(calc_py="# A calculator.\n" + OLD)
    history.commit(calc_py="# A calculator.\nif True:\n" + OLD.replace("    ", "        "))
    assert history.origin("calc.py", 7) == base


def test_a_line_that_was_taken_back_and_written_again_is_of_who_wrote_it_again(
    history: History,
) -> None:
    history.commit(calc_py=OLD)
    history.commit(calc_py=OLD.replace("import os\n", ""))
    again = history.commit(calc_py=OLD)
    assert history.origin("calc.py", 1) == again


def test_a_line_beside_lines_that_the_last_commit_removed_is_of_that_commit(
    history: History,
) -> None:
    guarded = OLD.replace("    return", "    check(a)\n    check(b)\n    return")
    base = history.commit(calc_py=guarded, other_py="one\ntwo\nthree\n")
    history.commit(calc_py=guarded, other_py="two\nthree\n")
    fix = history.commit(calc_py=OLD, other_py="two\nthree\n")

    assert [history.origin("calc.py", line) for line in (3, 4, 5)] == [base, fix, fix]
    assert history.origin("other.py", 1) == base


def test_what_the_last_commit_does_not_have_is_nowhere(history: History) -> None:
    history.commit(calc_py=OLD, old_py="old\n", empty_py="")
    history.commit(calc_py=OLD, empty_py="")

    assert history.origin("old.py", 1) == NOWHERE
    assert history.origin("old.py") == NOWHERE
    assert history.origin("never.py") == NOWHERE
    assert history.origin("calc.py", 6) == NOWHERE
    assert history.origin("empty.py", 1) == NOWHERE
    assert history.origin("../calc.py", 1) == NOWHERE


def test_a_file_as_a_whole_is_of_the_commit_that_changed_it_last(history: History) -> None:
    base = history.commit(calc_py=OLD, old_py="a\nb\n", kept_py="kept\n")
    first = history.commit(calc_py=OLD, old_py="a\n", kept_py="kept\n", new_py="new\n")
    fix = history.commit(calc_py=OLD, old_py="a\n", kept_py="kept\n", new_py="newer\n")

    assert history.origin("old.py") == first
    assert history.origin("new.py") == fix
    assert history.origin("kept.py") == base


def test_a_line_of_a_new_file_is_of_the_commit_that_added_it(history: History) -> None:
    history.commit(calc_py=OLD)
    first = history.commit(calc_py=OLD, new_py="new\n")
    history.commit(calc_py=OLD + "# more\n", new_py="new\n")
    assert history.origin("new.py", 1) == first


def test_what_the_base_branch_brought_in_meanwhile_is_of_the_base(history: History) -> None:
    start = history.commit(calc_py=OLD)
    first = history.commit(calc_py=OLD + "# work\n")
    newer = history.commit(calc_py="# from the base branch\n" + OLD)
    merged = history.commit(calc_py="# from the base branch\n" + OLD + "# work\n# merged\n")
    asked = [Spot("calc.py", line) for line in (1, 2, 7, 8)]

    found = history.repository.origins((start, newer), (first, merged), asked)

    assert [found[spot] for spot in asked] == [start, start, first, merged]


def test_all_places_are_answered_at_once(history: History) -> None:
    base = history.commit(calc_py=OLD, other_py="other\n")
    head = history.commit(calc_py=OLD + "# more\n", other_py="another\n")
    asked = [Spot("calc.py", 1), Spot("calc.py", 6), Spot("calc.py", None), Spot("other.py", 1)]

    found = history.repository.origins((base,), (head,), asked)

    assert [found[spot] for spot in asked] == [base, head, head, head]
