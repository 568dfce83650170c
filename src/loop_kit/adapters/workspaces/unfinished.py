"""What git was doing in a clone when its agent ended: a merge, a rebase, and so on.

Read from the files that git keeps of it; git itself is not run with that clone's configuration.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain

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
_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
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
        try:
            found = _COMMIT.fullmatch((read_plain(git_dir / trace, 1024) or b"").strip())
        except BusFileUnreadable:
            continue
        if found is not None:
            return found[0].decode()
    return None
