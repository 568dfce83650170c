"""Whether the objects of a repository are as they were, as their files show it.

git itself touches a file when it is asked to write an object that it has, and a clone links to it:
so one that was touched is read. Each holds a checksum: a pack and its index at their end, a single
object in its name.
"""

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain

_MAX_FILES = 2000
_MAX_READ = 64 * 1024 * 1024
_CHUNK = 1024 * 1024
_WITH_CHECKSUM = frozenset({".pack", ".idx", ".rev"})
_KINDS = (hashlib.sha1, hashlib.sha256)


class Stamp(NamedTuple):
    """What changes when a file is replaced or written to; `touched` also when it is linked to."""

    size: int
    touched: tuple[int, int]


ObjectFiles = Mapping[Path, Stamp]


def object_files(git_dir: Path) -> ObjectFiles:
    """The packs, and the first of the other files of objects."""
    folder = git_dir / "objects"
    folders = (folder / "pack", *(folder / f"{number:02x}" for number in range(256)))
    return dict(islice((row for each in folders for row in _rows(each)), _MAX_FILES))


def are_damaged(before: ObjectFiles, git_dir: Path) -> bool:
    """Whether one of those that were there is gone, or holds something else."""
    now = object_files(git_dir)
    return any(_is_damaged(path, stamp, now.get(path)) for path, stamp in before.items())


def _is_damaged(path: Path, before: Stamp, now: Stamp | None) -> bool:
    """Whether it changed; of what is too long to be read the length counts."""
    if now is None or now.size != before.size:
        return True
    return now != before and now.size <= _MAX_READ and not _is_intact(path)


def _rows(folder: Path) -> Iterator[tuple[Path, Stamp]]:
    try:
        entries = os.scandir(folder)
    except OSError:
        return
    with entries:
        for entry in entries:
            about = entry.stat(follow_symlinks=False)
            yield Path(entry.path), Stamp(about.st_size, (about.st_ino, about.st_ctime_ns))


def _is_intact(path: Path) -> bool:
    try:
        content = read_plain(path, _MAX_READ)
    except BusFileUnreadable:
        return False
    if content is None:
        return False
    if path.parent.name != "pack":
        return _is_object(content, path.parent.name + path.name)
    if path.suffix not in _WITH_CHECKSUM:
        return True
    sizes = ((kind, kind().digest_size) for kind in _KINDS)
    return any(kind(content[:-size]).digest() == content[-size:] for kind, size in sizes)


def _is_object(content: bytes, name: str) -> bool:
    """Whether a compressed file is the object of that name; one of extreme size is none."""
    sums, unpacked = [kind() for kind in _KINDS], zlib.decompressobj()
    total = 0
    try:
        while content and total <= _MAX_READ:
            chunk = unpacked.decompress(content, _CHUNK)
            content, total = unpacked.unconsumed_tail, total + len(chunk)
            for each in sums:
                each.update(chunk)
    except zlib.error:
        return False
    return any(each.hexdigest() == name for each in sums)
