"""Reports what programs did to watched files and folders (inotify of Linux).

The time of a file's last change does not tell of every write: on tmpfs nothing sets it where a
program writes through a mapping, and on ext4 a file's owner can swap its blocks for those of
another. For both the file has to be open for writing. The kernel reports the end of that, which is
no later than the end of the program.

A watched folder reports that of the files in it, unless it is done through a link elsewhere. A
watched file reports whatever is done to it by any name: a write, a link, another mode; and a folder
which names come and go. So where all files and folders are watched, nothing was done to those that
reported nothing. Not every system that knows inotify reports so much: that is tried first. What a
program writes through an overlay that it has mounted is reported since Linux 6.5.
"""

import os
import struct
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

from loop_kit.adapters.files.removal import make_room, remove
from loop_kit.frozen import frozen

_WRITTEN, _MODE, _CLOSED_AFTER_WRITING = 0x2, 0x4, 0x8
_MOVED_OUT, _MOVED_IN, _CREATED, _REMOVED = 0x40, 0x80, 0x100, 0x200
_UNMOUNTED, _OVERFLOW, _ENDED = 0x2000, 0x4000, 0x8000
_NO_LINK, _ONLY_FOLDERS = 0x02000000, 0x03000000
_IN_FILE = _WRITTEN | _MODE | _CLOSED_AFTER_WRITING
_IN_FOLDER = _MODE | _MOVED_OUT | _MOVED_IN | _CREATED | _REMOVED
_EVENT = struct.Struct("iIII")
_BUFFER = 1 << 16
_LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")
_MOUNTS = Path("/proc/self/mountinfo")
_RELEASE = Path("/proc/sys/kernel/osrelease")
_REPORTS_OVERLAYS = (6, 5)


@frozen
class Touched:
    """What was reported.

    Attributes:
        names: The names that came, went or changed in folders, by those; None if any may have: the
            folder itself was removed.
        files: The files that may have other bytes or modes, each a whole path.
    """

    names: Mapping[str, frozenset[str] | None]
    files: frozenset[str]


class Writes:
    """What was done to watched files and folders and was not asked for yet.

    A folder is named by a path that ends with a slash; the root's is empty.
    """

    def __init__(self, *, in_files: bool, share: float = 0.5) -> None:
        """Watch nothing yet; then folders, and with `in_files` each file, too.

        Of what a user may watch no more than `share` is used here.

        Raises:
            OSError: the system reports no writes, or has too many that ask for them.
        """
        try:
            import ctypes
        except ImportError:
            raise OSError("this Python cannot ask the system for writes") from None

        self._libc = ctypes.CDLL(None, use_errno=True)
        self._errno = ctypes.get_errno
        self._most = share * int(_LIMIT.read_text("ascii"))
        self._stream = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._of_folder = _ONLY_FOLDERS | (_IN_FOLDER if in_files else _CLOSED_AFTER_WRITING)
        self._names: dict[int, str] = {}
        self._is_incomplete = False
        weakref.finalize(self, os.close, self._stream)

    def watch_folder(self, path: str, name: str) -> None:
        """Watch the folder at `path`, which is called `name` from here on.

        Raises:
            OSError: it cannot be watched, or there are too many.
        """
        self._watch(path, name, self._of_folder)

    def watch_file(self, path: str, name: str) -> None:
        """Watch the file at `path`, which is called `name` from here on.

        Raises:
            OSError: it cannot be watched, has another name here, or there are too many.
        """
        self._watch(path, name, _IN_FILE | _NO_LINK)

    def _watch(self, path: str, name: str, mask: int) -> None:
        number = self._checked(self._libc.inotify_add_watch(self._stream, os.fsencode(path), mask))
        known = self._names.setdefault(number, name)
        if known != name:
            if _is_same(path, path.removesuffix(name) + known):
                raise OSError(f"{path} is {known}, too")
            self._names[number] = name
        if len(self._names) > self._most:
            raise OSError("too much to watch")

    def taken(self) -> Touched:
        """What was done since this was last asked; of a file that is no more, only its name.

        Raises:
            OSError: there was so much, now or earlier, that some is not known.
        """
        names: dict[str, set[str]] = {}
        inside: set[str] = set()
        gone: set[str] = set()
        files: dict[int, str] = {}
        for number, mask, name in self._events():
            watched = self._names.get(number)
            is_root_gone = watched == "" and mask & _ENDED
            self._is_incomplete |= bool(is_root_gone or mask & (_OVERFLOW | _UNMOUNTED))
            if watched is None:
                continue
            if mask & _ENDED:
                del self._names[number]
                files.pop(number, None)
                _add_name(names, watched)
                gone |= {watched} if watched.endswith("/") else set()
            elif watched and not watched.endswith("/"):
                files[number] = watched
            elif mask & _CLOSED_AFTER_WRITING:
                inside.add(watched + os.fsdecode(name))
            elif name:
                names.setdefault(watched, set()).add(os.fsdecode(name))
            else:
                names.setdefault(watched, set())
                _add_name(names, watched)
        if self._is_incomplete:
            raise OSError("more was done than is known")
        found = {folder: frozenset(inner) for folder, inner in names.items()}
        return Touched({**found, **dict.fromkeys(gone)}, frozenset({*inside, *files.values()}))

    def give_up(self) -> None:
        """Refuse from now on to say what was done."""
        self._is_incomplete = True

    def forget(self) -> None:
        """Forget what was done until now."""
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


def _add_name(names: dict[str, set[str]], path: str) -> None:
    """Note that a file or folder is another, in the folder that it is in; the root is in none."""
    if path:
        folder = parent(path)
        names.setdefault(folder, set()).add(path[len(folder) :].removesuffix("/"))


def _is_same(path: str, other: str) -> bool:
    """Whether two names are of one file or folder still: it could have been moved."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other.removesuffix("/")))
    except OSError:
        return False


def parent(name: str) -> str:
    """The folder that a file or folder is in."""
    head, _, _ = name.removesuffix("/").rpartition("/")
    return f"{head}/" if head else ""


def has_mounts(root: Path) -> bool:
    """Whether another file system is in the place of a folder below `root`: no event reports it."""
    path = os.fsencode(os.path.realpath(root))
    for character in b"\\ \t\n":
        path = path.replace(bytes([character]), b"\\%03o" % character)
    return b" %s/" % path in _MOUNTS.read_bytes()


def require_reports(folder: Path) -> None:
    """Require that what is done to a file by another name is reported where `folder` is.

    Raises:
        OSError: it is not.
    """
    if not reports_overlays(_RELEASE.read_text("ascii")):
        raise OSError("what is written through an overlay is not reported")
    trial = make_room(folder)
    try:
        for name in ("", "one", "two"):
            (trial / name).mkdir()
        file, other = trial / "one" / "file", trial / "two" / "file"
        file.touch()
        writes = Writes(in_files=True)
        for act in (lambda: os.link(file, other), lambda: other.write_bytes(b"x")):
            writes.watch_file(str(file), "file")
            act()
            if writes.taken().files != {"file"}:
                raise OSError(f"not every write is reported at {folder}")
    finally:
        remove(trial)


def reports_overlays(release: str) -> bool:
    """Whether a kernel of that release reports what is written through an overlay of a folder."""
    parts = release.split(".")[:2]
    return (
        len(parts) > 1
        and all(map(str.isdecimal, parts))
        and tuple(map(int, parts)) >= _REPORTS_OVERLAYS
    )
