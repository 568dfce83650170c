"""Writes commits as one pack and its index (gitformat-pack(5)): two files for all of them."""

import hashlib
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

COMMIT = 1
"""How a pack names the kind of an object."""
SHA256_LENGTH = 64
"""Of an id in hexadecimal digits."""
_PACK = struct.Struct(">4sII")
_MORE = 0x80


class CommitPack:
    """Commits for one repository, whose ids are of SHA-1 or SHA-256."""

    def __init__(self, *, is_sha256: bool) -> None:
        self._is_sha256 = is_sha256
        self._commits: dict[bytes, bytes] = {}

    def add(self, body: bytes) -> str:
        """Add the commit with this content; its id."""
        oid = self._digest(b"commit %d\0" % len(body) + body)
        self._commits[oid] = body
        return oid.hex()

    def write(self, objects: Path) -> None:
        """Write what was added below a folder of objects."""
        entries = [entry_of(COMMIT, body) for body in self._commits.values()]
        places: dict[bytes, tuple[int, int]] = {}
        at = _PACK.size
        for oid, entry in zip(self._commits, entries, strict=True):
            places[oid] = zlib.crc32(entry), at
            at += len(entry)
        pack = pack_of(entries, is_sha256=self._is_sha256)
        checksum = pack[at:]
        index = _index(places) + checksum
        name = objects / "pack" / f"pack-{checksum.hex()}"
        name.parent.mkdir(exist_ok=True)
        name.with_suffix(".pack").write_bytes(pack)
        name.with_suffix(".idx").write_bytes(index + self._digest(index))

    def _digest(self, data: bytes) -> bytes:
        return _digest(data, is_sha256=self._is_sha256)


def pack_of(entries: Sequence[bytes], *, is_sha256: bool) -> bytes:
    """A pack with these entries."""
    content = _PACK.pack(b"PACK", 2, len(entries)) + b"".join(entries)
    return content + _digest(content, is_sha256=is_sha256)


def entry_of(kind: int, body: bytes) -> bytes:
    """The entry of an object in a pack."""
    return _header(kind, len(body)) + zlib.compress(body, 1)


def _digest(data: bytes, *, is_sha256: bool) -> bytes:
    kind = hashlib.sha256 if is_sha256 else hashlib.sha1
    return kind(data, usedforsecurity=False).digest()


def _header(kind: int, size: int) -> bytes:
    """The kind and the size of an entry: four bits, then seven in each byte."""
    byte, size = kind << 4 | size & 0xF, size >> 4
    found = bytearray()
    while size:
        found.append(byte | _MORE)
        byte, size = size & 0x7F, size >> 7
    return bytes([*found, byte])


def _index(places: dict[bytes, tuple[int, int]]) -> bytes:
    """The index without its checksums: counts by first byte, then ids, sums and places in order."""
    oids = sorted(places)
    counts, seen = [], 0
    for first in range(256):
        while seen < len(oids) and oids[seen][0] == first:
            seen += 1
        counts.append(seen)
    sums, offsets = zip(*(places[oid] for oid in oids), strict=True)
    numbers = struct.pack(f">{2 * len(oids)}I", *sums, *offsets)
    return b"\xfftOc" + struct.pack(">257I", 2, *counts) + b"".join(oids) + numbers
