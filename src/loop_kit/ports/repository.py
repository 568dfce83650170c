"""Queries to git about the commits of a loop, as a Protocol, and the records of its answers."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from loop_kit.core.card.scope import Commit, Violation
from loop_kit.core.loop.provenance import Spot
from loop_kit.core.secrets.forms import Forms
from loop_kit.frozen import frozen


@frozen
class Diff:
    """A diff between two commits: `text` is the whole, or its beginning when `truncated`.

    `patch` is the file with the whole of it when it was truncated; `paths` are those that changed,
    and `changed_lines` how many lines were added and deleted in each of them.
    """

    text: str
    truncated: bool
    patch: Path | None
    files: int
    lines_added: int
    lines_deleted: int
    paths: tuple[str, ...] = ()
    changed_lines: tuple[int, ...] = ()


@frozen
class Span:
    """The commits between two commits; `descends`: the later builds on the earlier.

    `merged` is the newest commit of the base branch that they merge in, None if they merge none.
    """

    descends: bool
    same_tree: bool
    commits: tuple[Commit, ...]
    merged: str | None = None


class Repository(Protocol):
    """Named questions to git about the loop's commits."""

    def read(self, sha: str, path: str) -> bytes | None:
        """The file `path` at commit `sha`, or None; at most 1 MiB."""
        ...

    def read_many(self, sha: str, paths: Sequence[str]) -> Mapping[str, bytes]:
        """The existing files among `paths` at commit `sha`, each at most 1 MiB."""
        ...

    def top(self, sha: str) -> tuple[str, ...]:
        """The names at the top of the tree of commit `sha`."""
        ...

    def existing(self, shas: Sequence[str], paths: Collection[str]) -> frozenset[str]:
        """Those of `paths`, files or folders, that one of the commits `shas` has."""
        ...

    def matching_files(self, sha: str, patterns: Sequence[str], limit: int) -> tuple[str, ...]:
        """The first `limit` files of commit `sha` that fit `patterns` (gitignore style)."""
        ...

    def span(self, parent: str, head: str, base_tip: str = "") -> Span:
        """The commits between two commits, newest first, without those that `base_tip` holds.

        What a merge of those changes is only what differs from the merge that git makes itself.
        """
        ...

    def leaks(
        self, parent: str, head: str, forms: Forms, base_tip: str = ""
    ) -> tuple[Violation, ...]:
        """The secrets in the commits of such a span: in files, paths, messages and names.

        What a file had before its commit, in whatever form, is no leak.

        Raises:
            GitFailed: an object cannot be read.
        """
        ...

    def net_change(self, parent: str, head: str) -> Commit:
        """Everything between two commits as if it were one."""
        ...

    def diff(self, base: str, head: str, limit: int, patch: Path) -> Diff:
        """The diff from `base` to `head`; over `limit` bytes the whole is written to `patch`."""
        ...

    def origins(
        self, bases: Sequence[str], heads: Sequence[str], places: Sequence[Spot]
    ) -> Mapping[Spot, str | None]:
        """For each place as it is at the last of `heads`: which of the commits brought it in.

        `heads` build on each other and on `bases`, of which the first stands for all. The value is
        NOWHERE for what the last head does not have, and None for what git cannot say: in a file
        that is too large or one too many, or where a commit that matters is not here. For a file as
        a whole, a folder, a link or a submodule it is the last commit that changed it.
        The last head also has the lines beside which it removed others.

        Raises:
            LoopError: the last head cannot be read.
        """
        ...
