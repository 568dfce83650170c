"""What differs from HEAD in the user's work tree.

Of a submodule that counts which the user's own configuration (`ignore`) lets git report, and never
untracked files in it, as they do not count anywhere else.
"""

from collections.abc import Sequence

from loop_kit.adapters.git.command import Git, GitTooSlow
from loop_kit.core.text.numbers import counted
from loop_kit.errors import DirtyWorktree
from loop_kit.frozen import frozen

_UNTRACKED_INSIDE = "S..U"
_SOON, _AT_LAST = 8, 120
"""Seconds after which git is asked again: a pipe in a subfolder would have been found by then."""


@frozen
class Status:
    """`git status` in numbers: the commit checked out and every path that differs from it."""

    head: str
    branch: str
    tracked: tuple[str, ...]
    untracked: tuple[str, ...]
    raw: bytes

    @property
    def paths(self) -> set[str]:
        """Every path that differs."""
        return {*self.tracked, *self.untracked}


def read_status(git: Git, ignored: str) -> Status:
    """The status of the work tree without what is below the folder `ignored`."""
    command = (
        *("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all"),
        *("--no-renames", "--", ".", f":(top,exclude,literal){ignored}"),
    )
    try:
        done = git.run(*command, timeout=_SOON)
    except GitTooSlow:
        done = git.run(*command, timeout=_AT_LAST)
    head, branch, tracked, untracked = "", "", [], []
    for token in done.out.decode("utf-8", "surrogateescape").split("\x00"):
        if token.startswith("# branch.oid "):
            head = token.rpartition(" ")[2]
        elif token.startswith("# branch.head "):
            branch = token.removeprefix("# branch.head ")
        elif token.startswith("? "):
            untracked.append(token[2:])
        elif token.startswith("1 "):
            _, changes, submodule, *_, path = token.split(" ", 8)
            if (changes, submodule) != (".M", _UNTRACKED_INSIDE):
                tracked.append(path)
        elif token.startswith("u "):
            tracked.append(token.split(" ", 10)[10])
    return Status(head, branch, tuple(tracked), tuple(untracked), done.out)


def require_clean(status: Status) -> None:
    """Refuse to mix the user's uncommitted changes with the worker's.

    Raises:
        DirtyWorktree: a tracked file differs from HEAD; untracked files do not count.
    """
    if not status.tracked:
        return
    paths = "".join(f"\n  {_printable(path)}" for path in status.tracked[:20])
    more = len(status.tracked) - 20
    if more > 0:
        paths += f"\n  and {more} more"
    files = counted(len(status.tracked), "tracked file")
    raise DirtyWorktree(
        f"There are uncommitted changes in {files}:{paths}\n",
        "Commit or stash them, or run with --allow-dirty.",
    )


def named_paths(paths: Sequence[str], most: int = 20) -> str:
    """The first `most` of these paths, in one line."""
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return f"{', '.join(map(_printable, paths[:most]))}{more}"


def _printable(path: str) -> str:
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
