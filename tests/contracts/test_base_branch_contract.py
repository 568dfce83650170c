"""What every base branch promises: on a laptop, and in a job with a shallow checkout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.adapters.conftest import REPOSITORY, Hosted, Local, environment, make_local
from tests.support.git_server import GitServer

from loop_kit.adapters.git.base_branch import LocalBaseBranch, ServerBaseBranch
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote import Remote
from loop_kit.errors import BranchRefused
from loop_kit.ports import BaseBranch, Comparison

LINES = "".join(f"line {number}\n" for number in range(1, 20))


@dataclass
class Place:
    """An author's repository; `look` gives the base branch as the program has it now."""

    author: Local
    look: Callable[[str], BaseBranch]

    def commit(self, branch: str, text: str, name: str = "a.py") -> str:
        """Commit one file on a branch, which begins at `main`."""
        known = self.author.git.run("rev-parse", "--verify", "-q", branch, ok=(0, 1)).code == 0
        options = () if known else ("-b",)
        self.author.git.run("checkout", "--quiet", *options, branch)
        return self.author.commit({name: text})

    def merge(self, branch: str, other: str) -> str:
        """Merge `other` into a branch; returns the merge."""
        git = self.author.git
        git.run("checkout", "--quiet", branch)
        git.run("merge", "--quiet", "--no-ff", "--no-edit", other)
        return self.author.head

    def compare(self, head: str) -> Comparison | None:
        base_branch = self.look(head)
        tip = base_branch.tip("main")
        assert tip == self.author.git.text("rev-parse", "main")
        return base_branch.compare(tip, head)


def on_laptop(root: Path) -> Place:
    author = make_local(root / "author")
    return Place(author, lambda _: LocalBaseBranch(author.git))


def in_job(root: Path, server: GitServer) -> Place:
    """The checkout has the last commit of main alone, and the work without its history."""
    author, hosted = make_local(root / "author"), Hosted(server, root)

    def look(head: str) -> BaseBranch:
        git, remote = author.git, Remote(hosted.url, server.url, "bot")
        git.run("push", "--quiet", "--force", str(hosted.bare.path), "main", f"{head}:refs/heads/w")
        checkout = Git(root / "job", environment(root), isolated=True)
        if not (root / "job").exists():
            checkout = hosted.checkout(depth=1)
        env = remote.authorization()
        checkout.run("fetch", "--quiet", "--depth=1", hosted.url, head, env=env)
        assert checkout.text("rev-parse", "--is-shallow-repository") == "true"
        return ServerBaseBranch(checkout, remote, lambda *_: None)

    return Place(author, look)


@pytest.fixture(params=["on a laptop", "in a job"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        if request.param == "on a laptop":
            place = on_laptop(tmp_path)
        else:
            server = stack.enter_context(GitServer(tmp_path / "hosted"))
            server.create_repository(REPOSITORY)
            server.add_token("bot", "github-actions[bot]")
            place = in_job(tmp_path, server)
        place.author.commit({"a.py": LINES, "b.py": LINES})
        yield place


def test_work_on_top_of_the_branch_merges(place: Place) -> None:
    base = place.author.head
    place.commit("w", "line 0\n" + LINES)
    head = place.commit("w", "line 00\n" + LINES)

    assert place.compare(head) == Comparison(base)


def test_a_branch_that_moved_elsewhere_merges_and_the_work_began_before(place: Place) -> None:
    begin = place.author.head
    head = place.commit("w", "line 0\n" + LINES)
    for number in range(3):
        place.commit("main", LINES + f"line {number}\n")

    assert place.compare(head) == Comparison(begin)


def test_files_that_both_changed_at_one_place_conflict(place: Place) -> None:
    begin = place.author.head
    place.commit("w", "ours\n" + LINES, "b.py")
    head = place.commit("w", "ours\n" + LINES)
    place.commit("main", "theirs\n" + LINES)

    assert place.compare(head) == Comparison(begin, ("a.py",))


def test_work_that_merges_cleanly_is_merged_without_a_work_tree(place: Place) -> None:
    begin = place.author.head
    head = place.commit("w", "ours\n" + LINES)
    place.commit("main", LINES + "theirs\n")
    tip = place.commit("main", "theirs\n", "new.py")
    base_branch = place.look(head)
    assert base_branch.tip("main") == tip
    assert base_branch.compare(tip, head) == Comparison(begin)
    merged = base_branch.merge(tip, head, "Merge main")

    assert base_branch.changed(begin, tip) == {"a.py", "new.py"}
    assert base_branch.changed(tip, merged) == {"a.py"}
    assert base_branch.compare(tip, merged) == Comparison(tip)


def test_work_that_has_merged_the_branch_begins_there(place: Place) -> None:
    place.commit("w", "ours\n" + LINES)
    theirs = place.commit("main", LINES + "theirs\n")
    place.merge("w", "main")
    head = place.commit("w", "ours again\n" + LINES + "theirs\n")
    assert place.compare(head) == Comparison(theirs)

    place.commit("main", LINES + "theirs, too\n", "b.py")
    assert place.compare(head) == Comparison(theirs)


def test_work_that_was_rebased_begins_where_it_is_now(place: Place) -> None:
    place.commit("w", "ours\n" + LINES)
    theirs = place.commit("main", LINES + "theirs\n")
    place.author.git.run("checkout", "--quiet", "w")
    place.author.git.run("rebase", "--quiet", "main")

    assert place.compare(place.author.head) == Comparison(theirs)


def test_a_long_way_back_is_not_cut_short(place: Place) -> None:
    """A merge of the branch gives a short way to an older commit than the one that counts."""
    place.commit("side", LINES, "c.py")
    place.author.git.run("checkout", "--quiet", "main")
    entry = "commit refs/heads/main\ncommitter A <a@b> now\ndata 1\nx\n"
    first, rest = f"{entry}from refs/heads/main^0\n", entry * 59
    command = ("fast-import", "--quiet", "--date-format=now")
    place.author.git.run(*command, stdin=(first + rest).encode())
    place.author.git.run("reset", "--hard", "--quiet")
    begin = place.author.head
    head = place.commit("w", "ours\n" + LINES)
    place.merge("main", "side")

    assert place.compare(head) == Comparison(begin)


def test_nobody_knows_a_branch_that_is_not_there(place: Place) -> None:
    base_branch = place.look(place.author.head)
    found: object = None
    with suppress(BranchRefused):
        found = base_branch.tip("gone")
    assert found is None


def test_work_without_a_common_history_compares_with_nothing(place: Place) -> None:
    place.author.git.run("checkout", "--quiet", "--orphan", "w")
    head = place.author.commit({"a.py": "other\n"})

    assert place.compare(head) is None
