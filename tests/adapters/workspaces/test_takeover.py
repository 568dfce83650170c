"""What is checked of the objects that are taken over from an agent's clone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import Local, environment

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.takeover import take_over
from loop_kit.errors import GitFailed

REF = "refs/loop-kit/incoming-test"


@pytest.fixture
def user_git(local: Local, tmp_path: Path) -> Git:
    """Git of a user in the loop's repository, with the user's own configuration."""
    return Git(local.root, environment(tmp_path))


@pytest.fixture
def odd(cloner: Cloner, local: Local) -> tuple[Path, str]:
    """A clone, and a commit in it whose time zone git calls malformed."""
    clone = cloner.clone("one", local.head)
    who = "A <a@example.org> 1313584730 +051800"
    tree = local.git.text("rev-parse", "HEAD^{tree}")
    body = f"tree {tree}\nparent {local.head}\nauthor {who}\ncommitter {who}\n\nodd\n"
    command = ("hash-object", "-t", "commit", "-w", "--stdin", "--literally")
    made = local.git.at(clone).run(*command, stdin=body.encode())
    return clone, made.out.decode().strip()


def test_a_malformed_commit_is_refused(user_git: Git, local: Local, odd: tuple[Path, str]) -> None:
    with pytest.raises(GitFailed, match="badTimezone"):
        take_over(user_git, *odd, [local.head], REF)
    assert local.git.text("for-each-ref", REF) == ""


def test_what_the_user_lets_pass_when_git_fetches_passes(
    user_git: Git, local: Local, odd: tuple[Path, str]
) -> None:
    local.git.run("config", "fetch.fsck.badTimezone", "ignore")
    take_over(user_git, *odd, [local.head], REF)
    assert user_git.text("rev-parse", REF) == odd[1]


def test_what_the_user_skips_when_git_fetches_is_skipped(
    user_git: Git, local: Local, odd: tuple[Path, str], tmp_path: Path
) -> None:
    (tmp_path / "skipped").write_text(f"{odd[1]}\n")
    local.git.run("config", "fetch.fsck.skipList", str(tmp_path / "skipped"))
    take_over(user_git, *odd, [local.head], REF)
    assert user_git.text("rev-parse", REF) == odd[1]


def test_a_check_that_git_does_not_know_is_passed_over_as_git_does(
    user_git: Git, local: Local, odd: tuple[Path, str]
) -> None:
    local.git.run("config", "fetch.fsck.badTimezone", "ignore")
    local.git.run("config", "fetch.fsck.newInSomeVersion", "ignore")
    take_over(user_git, *odd, [local.head], REF)
    assert user_git.text("rev-parse", REF) == odd[1]
