"""What a partial checkout lacks is brought by one request, with the job's token, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Hosted, environment, workplace
from tests.adapters.workspaces.stand_ins import Scratch
from tests.support.git_client import WorkingCopy

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.partial_checkout import PartialCheckout
from loop_kit.adapters.git.remote import Remote
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.core.loop.state import Role
from loop_kit.errors import BranchRefused, GitFailed

MANY = {f"d{n % 5}/e{n % 7}/f{n}.txt": f"{n}\n" for n in range(60)}


def checkout(hosted: Hosted, *options: str) -> Git:
    path = hosted.root / "partial"
    WorkingCopy.clone(hosted.url, path, "bot", "--no-checkout", *options)
    return Git(path, environment(hosted.root), isolated=True)


def supply(hosted: Hosted, git: Git, token: str = "bot") -> PartialCheckout:
    return PartialCheckout(git, Remote(hosted.url, hosted.server.url, token))


def missing(git: Git, sha: str) -> int:
    asked = ("rev-list", "--objects", "--missing=print", "--no-walk", sha)
    return sum(line.startswith("?") for line in git.text(*asked).splitlines())


@pytest.mark.parametrize("kind", ["blob:none", "tree:0", "blob:limit=1"])
@pytest.mark.parametrize("depth", [(), ("--depth=1",)], ids=["whole", "shallow"])
def test_everything_that_two_commits_lack_comes_by_one_request(
    hosted: Hosted, kind: str, depth: tuple[str, ...]
) -> None:
    base = hosted.bare.commit_files("main", MANY)
    head = hosted.bare.commit_files("other", {"d0/e0/f0.txt": "changed\n"}, parent=base)
    git = checkout(hosted, f"--filter={kind}", "--no-single-branch", *depth)
    assert missing(git, base)
    before = len(hosted.server.fetches())

    supply(hosted, git).complete(base, head)

    assert (missing(git, base), missing(git, head)) == (0, 0)
    (asked,) = hosted.server.fetches()[before:]
    assert asked.question.haves == 0
    supply(hosted, git).complete(base, head)
    assert len(hosted.server.fetches()) == before + 1


def test_a_whole_checkout_is_left_alone(hosted: Hosted) -> None:
    git = checkout(hosted)
    before = len(hosted.server.requests)
    whole = supply(hosted, git)

    whole.complete(git.text("rev-parse", "HEAD"))

    assert not whole.partial
    assert len(hosted.server.requests) == before


def test_without_the_token_nothing_is_brought_and_the_remedy_is_named(hosted: Hosted) -> None:
    hosted.bare.commit_files("main", MANY)
    git = checkout(hosted, "--filter=blob:none")
    head = git.text("rev-parse", "HEAD")

    with pytest.raises(BranchRefused, match="partial checkout cannot be completed") as refused:
        supply(hosted, git, token="unknown").complete(head)

    assert "without `filter`" in refused.value.remedy
    with pytest.raises(GitFailed):
        git.run("cat-file", "blob", f"{head}:a.py")


def test_a_commit_that_is_not_here_is_passed_over(hosted: Hosted) -> None:
    git = checkout(hosted, "--filter=blob:none")
    before = len(hosted.server.fetches())

    supply(hosted, git).complete("f" * 40, "")

    assert len(hosted.server.fetches()) == before


def test_a_clone_of_a_partial_checkout_is_whole_and_knows_no_server(
    hosted: Hosted, tmp_path: Path
) -> None:
    base = hosted.bare.commit_files("main", MANY)
    head = hosted.bare.commit_files("main", {"d0/e0/f0.txt": "changed\n"})
    git = checkout(hosted, "--filter=blob:none")
    cloner = Cloner(
        git, git.directory / ".git", Scratch(tmp_path / "scratch"), supply(hosted, git), base=base
    )
    before = len(hosted.server.fetches())

    workspace = Clones(workplace(cloner), IDENTITY).open(Role.WORKER, head)
    inside = Git(workspace.path, environment(tmp_path))

    assert len(hosted.server.fetches()) == before + 1
    assert inside.text("diff", "--name-only", base, "HEAD") == "d0/e0/f0.txt"
    assert inside.text("rev-list", "--objects", "--all", "--missing=print").count("\n?") == 0
    config = (workspace.path / ".git" / "config").read_text()
    assert "promisor" not in config
    assert hosted.server.url not in config
    (workspace.path / "new.txt").write_text("new\n")
    collected = workspace.collect("Leftovers").head
    assert git.text("diff", "--name-only", head, collected) == "new.txt"
    assert git.text("rev-parse", f"{collected}^") == head


def test_a_file_outside_a_sparse_checkout_is_cloned_and_collected(
    hosted: Hosted, tmp_path: Path
) -> None:
    head = hosted.bare.commit_files("main", MANY)
    git = checkout(hosted, "--filter=blob:none", "--sparse")
    copy = WorkingCopy(git.directory, hosted.url, "bot")
    copy.git("sparse-checkout", "set", "d1")
    copy.git("checkout", "--quiet", "main")
    cloner = Cloner(git, git.directory / ".git", Scratch(tmp_path / "scratch"), supply(hosted, git))

    workspace = Clones(workplace(cloner), IDENTITY).open(Role.WORKER, head)
    (workspace.path / "d0/e0/f0.txt").write_text("mine\n")
    (workspace.path / "d9.txt").write_text("new\n")
    collected = workspace.collect("Leftovers").head

    assert git.text("diff", "--name-only", head, collected).split() == ["d0/e0/f0.txt", "d9.txt"]
