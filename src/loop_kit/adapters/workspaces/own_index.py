"""Keeps what an index holds where no agent can write to it: in memory.

By an index that others have written to git could call files unchanged that differ. So it is on the
disk only while git uses it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.files.removal import make_room
from loop_kit.adapters.files.times import set_times
from loop_kit.adapters.git.trees import Trees
from loop_kit.frozen import frozen

File = tuple[str, str, os.stat_result]
"""A file: its mode and object as a tree names them, and what the system knew of it before."""


@frozen
class OwnIndex:
    """The bytes of an index, and its times: git looks again at files that changed at its last."""

    content: bytes
    read_ns: int
    changed_ns: int

    def write(self, path: Path) -> None:
        """Let an index be at `path`, whatever is there.

        Raises:
            OSError: it cannot be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(make_room(path), flags, 0o600), "wb") as stream:
            stream.write(self.content)
        set_times(path, self.read_ns, self.changed_ns)

    def at_tree(
        self, files: Mapping[str, File | None], trees: Trees, tree: str, since: int
    ) -> "OwnIndex":
        """The index of a tree that differs at the paths of `files`; None where it has none.

        All others were certainly those of it at the time `since`, in nanoseconds, and these when
        they were last looked at, which was later. Git looks again at what changed from then on.

        Raises:
            NotPlain: git has to be asked.
        """
        from loop_kit.adapters.git.index_file import Entry, IndexFile

        content = self.content
        if files:
            changes = {name: Entry(*file) if file else None for name, file in files.items()}
            content = IndexFile(content, len(tree) // 2).change(changes, trees, tree)
        return OwnIndex(content, since, since)


def read_index(path: Path) -> OwnIndex:
    """The index at `path`, which only git has written.

    Raises:
        OSError: there is none.
    """
    about = path.lstat()
    return OwnIndex(path.read_bytes(), about.st_atime_ns, about.st_mtime_ns)
