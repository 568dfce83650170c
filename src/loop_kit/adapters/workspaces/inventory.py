"""What a workspace held before an agent had it, so that only what differs afterwards costs work.

A file counts as untouched if it is the same inode with the same time of its last change: no program
can set that time, and a write, rename, link, mode or attribute sets it. Not every write does, so a
file that a program had open for writing does not count either; see `writes`. Where a file changed
so shortly before it was noted that a later write could have the same time, it is not trusted. A
folder counts as untouched if it is the same one with the same mode and no rules of access that new
files inherit; what is in it is looked at by itself, and its own time is set back.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.workspaces.writes import Writes

_CAN_TELL = hasattr(os, "listxattr")
"""Linux: elsewhere there is no such time, or no way to ask for the rules of a folder."""
_CLOCK_STEP = 20_000_000
"""Nanoseconds by which two writes must be apart to have different times for certain: two of the
longest ticks by which Linux counts."""
_SECOND = 1_000_000_000
_UNTRUSTED = 0
_GIT = ".git"

_Names = dict[str, int]
_Times = tuple[int, int]
"""When a folder was last changed, and when its list of names was."""


class Inventory:
    """The entries below a folder, but for its `.git`, as they were when it was made.

    Attributes:
        is_clean: Whether it was compared since it was noted, and nothing was new or different.
    """

    def __init__(self, root: Path) -> None:
        """Note everything below `root`.

        Raises:
            OSError: a folder cannot be read, or writes to it are not reported.
        """
        self._root = _folder_mark(root.lstat())
        self._folders: dict[str, _Names] = {}
        self._times: dict[str, _Times] = {}
        self._writes = Writes()
        self.renew(root)

    def renew(self, root: Path) -> None:
        """Note what has changed since all was as noted: only folders that changed are listed.

        Raises:
            OSError: a folder cannot be read, or writes to it are not reported.
        """
        self._writes.forget()
        latest = _now(root) - _CLOCK_STEP
        self.is_clean = False
        for folder in {"", *self._folders}:
            times = _times_at(root / folder)
            if times is None:
                del self._folders[folder]
            elif times != self._times.get(folder) or times[0] > latest:
                self._list(root, folder, times, latest)

    def _list(self, root: Path, folder: str, times: _Times, latest: int) -> None:
        waiting = [(folder, times)]
        while waiting:
            folder, self._times[folder] = waiting.pop()
            self._writes.watch(f"{root}/{folder}", folder)
            names = self._folders[folder] = {}
            for entry, seen in _entries(root, folder):
                names[entry.name] = _mark(seen, latest)
                inside = f"{folder}{entry.name}/"
                if stat.S_ISDIR(seen.st_mode) and inside not in self._folders:
                    waiting.append((inside, _times(seen)))

    def folders_with(self, name: str) -> Iterator[str]:
        """The folders in which this name was noted, each as the start of a path."""
        return (folder for folder, names in self._folders.items() if name in names)

    def changed(self, root: Path) -> list[str]:
        """The entries that are gone or not certainly as they were; what is new does not count.

        Of a folder that is not as it was only its own name is given.

        Raises:
            OSError: a folder cannot be read.
        """
        return list(self._differences(root, removes=False))

    def restore(self, root: Path) -> list[str]:
        """Remove all that is not certainly as it was; the names that are missing since.

        Raises:
            OSError: something cannot be removed, or `root` is not the folder that it was.
        """
        return list(self._differences(root, removes=True))

    def _differences(self, root: Path, *, removes: bool) -> Iterator[str]:
        about = root.lstat()
        if _folder_mark(about) != self._root or not _is_open(str(root)):
            raise OSError(f"{root} is not the folder that it was")
        self._distrust_written()
        self.is_clean = True
        waiting = [("", _times(about))]
        while waiting:
            folder, times = waiting.pop()
            missing = dict(self._folders[folder])
            for entry, seen in list(_entries(root, folder)):
                was = missing.get(entry.name)
                if was is not None and _is_same(was, seen, entry.path):
                    del missing[entry.name]
                    if stat.S_ISDIR(seen.st_mode):
                        waiting.append((f"{folder}{entry.name}/", _times(seen)))
                    continue
                self.is_clean = False
                if removes:
                    remove(Path(entry.path))
                    if os.path.lexists(entry.path):
                        raise OSError(f"{entry.path} cannot be removed")
            self.is_clean = self.is_clean and not missing
            if removes:
                self._set_back(root, folder, times)
            yield from (folder + name for name in missing)

    def _distrust_written(self) -> None:
        for folder, name in self._writes.taken():
            if name in self._folders.get(folder, ()):
                self._folders[folder][name] = _UNTRUSTED

    def _set_back(self, root: Path, folder: str, times: _Times) -> None:
        """Give a folder that was changed its time again, which anybody could have set."""
        if times != self._times[folder]:
            listed = self._times[folder][1]
            os.utime(f"{root}/{folder}", ns=(listed, listed), follow_symlinks=False)


def can_tell() -> bool:
    """Whether this system says of a file that nobody has written to it."""
    return _CAN_TELL


def _times_at(folder: Path) -> _Times | None:
    """When a folder was last changed; None where there is none."""
    try:
        about = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _times(about) if stat.S_ISDIR(about.st_mode) else None


def _times(about: os.stat_result) -> _Times:
    return about.st_ctime_ns, about.st_mtime_ns


def _entries(root: Path, folder: str) -> Iterator[tuple["os.DirEntry[str]", os.stat_result]]:
    with os.scandir(f"{root}/{folder}") as entries:
        for entry in entries:
            if folder or entry.name != _GIT:
                yield entry, entry.stat(follow_symlinks=False)


def _now(root: Path) -> int:
    """The time by the clock of the file system that `root` is on."""
    probe = root.with_name(f"{root.name}.probe")
    remove(probe)
    probe.touch(exist_ok=False)
    try:
        return probe.lstat().st_ctime_ns
    finally:
        probe.unlink()


def _mark(about: os.stat_result, latest: int) -> int:
    if stat.S_ISDIR(about.st_mode):
        return _folder_mark(about)
    is_plain = stat.S_ISREG(about.st_mode) or stat.S_ISLNK(about.st_mode)
    changed = about.st_ctime_ns
    if not is_plain or changed > latest or not changed % _SECOND:
        return _UNTRUSTED
    return _file_mark(about)


def _file_mark(about: os.stat_result) -> int:
    return ((about.st_dev << 64 | about.st_ctime_ns) << 64 | about.st_ino) << 16 | about.st_mode


def _folder_mark(about: os.stat_result) -> int:
    owner = about.st_dev << 64 | about.st_uid << 32 | about.st_gid
    return (owner << 64 | about.st_ino) << 16 | about.st_mode


def _is_same(was: int, about: os.stat_result, path: str) -> bool:
    if stat.S_ISDIR(about.st_mode):
        return _folder_mark(about) == was and _is_open(path)
    return was != _UNTRUSTED and _file_mark(about) == was


def _is_open(folder: str) -> bool:
    """Whether no rule of access but its mode is set for a folder."""
    try:
        names = os.listxattr(folder, follow_symlinks=False)
    except OSError:
        return False
    return not any(name.startswith(("system.", "user.")) for name in names)
