"""Answers from an agent's own index whether it holds a commit's tree and nothing else.

Git notes in an index the tree that its entries make, and takes the note back with every entry that
changes. An index that holds something else says so, or git is asked; one that lies only hides from
its agent's commit what that agent has staged.
"""

from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain

_MAX_INDEX = 512 * 1024 * 1024
_TREE = b"TREE"
_RESOLVED = b"REUC"
"""The part of an index that lists the conflicts of which git was told that they are resolved."""


def index_content(index: Path) -> bytes:
    """The bytes of an index; none if it is no plain file."""
    try:
        return read_plain(index, _MAX_INDEX) or b""
    except (BusFileUnreadable, OSError):
        return b""


def has_resolved(content: bytes) -> bool:
    """Whether an index may list conflicts that its agent called resolved."""
    return _RESOLVED in content


def holds_tree(content: bytes, tree: str) -> bool:
    """Whether the entries of an index are certainly those of `tree`, and no conflict is noted."""
    if has_resolved(content):
        return False
    width = len(tree) // 2
    at = content.find(_TREE)
    while at >= 0:
        parts = _parts(content, at, len(content) - width)
        if parts is not None:
            return _root(parts[_TREE], width) == bytes.fromhex(tree)
        at = content.find(_TREE, at + 1)
    return False


def _parts(content: bytes, at: int, end: int) -> dict[bytes, bytes] | None:
    """The extensions of an index from `at` on, if they fill it up to `end`."""
    found: dict[bytes, bytes] = {}
    while at < end:
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "big")
        found[name] = content[at + 8 : at + 8 + size]
        at += 8 + size
    return found if at == end else None


def _root(cached: bytes, width: int) -> bytes | None:
    """The tree that the entries make; None if git does not know it."""
    name, _, rest = cached.partition(b"\0")
    counts, _, ids = rest.partition(b"\n")
    return None if name or counts.startswith(b"-") else ids[:width]
