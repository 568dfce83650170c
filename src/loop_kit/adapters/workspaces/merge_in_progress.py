"""A merge with its conflicts in a worker's clone, as `git merge` leaves one that cannot go through.

The files are those of the merge, with conflict markers; git knows which ones conflict, and its next
commit there has both parents. A worker may commit, or leave that to the loop.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain

if TYPE_CHECKING:
    from loop_kit.adapters.git.merging import Preview

MESSAGE = "Merge the base branch"
_MAX_HEAD = 4096


def begin_merge(git: Git, path: Path, merge: "Preview", *, with_stages: bool) -> None:
    """Make git in the clone at `path` see the merge; its files are there already.

    Raises:
        GitFailed: git cannot write the index.
    """
    inside = path / ".git"
    (inside / "MERGE_HEAD").write_text(f"{merge.theirs}\n", "utf-8")
    (inside / "MERGE_MSG").write_text(f"{MESSAGE}\n", "utf-8")
    (inside / "MERGE_MODE").write_text("no-ff", "utf-8")
    if with_stages and merge.stages:
        absent = b"0 " + b"0" * len(merge.theirs) + b"\t"
        names = (name.encode("utf-8", "surrogateescape") for name in merge.conflicts)
        removed = b"".join(absent + name + b"\0" for name in names)
        command = ("update-index", "-z", "--index-info")
        git.at(path).run(*command, stdin=removed + merge.stages)


def is_in_progress(path: Path, merge: "Preview") -> bool:
    """Whether the clone at `path` still has exactly this merge before its next commit."""
    try:
        head = read_plain(path / ".git" / "MERGE_HEAD", _MAX_HEAD) or b""
    except (BusFileUnreadable, OSError):
        return False
    return head.strip() == merge.theirs.encode()
