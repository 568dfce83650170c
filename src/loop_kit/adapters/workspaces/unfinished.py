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
_BRANCH = re.compile(rb"ref: (refs/heads/[^\s/.\0][^\s/\0]*(?:/[^\s/.\0][^\s/\0]*)*)")
_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ID = re.compile(r"\b[0-9a-fA-F]{7,64}\b")
_HEADS = "refs/heads/"


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
        head = _at(git_dir, branch[1])
    return head.decode() if _COMMIT.fullmatch(head) else None


def commit_named(git_dir: Path, words: str) -> str | None:
    """The commit that an agent's words name: by its id, in full or in part, or by a branch.

    Whether there is such a commit is not known yet where it is named by id.
    """
    words = words.strip()
    branch = _BRANCH.fullmatch(
        f"ref: {_HEADS}{words.removeprefix(_HEADS)}".encode(errors="replace")
    )
    found = _at(git_dir, branch[1]) if branch and not _ID.fullmatch(words) else b""
    if _COMMIT.fullmatch(found):
        return found.decode()
    named = _ID.search(words)
    return named[0].lower() if named else None


def _at(git_dir: Path, ref: bytes) -> bytes:
    """What a branch's plain file, or git's list of branches, holds."""
    lines = (line.partition(b" ") for line in _plain(git_dir / "packed-refs").splitlines())
    packed = next((commit for commit, _, name in lines if name == ref), b"")
    return _plain(git_dir / os.fsdecode(ref)) or packed


def _plain(path: Path) -> bytes:
    try:
        return (read_plain(path, _MAX_REFS) or b"").strip()
    except (BusFileUnreadable, OSError):
        return b""
