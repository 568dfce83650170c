"""Packs the few objects that a clone has of its own, without a program of git.

What an agent has committed are files of one object each, and the rest is borrowed. Whatever else
the clone holds, or however much it is, is left to git: then nothing is packed here. The pack is not
believed: whoever takes it lets git check each object, and that what they name is there.
"""

import os
import zlib
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from loop_kit.adapters.git.commit_pack import COMMIT, SHA256_LENGTH, entry_of, pack_of
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain

_TREE, _BLOB = 2, 3
_KINDS = {b"commit": COMMIT, b"tree": _TREE, b"blob": _BLOB}
_GITLINK = b"160000"
_MAX_OBJECTS = 200
_MAX_SIZE = 1024 * 1024


class _Object(NamedTuple):
    kind: int
    body: bytes


class _NotPlain(Exception):
    """What the clone has is for git to pack."""


def pack_own(objects: Path, commit: str, known: Collection[str]) -> bytes | None:
    """A pack of `commit` and of what it needs that is a file of its own below the folder `objects`.

    None where that is no small number of small files, or where a commit builds on one that is
    neither among them nor one of `known`.
    """
    try:
        names = _names(objects)
        found = _reachable(objects, commit, names, known)
    except (_NotPlain, OSError, ValueError, zlib.error):
        return None
    entries = [entry_of(one.kind, one.body) for one in found.values()]
    return pack_of(entries, is_sha256=len(commit) == SHA256_LENGTH)


def _names(objects: Path) -> frozenset[str]:
    """The ids of all objects that are files of their own.

    Raises:
        _NotPlain: there are packs, or many of them.
    """
    found: list[str] = []
    for folder in _listed(objects):
        if folder == "pack" and _listed(objects / folder):
            raise _NotPlain
        if len(folder) == 2:
            found += (folder + name for name in _listed(objects / folder))
        if len(found) > _MAX_OBJECTS:
            raise _NotPlain
    return frozenset(found)


def _listed(folder: Path) -> list[str]:
    """What is in a folder, as far as it counts here."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in islice(entries, _MAX_OBJECTS + 1)]


def _reachable(
    objects: Path, commit: str, names: Collection[str], known: Collection[str]
) -> Mapping[str, _Object]:
    """The objects below `commit` that are among `names`."""
    found: dict[str, _Object] = {}
    size, waiting = 0, [commit]
    if commit not in names:
        raise _NotPlain
    while waiting:
        oid = waiting.pop()
        if oid in found or oid not in names:
            continue
        one = found[oid] = _read(objects / oid[:2] / oid[2:], _MAX_SIZE - size)
        size += len(one.body)
        if one.kind == COMMIT:
            tree, parents = _links_of_commit(one.body)
            if not all(parent in names or parent in known for parent in parents):
                raise _NotPlain
            waiting += tree, *parents
        elif one.kind == _TREE:
            waiting += _links_of_tree(one.body, len(commit) // 2)
    return found


def _read(path: Path, limit: int) -> _Object:
    if limit < 0:
        raise _NotPlain
    try:
        raw = read_plain(path, limit)
    except BusFileUnreadable:
        raise _NotPlain from None
    stream = zlib.decompressobj()
    head, _, body = stream.decompress(raw or b"", limit + 32).partition(b"\0")
    kind, _, size = head.partition(b" ")
    if not stream.eof or kind not in _KINDS or size != b"%d" % len(body):
        raise _NotPlain
    return _Object(_KINDS[kind], body)


def _links_of_commit(body: bytes) -> tuple[str, list[str]]:
    """The tree and the parents."""
    lines = body.partition(b"\n\n")[0].split(b"\n")
    pairs = [line.decode("latin-1").partition(" ")[::2] for line in lines]
    (tree,) = [oid for name, oid in pairs if name == "tree"]
    return tree, [oid for name, oid in pairs if name == "parent"]


def _links_of_tree(raw: bytes, width: int) -> Iterator[str]:
    at = 0
    while at < len(raw):
        end = raw.index(b"\0", at)
        if not raw.startswith(_GITLINK, at):
            yield raw[end + 1 : end + 1 + width].hex()
        at = end + 1 + width
