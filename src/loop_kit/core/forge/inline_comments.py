"""Where in the diff a finding can be displayed: GitHub accepts comments only on lines of its diff.

The diff is parsed file by file, so that a file which cannot be parsed, or the one where a long diff
was cut, does not affect the others. A finding whose line is not on the right side of the diff stays
in the review's body.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise

from loop_kit.core.loop.findings import Finding
from loop_kit.frozen import frozen

MAX_COMMENTS = 50
_FILE = re.compile(r"^diff --git ", re.MULTILINE)


@frozen
class InlineComment:
    """A comment on `line` of `path` as it is after the change."""

    path: str
    line: int
    body: str


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


def positions(findings: Iterable[Finding], diff: str) -> Mapping[str, tuple[str, int]]:
    """Path and line of those `findings` whose line is in `diff`, by finding id."""
    asked = [(f.id, _normalize(f.file), f.line) for f in findings if f.file and f.line]
    visible = _visible_lines(diff, {path for _, path, _ in asked})
    found = [(id_, path, line) for id_, path, line in asked if line in visible.get(path, ())]
    return {id_: (path, line) for id_, path, line in found[:MAX_COMMENTS] if line}


def _normalize(path: str) -> str:
    return path.strip().removeprefix("./")


def _visible_lines(diff: str, paths: Collection[str]) -> dict[str, frozenset[int]]:
    """The line numbers, after the change, that the diff has of each of `paths`."""
    starts = [match.start() for match in _FILE.finditer(diff)]
    found: dict[str, frozenset[int]] = {}
    for start, end in pairwise([*starts, len(diff)]):
        part = diff[start:end]
        header = part.partition("\n@@ ")[0]
        if any(f" b/{path}\n" in f"{header}\n" for path in paths):
            found |= _parse_lines(part)
    return found


def _parse_lines(part: str) -> dict[str, frozenset[int]]:
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    try:
        patch = PatchSet.from_string(part)
    except (UnidiffParseError, ValueError):
        return {}
    return {
        file.path: frozenset(
            line.target_line_no for hunk in file for line in hunk if line.target_line_no
        )
        for file in patch
    }
