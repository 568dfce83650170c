"""Ways in which a file can be unusable, and what a terminal must never be sent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.cli.harness import Result

GOOD = b'{"task_id": "T-001", "round": 1, "goal": "g", "head_sha": "x", "decision": "approve"}'
MEGABYTE = 1024 * 1024
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x1b[2J\x9b2Jafter\u202eend\x00"
"""Sets the title, the colour, clears the screen twice, and turns the reading direction."""

Damage = Callable[[Path, bytes], object]


def _link(path: Path, good: bytes) -> None:
    (path.parent / "elsewhere").write_bytes(good)
    path.symlink_to("elsewhere")


def _folder(path: Path, good: bytes) -> None:
    path.mkdir()
    (path / "inside").write_bytes(good)


def _sparse(path: Path, good: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(good)
        stream.truncate(60 * MEGABYTE)


CONTENT: Mapping[str, Damage] = MappingProxyType(
    {
        "truncated": lambda path, good: path.write_bytes(good[: len(good) // 2]),
        "empty": lambda path, _: path.write_bytes(b""),
        "a list": lambda path, _: path.write_bytes(b"[1]"),
        "Latin-1": lambda path, _: path.write_bytes('{"task_id": "Größe"}'.encode("latin-1")),
        "UTF-16": lambda path, good: path.write_bytes(good.decode().encode("utf-16")),
        "NUL": lambda path, good: path.write_bytes(good + b"\x00\x00"),
        "deeply nested": lambda path, _: path.write_bytes(b"[" * 50_000),
        "60 MB": _sparse,
    }
)
"""Regular files that are not what they should be."""

PLACES: Mapping[str, Damage] = MappingProxyType(
    {
        "a dangling link": lambda path, _: path.symlink_to("nowhere"),
        "a link to itself": lambda path, _: path.symlink_to(path.name),
        "a folder": _folder,
        "a pipe": lambda path, _: os.mkfifo(path),
    }
)
"""What is no regular file."""

FEW = ("truncated", "NUL", "60 MB", "a folder", "a link to itself")
"""One of each sort, where the same code has met all of them elsewhere."""

LINK: Mapping[str, Damage] = MappingProxyType({"a link": _link})
EVERY: Mapping[str, Damage] = MappingProxyType({**CONTENT, **PLACES, **LINK})


def damage(path: Path, kind: str) -> bytes:
    """Damage the file at `path` and return what was in it."""
    good = path.read_bytes() if path.is_file() else GOOD
    clear(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    EVERY[kind](path, good)
    return good


def clear(path: Path) -> None:
    """Remove whatever is at `path`."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def repair(path: Path, good: bytes) -> None:
    """Put the good bytes back."""
    clear(path)
    path.write_bytes(good)


def unprintable(text: str) -> set[str]:
    """The characters in `text` that do something to a terminal instead of being shown."""
    return {c for c in text if not c.isprintable() and c not in "\n\t"}


def assert_tidy(result: Result) -> None:
    """No traceback, and nothing that a terminal acts on."""
    assert "Traceback" not in result.text, result.text
    assert unprintable(result.text) == set(), result.text
