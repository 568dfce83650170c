"""The lock of a local loop: one run at a time in one folder. No heavy imports.

The folder itself is locked too, where the system can lock folders: whoever removes the lock file
(`git clean -fdx` does) lets no second run in beside the first.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from loop_kit.errors import AlreadyRunning, StateRefused

_A_MOMENT = 0.05
_LOCKED_BYTE = 1 << 30
"""Far behind what is in the file: on Windows nobody else can read or write what is locked."""
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file of a loop; the system frees it when this process ends, however it ends.

    Raises:
        AlreadyRunning: another process holds it.
        StateRefused: files cannot be locked there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        held.callback(os.close, descriptor)
        try:
            free = _lock_soon(descriptor) and _try_lock_folder(path.parent, held)
        except OSError as error:
            raise StateRefused(
                f"{path} cannot be locked: {error.strerror}.",
                "Put the loop's folder on a disk with locks (--loop-dir).",
                anchor="lock-impossible",
            ) from None
        if not free:
            raise AlreadyRunning(
                f"Another run is already running here ({path}).",
                "Wait for it, or stop it; the lock ends with its process.",
            )
        yield


def _lock_soon(descriptor: int) -> bool:
    """`try_lock`, twice: whoever looks whether it is held holds it for a moment."""
    if try_lock(descriptor):
        return True
    time.sleep(_A_MOMENT)
    return try_lock(descriptor)


def is_held(path: Path) -> bool:
    """Whether a run holds the lock file at `path` now; looking makes no file and waits for none."""
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | _NO_WAIT)
    except OSError:
        return False
    try:
        return not try_lock(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Wait until no other loop-kit changes a file of `folder`, where it can be locked."""
    descriptor = _open_lock(folder) if os.name == "nt" else _open_folder(folder)
    if descriptor is None:
        yield
        return
    try:
        with contextlib.suppress(OSError):
            _wait_for(descriptor)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int) -> None:
    if os.name == "nt":
        while not try_lock(descriptor):
            time.sleep(_A_MOMENT)
        return
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _open_lock(folder: Path) -> int | None:
    """A file in `folder` to lock, where folders cannot be; None where none can be made."""
    try:
        return os.open(folder / ".loop-kit.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None


def _try_lock_folder(folder: Path, held: contextlib.ExitStack) -> bool:
    """Lock `folder` until `held` is closed; True where folders cannot be locked."""
    descriptor = _open_folder(folder)
    if descriptor is None:
        return True
    held.callback(os.close, descriptor)
    try:
        return try_lock(descriptor)
    except OSError:
        return True


def _open_folder(folder: Path) -> int | None:
    """A descriptor of `folder`; None where the system gives none."""
    if os.name == "nt":
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None


def try_lock(descriptor: int) -> bool:
    """Whether the lock of an open file was free, and is ours now; it ends with the descriptor.

    Raises:
        OSError: files cannot be locked there.
    """
    if os.name == "nt":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
