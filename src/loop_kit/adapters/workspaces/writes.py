"""Reports the files in watched folders that a program had open for writing (inotify of Linux).

The time of a file's last change does not tell of every write: on tmpfs nothing sets it where a
program writes through a mapping, and on ext4 a file's owner can swap its blocks for those of
another. For both the file has to be open for writing. The kernel reports the end of that, which is
no later than the end of the program.
"""

import os
import struct
import weakref
from collections.abc import Iterator
from pathlib import Path

_CLOSED_AFTER_WRITING = 0x8
_ONLY_FOLDERS = 0x03000000
_OVERFLOW = 0x4000
_EVENT = struct.Struct("iIII")
_BUFFER = 1 << 16
_LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")


class Writes:
    """The files that were open for writing in watched folders and were not asked for yet."""

    def __init__(self) -> None:
        """Watch nothing yet.

        Raises:
            OSError: the system reports no writes, or has too many that ask for them.
        """
        try:
            import ctypes
        except ImportError:
            raise OSError("this Python cannot ask the system for writes") from None

        self._libc = ctypes.CDLL(None, use_errno=True)
        self._errno = ctypes.get_errno
        self._left = int(_LIMIT.read_text("ascii")) // 2
        self._stream = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._folders: dict[int, str] = {}
        self._is_incomplete = False
        weakref.finalize(self, os.close, self._stream)

    def watch(self, path: str, folder: str) -> None:
        """Watch the folder at `path`, which is called `folder` from here on.

        Raises:
            OSError: it cannot be watched, or half of what a user may watch is in use here.
        """
        mask = _CLOSED_AFTER_WRITING | _ONLY_FOLDERS
        number = self._libc.inotify_add_watch(self._stream, os.fsencode(path), mask)
        self._folders[self._checked(number)] = folder
        if len(self._folders) > self._left:
            raise OSError("too many folders to watch")

    def taken(self) -> Iterator[tuple[str, str]]:
        """Folder and name of each file that was open for writing since this was last asked.

        Raises:
            OSError: there were so many, now or earlier, that some are not known.
        """
        for number, mask, name in self._events():
            self._is_incomplete |= bool(mask & _OVERFLOW)
            if mask & _CLOSED_AFTER_WRITING:
                yield self._folders[number], os.fsdecode(name)
        if self._is_incomplete:
            raise OSError("too many files were written")

    def forget(self) -> None:
        """Forget what was written until now."""
        for _ in self._events():
            pass

    def _events(self) -> Iterator[tuple[int, int, bytes]]:
        while True:
            try:
                events = os.read(self._stream, _BUFFER)
            except BlockingIOError:
                return
            at = 0
            while at < len(events):
                number, mask, _, size = _EVENT.unpack_from(events, at)
                at += _EVENT.size + size
                yield number, mask, events[at - size : at].rstrip(b"\0")

    def _checked(self, number: int) -> int:
        if number < 0:
            raise OSError(self._errno(), "the system reports no writes")
        return number
