"""Folders for temporary files of which the next run can say whether anybody uses them.

A run that is killed removes nothing. So whoever makes such a folder holds a lock on it for as long
as the process lives: the kernel lets go of it then, whatever killed the process, and also where
its number says nothing, as in a container beside this one. A folder of this user's under our name
that nobody holds is abandoned.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from loop_kit.adapters.files.removal import remove

PREFIX = "loop-kit-room-"
_NO_LOCK = -1


class OwnedFolder:
    """A fresh folder, in `place` or among temporary files, held until it is removed."""

    def __init__(self, place: str | None = None) -> None:
        lock = None
        while lock is None:  # who removes abandoned folders may just have come upon it
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
            lock = _hold(self.path)
        self._lock = lock

    def remove(self) -> None:
        """Remove it, with everything in it."""
        remove(self.path)
        if self._lock != _NO_LOCK:
            os.close(self._lock)


def remove_abandoned(places: Iterable[str]) -> None:
    """Remove the folders in `places` whose owners are gone."""
    if not hasattr(os, "geteuid"):
        return
    for place in {os.path.realpath(each) for each in places}:
        for path in _ours(place):
            lock = _hold(path)
            if lock is not None and lock != _NO_LOCK:
                remove(path)
                os.close(lock)


def _ours(place: str) -> list[Path]:
    user, found = os.geteuid(), []
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid == user:
                        found.append(Path(entry.path))
    return found


def _hold(path: Path) -> int | None:
    """A lock on a folder; None where somebody else has it, or the folder is gone."""
    try:
        import fcntl
    except ImportError:
        return _NO_LOCK
    opened = -1
    try:
        opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(opened), path.lstat()):
            return opened
    except OSError:
        pass
    if opened != -1:
        os.close(opened)
    return None
