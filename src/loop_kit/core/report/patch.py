"""A diff in blocks of lines of one kind, with each finding below the line that it is about."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from loop_kit.core.loop.findings import Finding
from loop_kit.core.report.colours import cut_line
from loop_kit.core.text.sanitize import visible
from loop_kit.frozen import frozen

Kind = Literal["file", "hunk", "added", "removed", "same", "finding"]
_HUNK = re.compile(r"@@ -\d{1,9}(?:,\d{1,9})? \+(\d{1,9})(?:,\d{1,9})? @@")
_KINDS: Mapping[str, Kind] = {"+": "added", "-": "removed"}


@frozen
class Block:
    """Lines of a diff, or a finding."""

    kind: Kind
    text: str = ""
    finding: Finding | None = None


@frozen
class AnnotatedPatch:
    """The blocks, and the ids of the findings that are among them."""

    blocks: Sequence[Block] = ()
    placed: frozenset[str] = frozenset()


def annotated(diff: str, findings: Sequence[Finding]) -> AnnotatedPatch:
    """The diff, which may be cut anywhere, with `findings` at their lines."""
    reader = _Reader(findings)
    for line in visible(diff).split("\n"):
        reader.read(line)
    return AnnotatedPatch(reader.blocks(), frozenset(reader.placed))


class _Reader:
    def __init__(self, findings: Sequence[Finding]) -> None:
        self._at: dict[tuple[str, int], list[Finding]] = defaultdict(list)
        for finding in findings:
            if finding.line is not None:
                self._at[finding.file.removeprefix("./"), finding.line].append(finding)
        self._blocks: list[tuple[Kind, list[str], Finding | None]] = []
        self._path = ""
        self._number = 0
        self._in_hunk = False
        self.placed: set[str] = set()

    def blocks(self) -> list[Block]:
        return [Block(kind, "\n".join(lines), found) for kind, lines, found in self._blocks]

    def read(self, line: str) -> None:
        hunk = _HUNK.match(line)
        if line.startswith("diff --git "):
            self._in_hunk = False
            self._add("file", _names(line.removeprefix("diff --git ")))
        elif hunk:
            self._in_hunk, self._number = True, int(hunk[1])
            self._add("hunk", line)
        elif not self._in_hunk:
            if line.startswith("+++ b/"):
                self._path = line.removeprefix("+++ b/").rstrip("\t")
            if line and not line.startswith(("index ", "--- ", "+++ ")):
                self._add("file", line)
        else:
            self._read_in_hunk(line)

    def _read_in_hunk(self, line: str) -> None:
        kind = _KINDS.get(line[:1], "same")
        self._add(kind, line)
        if kind == "removed" or line.startswith("\\"):
            return
        for finding in self._at.pop((self._path, self._number), ()):
            self._blocks.append(("finding", [], finding))
            self.placed.add(finding.id)
        self._number += 1

    def _add(self, kind: Kind, line: str) -> None:
        if not self._blocks or self._blocks[-1][0] != kind:
            self._blocks.append((kind, [], None))
        self._blocks[-1][1].append(cut_line(line))


def _names(header: str) -> str:
    """The name of a file in a diff's header, both where the file was renamed."""
    old, new = header[: len(header) // 2], header[len(header) // 2 + 1 :]
    return old[2:] if old[2:] == new[2:] else header
