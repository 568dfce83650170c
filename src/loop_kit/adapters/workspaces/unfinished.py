"""Where a clone's HEAD is, and what git was doing there when its agent ended: a merge, a rebase.

Read from the files that git keeps of it; git itself is not run with that clone's configuration.
"""

import os
import re
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.frozen import frozen

_TRACES = (
    ("rebase-merge", "rebase"),
    ("rebase-apply/applying", "git am"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("MERGE_HEAD", "merge"),
    ("sequencer", "cherry-pick or revert"),
)
_REBASED = ("rebase-merge/orig-head", "rebase-apply/orig-head")
_MAX_REFS = 8 * 1024 * 1024
_BRANCH = re.compile(rb"ref: (refs/heads/[^\s/.][^\s/]*(?:/[^\s/.][^\s/]*)*)")
_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@frozen
class Operation:
    """What git has begun and not ended; `before` is the commit that a rebase started from."""

    name: str
    before: str | None = None


def unfinished_operation(git_dir: Path) -> Operation | None:
    """The operation that is unfinished in the repository at `git_dir`."""
    name = next((name for trace, name in _TRACES if os.path.lexists(git_dir / trace)), None)
    if name is None:
        return None
    return Operation(name, _commit_before(git_dir) if name == "rebase" else None)


def _commit_before(git_dir: Path) -> str | None:
    for trace in _REBASED:
        found = _COMMIT.fullmatch(_plain(git_dir / trace))
        if found is not None:
            return found[0].decode()
    return None


def head_of(git_dir: Path) -> str | None:
    """The commit of HEAD in the repository at `git_dir`, where its plain files say so."""
    head = _plain(git_dir / "HEAD")
    branch = _BRANCH.fullmatch(head)
    if branch is not None:
        ref = branch[1]
        lines = (line.partition(b" ") for line in _plain(git_dir / "packed-refs").splitlines())
        packed = next((commit for commit, _, name in lines if name == ref), b"")
        head = _plain(git_dir / os.fsdecode(ref)) or packed
    return head.decode() if _COMMIT.fullmatch(head) else None


def _plain(path: Path) -> bytes:
    try:
        return (read_plain(path, _MAX_REFS) or b"").strip()
    except (BusFileUnreadable, OSError):
        return b""
