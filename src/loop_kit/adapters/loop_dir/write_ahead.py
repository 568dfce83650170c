"""Makes the files of several transitions durable by one fsync: they are written to a log first.

The files themselves are then replaced without waiting for the disk: whoever reads them on this
machine sees them, and a process that is killed loses nothing. Only a power cut can lose them; then
the machine has been started again since the log was written, and what it holds is written again. A
file that was written since that start is left, for a person has changed it.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, chain, pairwise
from pathlib import Path

from loop_kit.adapters.files.append import append_whole
from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    read_plain,
    write_atomically,
)
from loop_kit.errors import naming_file
from loop_kit.frozen import frozen

Contents = Mapping[str, bytes | None]
"""Files relative to the loop's folder; None where there is to be none."""

NAME = "runtime/write_ahead"
MAX_LOG = 4 * 1024 * 1024
_TRANSITIONS = 16
"""So many transitions fit into the log, however large the state of a long loop is: each time that
it begins again all its files have to be waited for."""
_MAX_HEADER = 64 * 1024
_MAX_READ = 128 * 1024 * 1024
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@frozen
class Boot:
    """A start of this machine: a word that no other start has, and when it was, in Unix seconds."""

    name: str
    began: Callable[[], float]


def current_boot() -> Boot:
    """The last start of this machine."""
    try:
        return Boot(_BOOT.read_text("ascii").strip(), _boot_time)
    except OSError:
        return Boot(str(int(_boot_time())), _boot_time)


def _boot_time() -> float:
    import psutil

    return float(psutil.boot_time())


class WriteAhead:
    """The log of one loop's folder; call it under the loop's lock."""

    def __init__(
        self,
        folder: Path,
        boot: Callable[[], Boot] = current_boot,
        limit: int = MAX_LOG,
        transitions: int = _TRANSITIONS,
    ) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._find_boot = boot
        self._boot: Boot | None = None
        self._limit = limit
        self._transitions = transitions
        self._names: set[str] = set()
        self._recovered = False
        self._unsynced = False
        self._is_new = False

    def recover(self) -> None:
        """After a power cut: write again what the log holds; only the first call does anything."""
        if self._recovered:
            return
        self._recovered = True
        records = self._records()
        last = next(records, None)
        if last is None:
            self.discard()
        elif last.boot == self._current().name:
            self._names.update(last.files)
            for last in records:
                self._names.update(last.files)
            self._cut_at(last.end)
        else:
            self._restore_all(chain([last], records))
            self.discard()

    def _cut_at(self, end: int) -> None:
        """Take a torn record off; a log that ends there keeps its age, which `_restore` reads."""
        if self._path.stat().st_size > end:
            os.truncate(self._path, end)

    def append(self, files: Contents) -> None:
        """Log the new contents of `files`; `sync` makes them durable."""
        self.recover()
        record = _record(self._current().name, files)
        size = self._path.stat().st_size if self._path.exists() else 0
        needed = sum(map(len, record))
        if size + needed > max(self._limit, self._transitions * needed):
            self._begin_again()
        try:
            self._write(record)
        except OSError:
            if not size:
                raise
            self._begin_again()
            self._write(record)
        self._names.update(files)

    def _write(self, record: Iterable[bytes]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.is_symlink() or not self._path.is_file():  # a pipe would be waited for
            self.discard()
        self._is_new |= not self._path.exists()
        with naming_file(self._path), self._path.open("ab", buffering=0) as stream:
            append_whole(stream, *record)
        self._unsynced = True

    def _begin_again(self) -> None:
        """Make the files themselves durable, so that nothing is lost with the log."""
        self._settle()
        self.discard()

    def sync(self) -> None:
        """Make everything durable that was logged."""
        if self._unsynced:
            _sync_file(self._path)
            self._unsynced = False
        if self._is_new:
            _sync_folder(self._path.parent)
            self._is_new = False

    def discard(self) -> None:
        """Forget what was logged."""
        self._path.unlink(missing_ok=True)
        self._names.clear()

    def _settle(self) -> None:
        """Make the files themselves durable."""
        folders = set()
        for name in self._names:
            path = self._folder / name
            folders.add(path.parent)
            _sync_file(path)
        for folder in folders:
            _sync_folder(folder)

    def _restore_all(self, records: Iterable["_Record"]) -> None:
        latest: dict[str, bytes | None] = {}
        for record in records:
            latest.update(record.files)
        for name, content in latest.items():
            if self._is_inside(name):
                self._restore(self._folder / name, content)

    def _is_inside(self, name: str) -> bool:
        """Whether it is below the folder: whoever made the repository may have made the log."""
        parent = (self._folder / name).parent.resolve()
        return ".." not in Path(name).parts and parent.is_relative_to(self._folder.resolve())

    def _restore(self, path: Path, content: bytes | None) -> None:
        if path.is_symlink() or (path.exists() and path.stat().st_mtime > self._current().began()):
            return
        if content is None:
            path.unlink(missing_ok=True)
        elif not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)

    def _records(self) -> Iterator["_Record"]:
        """The whole records; one that a killed process has left torn ends them."""
        try:
            raw = read_plain(self._path, _MAX_READ) or b""
        except BusFileUnreadable:
            return
        record = _parse(raw, 0)
        while record is not None:
            yield record
            record = _parse(raw, record.end)

    def _current(self) -> Boot:
        if self._boot is None:
            self._boot = self._find_boot()
        return self._boot


@frozen
class _Record:
    """One transition's files, the boot that they were written in, and where the record ends."""

    boot: str
    files: Contents
    end: int


def _record(boot: str, files: Contents) -> list[bytes]:
    """A line that describes it, then its contents; two files with the same have it once."""
    contents: list[bytes] = []
    places: dict[str, int | None] = {}
    total = 0
    for name, raw in files.items():
        if raw is not None and raw not in contents:
            contents.append(raw)
            total = zlib.crc32(raw, total)
        places[name] = None if raw is None else contents.index(raw)
    sizes = [len(raw) for raw in contents]
    header = {"boot": boot, "sum": total, "sizes": sizes, "files": places}
    return [json.dumps(header).encode() + b"\n", *contents]


def _parse(raw: bytes, at: int) -> _Record | None:
    """The record that begins at `at`; None where there is no whole one."""
    end = raw.find(b"\n", at, at + _MAX_HEADER)
    try:
        header = json.loads(raw[at:end] if end >= 0 else b"")
        boot, total = str(header["boot"]), header["sum"]
        ends = list(accumulate((max(0, int(size)) for size in header["sizes"]), initial=end + 1))
        contents = [raw[begin:stop] for begin, stop in pairwise(ends)]
        files = {
            name: None if place is None else contents[int(place)]
            for name, place in header["files"].items()
        }
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None
    whole = ends[-1] <= len(raw) and zlib.crc32(raw[end + 1 : ends[-1]]) == total
    return _Record(boot, files, ends[-1]) if whole else None


def _sync_file(path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        with path.open("r+b") as stream:
            os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
