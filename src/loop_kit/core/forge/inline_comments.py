"""Where in the diff a finding can be displayed: GitHub accepts comments only on lines of its diff.

The diff is parsed file by file, so that a file which cannot be parsed, or the one where a long diff
was cut, does not affect the others. Of a file that is deleted the diff has the lines before it. A
finding whose line the diff has not stays in the review's body.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from loop_kit.core.loop.findings import Finding
from loop_kit.frozen import frozen

if TYPE_CHECKING:
    from unidiff.patch import PatchedFile

MAX_COMMENTS = 50
_FILE = re.compile(r"^diff --git ", re.MULTILINE)

Side = Literal["LEFT", "RIGHT"]


class _Lines(NamedTuple):
    lines: frozenset[int]
    side: Side


@frozen
class InlineComment:
    """A comment on `line` of `path` after the change, or on the left before it."""

    path: str
    line: int
    body: str
    side: Side = "RIGHT"


class Position(NamedTuple):
    """A line of the diff: of the file after the change, or of one that is deleted."""

    path: str
    line: int
    side: Side = "RIGHT"


@frozen
class ReviewPost:
    """One review: its body, its comments, and the body to post where comments are not accepted."""

    body: str
    comments: tuple[InlineComment, ...] = ()
    plain: str = ""

    @property
    def whole(self) -> str:
        """The complete body, without inline comments."""
        return self.plain or self.body


def positions(findings: Iterable[Finding], diff: str) -> Mapping[str, Position]:
    """Where in `diff` those `findings` are whose line it has, by finding id."""
    asked = [(f.id, _normalize(f.file), f.line) for f in findings if f.file and f.line]
    visible = _visible_lines(diff, {path for _, path, _ in asked})
    found = {
        id_: Position(path, line, visible[path].side)
        for id_, path, line in asked
        if line and path in visible and line in visible[path].lines
    }
    return dict(islice(found.items(), MAX_COMMENTS))


def _normalize(path: str) -> str:
    return path.strip().removeprefix("./")


def _visible_lines(diff: str, paths: Collection[str]) -> dict[str, _Lines]:
    """The line numbers that the diff has of each of `paths`."""
    starts = [match.start() for match in _FILE.finditer(diff)]
    found: dict[str, _Lines] = {}
    for start, end in pairwise([*starts, len(diff)]):
        part = diff[start:end]
        header = part.partition("\n@@ ")[0]
        if any(f" b/{path}\n" in f"{header}\n" for path in paths):
            found |= _parse_lines(part)
    return found


def _parse_lines(part: str) -> dict[str, _Lines]:
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    try:
        patch = PatchSet.from_string(part)
    except (UnidiffParseError, ValueError):
        return {}
    return {file.path: _lines(file) for file in patch}


def _lines(file: "PatchedFile") -> _Lines:
    lines = [line for hunk in file for line in hunk]
    if file.is_removed_file:
        return _Lines(frozenset(n for line in lines if (n := line.source_line_no)), "LEFT")
    return _Lines(frozenset(n for line in lines if (n := line.target_line_no)), "RIGHT")
