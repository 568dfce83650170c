"""Finds pipes, sockets and devices in a repository around each program that could make one there.

A loop looks four times in each round, into every folder of objects. So a folder whose times are as
they were is not searched again: it holds the same names, and what is no link is what it was, for
whatever takes the place of an entry sets the times, and no program can set both back. Where a
folder changed so shortly before it was searched that a later change could have the same time, it is
searched again; so is one with a link in it, which can lead to something else at any time.
"""

import os
import time
from pathlib import Path

from loop_kit.adapters.files.special_files import LONGEST, is_special

_CLOCK_STEP = 20_000_000
"""Nanoseconds by which two changes must be apart to have different times for certain."""
_SECOND = 1_000_000_000

_Mark = tuple[int, int, int, int]
_Inner = tuple[str, ...]


class SpecialFiles:
    """Looks for what git would wait for in one repository, again and again."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = str(git_dir)
        self._searched: dict[str, tuple[_Mark, _Inner]] = {}

    def find(self) -> frozenset[Path]:
        """The special files now; the folders of objects and refs are part of a repository."""
        found: set[Path] = set()
        searched: dict[str, tuple[_Mark, _Inner]] = {}
        waiting = [self._git_dir]
        latest = time.time_ns() - _CLOCK_STEP
        while waiting:
            name = waiting.pop()
            mark = _mark(name)
            known = self._searched.get(name)
            if mark is None or known is None or known[0] != mark:
                inner, special, has_links = _search(name)
                found.update(special)
                is_settled = mark is not None and mark[0] <= latest and mark[0] % _SECOND != 0
                if mark is not None and is_settled and not (special or has_links):
                    searched[name] = mark, inner
            else:
                inner = known[1]
                searched[name] = known
            waiting += inner
        self._searched = searched
        return frozenset(found)


def _mark(folder: str) -> _Mark | None:
    """What tells a folder from another, and its list of names from an earlier one."""
    try:
        about = os.stat(folder)
    except OSError:
        return None
    return about.st_ctime_ns, about.st_mtime_ns, about.st_ino, about.st_dev


def _search(folder: str) -> tuple[_Inner, list[Path], bool]:
    """The folders in a folder of a repository, what git would wait for, and if links are there."""
    inner, special, has_links = [], [], False
    for entry in _others(folder):
        if entry.is_dir(follow_symlinks=False):
            if len(entry.path) > LONGEST:
                special.append(Path(entry.path))
            else:
                inner.append(entry.path)
            continue
        has_links |= entry.is_symlink()
        if is_special(entry):
            special.append(Path(entry.path))
    return tuple(inner), special, has_links


def _others(folder: str) -> list["os.DirEntry[str]"]:
    """The entries of a folder that are no files; none if it may not be read, by git neither."""
    try:
        with os.scandir(folder) as entries:
            return [each for each in entries if not each.is_file(follow_symlinks=False)]
    except OSError:
        return []
