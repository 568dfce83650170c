"""What holds what in the history of a repository, and where its branches are."""

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import GitRepository


def tip_of(git: Git, branch: str) -> str | None:
    """The commit that a local branch is at; None if there is no such branch."""
    return GitRepository(git).resolve(f"refs/heads/{branch}")


def builds_on(git: Git, parent: str, sha: str) -> bool:
    """Whether `sha` is `parent` or one of its descendants."""
    command = ("merge-base", "--is-ancestor", parent, sha)
    return parent == sha or git.run(*command, ok=range(256)).code == 0
