"""Copies folders, sharing the blocks of files where the file system can (`cp --reflink=auto`).

Links stay links; modes and times are kept, so that build tools see nothing new. Pipes, sockets and
devices are left out.
"""

import os
import shutil
import stat
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from loop_kit.errors import DiskRefused

FreeSpace = Callable[[Path], int]

_FICLONE = 0x40049409
_ROOMY = 10 * 1024**3
"""With more than this free nobody counts the files first."""


def free_space(folder: Path) -> int:
    """Bytes that are free for this account where `folder` is."""
    return shutil.disk_usage(folder).free


def require_space(folder: Path, needed: Callable[[], int], free: FreeSpace = free_space) -> None:
    """Ask the disk before it is filled; `needed` is called only where it could be short.

    Raises:
        DiskRefused: there is less room than needed.
    """
    left = free(folder)
    if left >= _ROOMY:
        return
    wanted = needed()
    if wanted > left:
        raise DiskRefused(
            f"A workspace needs {_size(wanted)}, and {folder} has {_size(left)} left.",
            "Make room there, or name a folder on another disk with --workspace-root,"
            " then run again.",
        )


def _size(number: int) -> str:
    return f"{number / 1024**2:,.0f} MB"


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _walk(folder))


def _walk(folder: Path) -> Iterator["os.DirEntry[str]"]:
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


class Copier:
    """Copies one folder into another; whether blocks can be shared is found out once."""

    def __init__(self) -> None:
        self._shares_blocks = True

    def copy(self, source: Path, target: Path, leave_out: Container[str] = ()) -> None:
        """Copy what is in `source` into the new folder `target`, without the names `leave_out`.

        Raises:
            OSError: a file cannot be read, or the disk is full.
        """
        folders = [(source, target)]
        for old, new in folders:
            new.mkdir(mode=0o700)
            with os.scandir(old) as entries:
                for entry in entries:
                    if old == source and entry.name in leave_out:
                        continue
                    inside = new / entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((old / entry.name, inside))
                    else:
                        self.copy_entry(old / entry.name, inside)
        for old, new in reversed(folders):
            shutil.copystat(old, new)

    def copy_entry(self, source: Path, target: Path) -> None:
        """Copy a file or a link.

        Raises:
            OSError: it cannot be read, or the disk is full.
        """
        about = source.lstat()
        if stat.S_ISLNK(about.st_mode):
            target.symlink_to(source.readlink())
        elif stat.S_ISREG(about.st_mode):
            if not (self._shares_blocks and self._share(source, target)):
                shutil.copyfile(source, target)
            target.chmod(stat.S_IMODE(about.st_mode))
            os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))

    def _share(self, source: Path, target: Path) -> bool:
        """Make `target` a file with the blocks of `source`; False where that is not possible."""
        try:
            import fcntl
        except ImportError:
            self._shares_blocks = False
            return False
        with source.open("rb") as old, target.open("wb") as new:
            try:
                fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
            except OSError:
                self._shares_blocks = False
                return False
        return True
