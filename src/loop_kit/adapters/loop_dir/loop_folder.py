"""The folder `.loop/`: its names, atomic writes, log rotation, and what git ignores of it.

Commands that must start fast import this module: it has no heavy imports.
"""

import contextlib
import errno
import json
import os
import re
import stat
from collections.abc import Callable
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO

from loop_kit.adapters.files.append import append_whole
from loop_kit.adapters.files.replacing import replace_file
from loop_kit.adapters.loop_dir.loop_lock import one_writer
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import naming_file

MAX_LOG = 5 * 1024 * 1024
_BACKUPS = 3
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

GENERATED = (
    "archive/",
    "context/",
    "examples/",
    "handoff/",
    "logs/",
    "runs/",
    "runtime/",
    "lock",
    "state.json",
    "state.json.corrupt",
    "*.tmp",
    "work_report.json",
    "review_request.json",
    "review_report.json",
    "second_review_report.json",
    "fix_list.json",
    "task_packet.json",
    "summary.json",
)
_WITH_DRAFTS = ("", "archive/*/", "context/", "handoff/*/", "runtime/")
_BEGIN = "# loop-kit: generated files"
_RUN = "# loop-kit: a run in"
_END = "# loop-kit: end"


class BusFileUnreadable(ValueError):
    """A bus file is there and no regular file of a sane size."""


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` so that a reader sees the old or the new bytes, also after a power cut.

    Without `durable` it may be empty after a power cut: for files that can be written again.

    The draft belongs to this process; a link that somebody put in its place is not followed.
    """
    name = os.fspath(path)
    draft = f"{name}.{os.getpid()}.tmp"
    try:
        with naming_file(draft), _new_file(draft) as stream:
            append_whole(stream, content)
            if durable:
                os.fsync(stream.fileno())
        replace_file(draft, name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


def _new_file(name: str) -> FileIO:
    """A file that is not there yet, and its folder; what has its name is removed."""
    try:
        return FileIO(name, "xb")
    except FileExistsError:
        os.unlink(name)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(name), exist_ok=True)
    return FileIO(name, "xb")


def remove_drafts(folder: Path) -> None:
    """Remove unfinished files of processes that were killed; call it under the lock."""
    for below in _WITH_DRAFTS:
        for draft in folder.glob(f"{below}*.[0-9]*.tmp"):
            with contextlib.suppress(OSError):
                draft.unlink()


def exclude_generated(
    git_dir: Path, loop_dir: str, *, run: bool, folder: Path | None = None
) -> Callable[[], None]:
    """Keep generated files out of `git status` and `git add -A` by `.git/info/exclude`.

    Templates, configuration and cards are the user's and stay visible. While a run lasts (`run`,
    until the returned function is called) the whole folder is hidden, so that a worker's
    `git add -A` leaves what the user has not committed alone.

    All work trees of a repository share that file. So each run has lines of its own there, named
    after its `folder`, and the end of one does not show the files of another.
    """
    if "\n" in loop_dir:
        return lambda: None
    exclude = git_dir / "info" / "exclude"
    prefix = f"/{_escape(loop_dir)}/"
    whole = [f"{prefix}task_card.json", prefix]
    title = f"{_RUN} {json.dumps(str(folder or git_dir))}"
    generated = [f"{prefix}{name}" for name in GENERATED]

    def write(of_run: list[str]) -> None:
        exclude.parent.mkdir(parents=True, exist_ok=True)
        with one_writer(exclude.parent):
            remove_drafts(exclude.parent)
            old = exclude.read_text("utf-8", "surrogateescape") if exclude.is_file() else ""
            lines, others = _without_block(old.split("\n"), _BEGIN)
            others = [line for line in others if not line.startswith(prefix)]
            lines = _without_block(_without_dead_runs(lines), title)[0]
            while lines and not lines[-1]:
                lines.pop()
            lines += [_BEGIN, *others, *generated, _END]
            lines += [title, *of_run, _END] if of_run else []
            text = "\n".join(lines) + "\n"
            if text != old:
                write_atomically(exclude, text.encode("utf-8", "surrogateescape"))

    write(whole if run else [])
    return lambda: write([]) if run else None


def _escape(path: str) -> str:
    """`path` as a pattern that matches nothing else."""
    return re.sub(r"([\\*?\[]| $)", r"\\\1", path)


def _without_block(lines: list[str], title: str) -> tuple[list[str], list[str]]:
    """`lines` without the block of this title, and what is in it; one without an end is none."""
    if title not in lines or _END not in lines[lines.index(title) :]:
        return lines, []
    begin = lines.index(title)
    end = lines.index(_END, begin)
    return lines[:begin] + lines[end + 1 :], lines[begin + 1 : end]


def _without_dead_runs(lines: list[str]) -> list[str]:
    """`lines` without the blocks of runs that were killed, and whose folder is gone since."""
    for line in [line for line in lines if line.startswith(_RUN)]:
        try:
            folder = json.loads(line.removeprefix(_RUN))
        except ValueError:
            continue
        if isinstance(folder, str) and not Path(folder).exists():
            lines = _without_block(lines, line)[0]
    return lines


class RotatingFile:
    """A log that never grows over `MAX_LOG`: `.1` to `.3` hold the older entries.

    A link in its place is not followed, and a pipe not waited for: a repository can contain them.
    """

    def __init__(self, path: Path, limit: int = MAX_LOG) -> None:
        self._path = path
        self._name = os.fspath(path)
        self._limit = limit

    def append(self, data: bytes) -> None:
        """Add `data`, rotating first when it would not fit."""
        size = self._size()
        if size and size + len(data) > self._limit:
            self._rotate()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_LINK | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._name, flags, 0o666)
        with naming_file(self._name), FileIO(descriptor, "ab") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EEXIST, "not a regular file", str(self._path))
            append_whole(stream, data)

    def _size(self) -> int:
        """The bytes that are there; a file that is not gets its folder."""
        try:
            return os.stat(self._name).st_size
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return 0

    def _rotate(self) -> None:
        for number in range(_BACKUPS, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = (
                self._path
                if number == 1
                else self._path.with_name(f"{self._path.name}.{number - 1}")
            )
            if newer.exists():
                newer.replace(older)


def open_plain(path: Path) -> BinaryIO | None:
    """A regular file, opened to be read, or None; a link is not followed, a pipe not waited for.

    Raises:
        BusFileUnreadable: it is something else, or may not be read.
    """
    flags = os.O_RDONLY | _NO_LINK
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BusFileUnreadable(f"{path.name} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BusFileUnreadable(f"{path.name} is not a regular file")
    return BufferedReader(FileIO(descriptor, "rb"))


def read_plain(path: Path, limit: int) -> bytes | None:
    """The bytes of a regular file of at most `limit` bytes, or None; a link is not followed.

    Raises:
        BusFileUnreadable: it is something else, or longer.
    """
    stream = open_plain(path)
    if stream is None:
        return None
    with stream:
        size = os.fstat(stream.fileno()).st_size
        raw = stream.read(min(size, limit) + 1)
        if size < len(raw) <= limit:  # it grows meanwhile
            raw += stream.read(limit + 1 - len(raw))
    if len(raw) > limit:
        raise BusFileUnreadable(f"{path.name} is longer than {limit} bytes")
    return raw


def repository_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds `.git`, else `start`; asks no git."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return start


def loop_folder(root: Path, loop_dir: str) -> Path:
    """Where the loop's files are; a relative `loop_dir` counts from the repository's root."""
    return Path(os.path.normpath(root / (loop_dir or LOOP_DIR)))


def path_in_repository(folder: Path, root: Path) -> str | None:
    """The loop's folder relative to the repository's root, or None when it is outside."""
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else None
