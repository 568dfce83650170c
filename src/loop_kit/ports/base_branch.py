"""The base branch as it is now, as a Protocol, and the record of how work compares with it."""

from typing import NamedTuple, Protocol


class Comparison(NamedTuple):
    """How work compares with a commit of the base branch.

    `merge_base` is where both begin to differ; `conflicts` are the files that git cannot merge.
    """

    merge_base: str
    conflicts: tuple[str, ...] = ()


class BaseBranch(Protocol):
    """Questions about the branch that the work is to be merged into."""

    def tip(self, branch: str) -> str | None:
        """The commit that the branch is at now, which is here afterwards; None if it has none.

        Raises:
            LoopError: nobody can say; the server does not answer.
        """
        ...

    def compare(self, tip: str, head: str) -> Comparison | None:
        """How the work up to `head` compares with `tip`; None if they have nothing in common.

        Raises:
            LoopError: nobody can say; git is too old, or history is missing.
        """
        ...

    def changed(self, older: str, newer: str) -> frozenset[str]:
        """The paths that differ between two commits."""
        ...

    def merge(self, tip: str, head: str, message: str) -> str:
        """The merge commit of two commits that merge cleanly, `head` its first parent.

        Raises:
            GitFailed: they do not.
        """
        ...
