"""Gives an index that git has written other entries, without a look at those that stay.

Git takes apart the whole index, and writes it again, for each entry that changes. Here an entry is
searched for in its bytes, and the trees that git notes at the end are brought up to date from the
objects. That is only for an index that git wrote for us and nobody else has touched. What is not
plain is left to git: entries in more than one stage, other extensions and versions, an entry that
is found twice, and more folders than a round changes.
"""

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping

from loop_kit.adapters.git.history import TREE, NotPlain
from loop_kit.adapters.git.trees import Trees
from loop_kit.frozen import frozen

_BEGIN = b"DIRC\0\0\0\2"
_HEADER = 12
_STAT = struct.Struct(">10I")
_MODE_AT = 24
_MODES = {"100644": 0x81A4, "100755": 0x81ED, "120000": 0xA000, "160000": 0xE000}
_LONG = 0xFFF
_SHA1_WIDTH = 20
_EXTENSION = b"TREE"
_MAX_DEPTH = 200
_SECOND = 1_000_000_000
_WORD = 0xFFFFFFFF


@frozen
class Entry:
    """What a path is: its mode and object as a tree names them, and its file."""

    mode: str
    oid: str
    about: os.stat_result


class _Node:
    """A folder of which an index notes the tree, and how many entries are below it."""

    def __init__(self, oid: bytes = b"") -> None:
        self.oid = oid
        self.count = -1
        self.children: dict[bytes, _Node] = {}


class IndexFile:
    """The bytes of an index whose objects have ids of `width` bytes."""

    def __init__(self, content: bytes, width: int) -> None:
        """Take an index apart at its end.

        Raises:
            NotPlain: it is not as git writes one where nothing is special.
        """
        end = len(content) - width
        at = _extension(content, end)
        if at is None or content[:8] != _BEGIN:
            raise NotPlain
        self._width = width
        self._count = int.from_bytes(content[8:_HEADER], "big")
        try:
            self._root, _ = _read_node(content[at + 8 : end], 0, width, 0)
        except ValueError:
            raise NotPlain from None
        self._entries = bytearray(content[_HEADER:at])

    def change(self, changes: Mapping[str, Entry | None], trees: Trees, tree: str) -> bytes:
        """The bytes of an index with other entries, or without, which then are those of `tree`.

        Raises:
            NotPlain: git has to be asked.
        """
        for path in sorted(changes, key=_raw):
            entry = changes[path]
            span = self._find(path)
            if entry is None:
                if span is not None:
                    del self._entries[span[0] : span[1]]
                    self._count -= 1
            elif span is not None:
                self._entries[span[0] : span[1]] = self._encoded(path, entry)
            else:
                at = self._after(_last_before(trees, tree, path))
                self._entries[at:at] = self._encoded(path, entry)
                self._count += 1
        _update(self._root, tree, trees)
        if self._root.count != self._count:
            raise NotPlain
        noted = b"".join(_written(self._root, b""))
        count, length = (n.to_bytes(4, "big") for n in (self._count, len(noted)))
        whole = b"".join((_BEGIN, count, self._entries, _EXTENSION, length, noted))
        kind = hashlib.sha1 if self._width == _SHA1_WIDTH else hashlib.sha256
        return whole + kind(whole, usedforsecurity=False).digest()

    def _after(self, path: str | None) -> int:
        """Where the entry of this path ends."""
        if path is None:
            return 0
        span = self._find(path)
        if span is None:
            raise NotPlain
        return span[1]

    def _find(self, path: str) -> tuple[int, int] | None:
        """Where the one entry of a path begins and ends.

        An entry begins at a multiple of eight bytes. Other bytes could look like one, but the one
        that is searched for is found, too.
        """
        name = _raw(path)
        wanted = _flags(name) + name + b"\0"
        before = _STAT.size + self._width
        found = []
        at = self._entries.find(wanted)
        while at >= 0:
            begin = at - before
            if begin >= 0 and not begin % 8:
                mode = self._entries[begin + _MODE_AT : begin + _MODE_AT + 4]
                if int.from_bytes(mode, "big") in _MODES.values():
                    found.append((begin, begin + _size(before, name)))
            at = self._entries.find(wanted, at + 1)
        if len(found) > 1:
            raise NotPlain
        return found[0] if found else None

    def _encoded(self, path: str, entry: Entry) -> bytes:
        name, about = _raw(path), entry.about
        if entry.mode not in _MODES:
            raise NotPlain
        times = (*divmod(about.st_ctime_ns, _SECOND), *divmod(about.st_mtime_ns, _SECOND))
        place = (about.st_dev, about.st_ino, _MODES[entry.mode])
        numbers = (*times, *place, about.st_uid, about.st_gid, about.st_size)
        begin = _STAT.pack(*(number & _WORD for number in numbers)) + bytes.fromhex(entry.oid)
        return (begin + _flags(name) + name).ljust(_size(len(begin), name), b"\0")


def _last_before(trees: Trees, tree: str, path: str) -> str | None:
    """The path that comes before this one of a tree in git's order."""
    *folders, name = path.split("/")
    chain = [tree]
    for folder in folders:
        entry = trees.read(chain[-1]).get(folder)
        if entry is None or entry.mode != TREE:
            raise NotPlain
        chain.append(entry.oid)
    keys = (*(f"{folder}/" for folder in folders), name)
    for depth in range(len(folders), -1, -1):
        limit = _raw(keys[depth])
        earlier = (key for key in _keys(trees, chain[depth]) if key < limit)
        for key in sorted(earlier, reverse=True):
            found = _last(trees, chain[depth], key)
            if found is not None:
                return "".join(keys[:depth]) + found
    return None


def _keys(trees: Trees, oid: str) -> Iterator[bytes]:
    for name, entry in trees.read(oid).items():
        yield _raw(f"{name}/" if entry.mode == TREE else name)


def _last(trees: Trees, oid: str, key: bytes) -> str | None:
    """The last path in or at one entry of a tree; None if that is an empty folder."""
    name = key.decode("utf-8", "surrogateescape")
    if not name.endswith("/"):
        return name
    inside = trees.read(oid)[name[:-1]].oid
    for inner in sorted(_keys(trees, inside), reverse=True):
        found = _last(trees, inside, inner)
        if found is not None:
            return name + found
    return None


def _extension(content: bytes, end: int) -> int | None:
    """Where the trees begin, if an index notes nothing else after its entries.

    None also where another name in it looks like that.
    """
    found = []
    at = content.find(_EXTENSION, _HEADER)
    while at >= 0:
        if at + 8 + int.from_bytes(content[at + 4 : at + 8], "big") == end:
            found.append(at)
        at = content.find(_EXTENSION, at + 1)
    return found[0] if len(found) == 1 else None


def _read_node(noted: bytes, at: int, width: int, depth: int) -> tuple[_Node, int]:
    """The node that begins at `at`, and where the next one does."""
    end = noted.find(b"\n", noted.find(b"\0", at))
    count, _, inner = noted[noted.find(b"\0", at) + 1 : end].partition(b" ")
    if end < 0 or depth > _MAX_DEPTH:
        raise NotPlain
    node, at = _Node(), end + 1
    node.count = int(count)
    if node.count >= 0:
        node.oid = noted[at : at + width]
        at += width
    for _ in range(int(inner)):
        name = noted[at : noted.find(b"\0", at)]
        node.children[name], at = _read_node(noted, at, width, depth + 1)
    return node, at


def _update(node: _Node, tree: str, trees: Trees) -> None:
    """Let a node note the tree of this id."""
    oid = bytes.fromhex(tree)
    if node.count >= 0 and node.oid == oid:
        return
    entries = trees.read(tree)
    inner = {_raw(name): entry.oid for name, entry in entries.items() if entry.mode == TREE}
    node.children = {name: node.children.get(name) or _Node() for name in inner}
    for name, child in node.children.items():
        _update(child, inner[name], trees)
    node.oid = oid
    own = len(entries) - len(inner)
    node.count = own + sum(child.count for child in node.children.values())


def _written(node: _Node, name: bytes) -> Iterator[bytes]:
    yield b"%s\0%d %d\n%s" % (name, node.count, len(node.children), node.oid)
    for inner, child in node.children.items():
        yield from _written(child, inner)


def _size(before: int, name: bytes) -> int:
    """Bytes of an entry: at least one zero after its name, and a multiple of eight."""
    return (before + 2 + len(name) + 8) & ~7


def _flags(name: bytes) -> bytes:
    return min(len(name), _LONG).to_bytes(2, "big")


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
