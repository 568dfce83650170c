"""Removes folders that programs have filled, whatever their modes, depth and names."""

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

_MAX_DEPTH = 200
"""How many folders inside one another `shutil.rmtree` can follow by far: it calls itself."""
_MAX_PATH = 2000
"""Characters of a path to which any name can be added: the system takes 4096."""


def remove(path: Path) -> None:
    """Remove whatever is there; what may not be removed is left where it is.

    Only a folder is opened: opening a pipe waits for whoever writes to it.
    """
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            _make_removable(path)
            path.unlink(missing_ok=True)
            return
        try:
            shutil.rmtree(path, onerror=_retry_writable)
        except RecursionError:
            _flatten(path)
            shutil.rmtree(path, onerror=_retry_writable)


def make_room(path: Path) -> Path:
    """`path`, with nothing there any more: what cannot be removed is moved aside.

    Raises:
        OSError: it can be neither removed nor moved.
    """
    remove(path)
    if os.path.lexists(path):
        number = 1
        while os.path.lexists(aside := path.with_name(f"{path.name}.left-{number}")):
            number += 1
        path.rename(aside)
    return path


def _retry_writable(function: Callable[..., object], name: str, error: object) -> None:
    """Try again after making the folder writable; a link is not followed."""
    if isinstance(error, tuple) and isinstance(error[1], RecursionError):
        raise error[1]
    try:
        Path(name).parent.chmod(0o700)
        if stat.S_ISDIR(Path(name).lstat().st_mode):
            Path(name).chmod(0o700)
        _make_removable(Path(name))
        function(name)
    except TypeError:  # it was to open a folder, which can be done now
        shutil.rmtree(name, onerror=_retry_writable)
    except OSError:
        return


def _make_removable(path: Path) -> None:
    """Make a file writable on Windows, which removes no other; git's objects are not."""
    if os.name == "nt" and path.is_file() and not path.is_symlink():
        path.chmod(stat.S_IREAD | stat.S_IWRITE)


def _flatten(path: Path) -> None:
    """Move deep folders up until none is too deep, a few names at a time: paths have limits."""
    names = (path / f"{number}.flat" for number in itertools.count(1))
    unused = (name for name in names if not os.path.lexists(name))
    waiting = [path]
    while waiting:
        folder, depth = waiting.pop(), 0
        while depth < _MAX_DEPTH and len(str(folder)) < _MAX_PATH:
            folders = [entry for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)]
            if not folders:
                break
            *others, first = folders
            waiting += [Path(other.path).rename(next(unused)) for other in others]
            folder, depth = Path(first.path), depth + 1
        else:
            waiting.append(folder.rename(next(unused)))


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """What is in a folder; nothing where it cannot be entered."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
        with os.scandir(folder) as found:
            return list(found)
    return []
