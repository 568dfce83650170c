"""What changed between two commits, file by file, with the lines that a review may point at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from tests.support.git_repository import BareRepository

Side = Literal["LEFT", "RIGHT"]


@dataclass(frozen=True)
class Anchor:
    """A place in a diff: its hunk, its offset in the file's patch, and the hunk up to there."""

    hunk: int
    position: int
    excerpt: str


@dataclass(frozen=True)
class FileChange:
    """One changed file; a binary one has no patch."""

    path: str
    previous_path: str | None
    status: str
    blob: str
    patch: str | None
    anchors: dict[tuple[str, int], Anchor] = field(default_factory=dict)

    @property
    def additions(self) -> int:
        return self._count("+")

    @property
    def deletions(self) -> int:
        return self._count("-")

    def _count(self, sign: str) -> int:
        return sum(line.startswith(sign) for line in (self.patch or "").split("\n"))


def diff(repository: BareRepository, base: str, head: str) -> list[FileChange]:
    """Return what `head` changed since it left `base`: GitHub's three-dot comparison."""
    start = repository.merge_base(base, head)
    if start is None:
        return []
    return list(_between(repository.path, start, head))


@lru_cache(maxsize=64)
def _between(path: Path, start: str, head: str) -> tuple[FileChange, ...]:
    """What changed between two commits, which is asked for several times and never changes."""
    options = ("--no-ext-diff", "--no-color", "-M", "--full-index", "--no-abbrev")
    text = BareRepository(path).git("diff", *options, "--raw", "-z", "--patch", start, head)
    raw, _, patches = text.partition("\0\0")
    sections = iter(re.split(r"^diff --git ", patches, flags=re.MULTILINE)[1:])
    changes = []
    for letter, blob, paths in _raw_entries(raw):
        # A file that became a link is shown as a deletion and a creation.
        section = "".join(next(sections) for _ in range(2 if letter == "T" else 1))
        changes.append(_file_change(letter, blob, paths, section))
    return tuple(changes)


def _raw_entries(raw: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the status letter, the new blob and the paths of each changed file."""
    fields = iter(raw.removesuffix("\0").split("\0") if raw else [])
    for head in fields:
        _, _, _, blob, status = head.split(" ")
        paths = [next(fields) for _ in range(2 if status[0] in "RC" else 1)]
        yield status[0], blob, paths


def _file_change(letter: str, blob: str, paths: list[str], section: str) -> FileChange:
    words = {"A": "added", "D": "removed", "R": "renamed", "C": "copied", "T": "changed"}
    start = re.search(r"^@@ ", section, flags=re.MULTILINE)
    patch = section[start.start() :].removesuffix("\n") if start else None
    previous = paths[0] if len(paths) == 2 else None
    status = words.get(letter, "modified")
    return FileChange(paths[-1], previous, status, blob, patch, dict(_anchors(patch or "")))


def _anchors(patch: str) -> Iterator[tuple[tuple[str, int], Anchor]]:
    hunk, old, new = -1, 0, 0
    shown: list[str] = []
    for position, line in enumerate(patch.split("\n")):
        header = re.match(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@", line)
        if header:
            hunk, old, new = hunk + 1, int(header[1]), int(header[2])
            shown = [line]
            continue
        if line.startswith("\\") or hunk < 0:
            continue
        shown.append(line)
        anchor = Anchor(hunk, position, "\n".join(shown))
        if not line.startswith("+"):
            yield ("LEFT", old), anchor
            old += 1
        if not line.startswith("-"):
            yield ("RIGHT", new), anchor
            new += 1


def follow_line(repository: BareRepository, path: str, line: int, old: str, new: str) -> int | None:
    """Return where a line of `path` went between two commits, or None when it was changed."""
    if old == new:
        return line
    text = repository.git("diff", "--no-ext-diff", "--no-color", "-U0", old, new, "--", path)
    if "\ndeleted file mode" in text:
        return None
    shift = 0
    for match in re.finditer(r"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@", text, re.MULTILINE):
        start, removed, added = int(match[1]), int(match[2] or 1), int(match[3] or 1)
        if removed and start <= line < start + removed:
            return None
        if start + removed <= line and (removed or start < line):
            shift += added - removed
    return line + shift
