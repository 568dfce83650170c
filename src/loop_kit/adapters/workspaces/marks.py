"""What is in a folder, and by what it is known that it is the same later."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from loop_kit.adapters.files.removal import remove

GIT = ".git"
UNTRUSTED = 0
"""The mark of what is never the same."""
UNSEEN = 1
"""The mark of a watched file: it is the same if nothing was reported of it, and of its name."""
_SECOND = 1_000_000_000

Times = tuple[int, int]
"""When a folder was last changed, and when its list of names was."""


class Named:
    """One entry of a folder, as a list of the whole folder has it."""

    def __init__(self, folder: str, name: str) -> None:
        self.name = name
        self.path = folder + name

    def is_file(self, *, follow_symlinks: bool) -> bool:
        """Whether it is a file, and no link to one."""
        return stat.S_ISREG(self.stat(follow_symlinks=follow_symlinks).st_mode)

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        """What the system knows of it."""
        return os.stat(self.path, follow_symlinks=follow_symlinks)  # noqa: PTH116


def entries_of(
    root: Path, folder: str, only: Collection[str] | None
) -> Iterator["os.DirEntry[str] | Named"]:
    """The entries of a folder, or those that are there of `only` some names."""
    if only is not None:
        named = (Named(f"{root}/{folder}", name) for name in only)
        yield from (e for e in named if (folder or e.name != GIT) and os.path.lexists(e.path))
        return
    with os.scandir(f"{root}/{folder}") as entries:
        for entry in entries:
            if folder or entry.name != GIT:
                yield entry


def times_at(folder: Path) -> Times | None:
    """When a folder was last changed; None where there is none."""
    try:
        about = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return times_of(about) if stat.S_ISDIR(about.st_mode) else None


def times_of(about: os.stat_result) -> Times:
    """When a folder was last changed."""
    return about.st_ctime_ns, about.st_mtime_ns


def now(root: Path) -> int:
    """The time by the clock of the file system that `root` is on."""
    probe = root.with_name(f"{root.name}.probe")
    remove(probe)
    probe.touch(exist_ok=False)
    try:
        return probe.lstat().st_ctime_ns
    finally:
        probe.unlink()


def mark_of(about: os.stat_result, latest: int) -> int:
    """The mark of an entry; of no file that was changed after `latest`, in nanoseconds."""
    if stat.S_ISDIR(about.st_mode):
        return folder_mark(about)
    is_plain = stat.S_ISREG(about.st_mode) or stat.S_ISLNK(about.st_mode)
    changed = about.st_ctime_ns
    if not is_plain or changed > latest or not changed % _SECOND:
        return UNTRUSTED
    return _file_mark(about)


def _file_mark(about: os.stat_result) -> int:
    return ((about.st_dev << 64 | about.st_ctime_ns) << 64 | about.st_ino) << 16 | about.st_mode


def folder_mark(about: os.stat_result) -> int:
    """The mark of a folder."""
    owner = about.st_dev << 64 | about.st_uid << 32 | about.st_gid
    return (owner << 64 | about.st_ino) << 16 | about.st_mode


def is_same(was: int, about: os.stat_result, path: str) -> bool:
    """Whether the entry at a path is certainly the one that had this mark."""
    if stat.S_ISDIR(about.st_mode):
        return folder_mark(about) == was and is_open(path)
    return was != UNTRUSTED and _file_mark(about) == was


def is_open(folder: str) -> bool:
    """Whether no rule of access but its mode is set for a folder."""
    try:
        names = os.listxattr(folder, follow_symlinks=False)
    except OSError:
        return False
    return not any(name.startswith(("system.", "user.")) for name in names)
