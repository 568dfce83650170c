"""Whether a fix takes back what the fix before it did: the diffs of both, compared line by line.

A line counts where its text says something: a bracket or an `else:` is in every diff. Lines that a
diff both removes and adds have moved, and count for nothing. To rewrite what the last fix added is
to improve it; only to remove it is to take it back.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

MAX_DIFF = 256 * 1024
"""How many bytes of diff are compared; of a longer one nothing is known."""
_MIN_CHARACTERS = 8
_FILE = re.compile(r"^diff --git ", re.MULTILINE)


@dataclass(slots=True)
class _Change:
    """The lines that a diff adds to one file, and how many times more than it removes them."""

    net: Counter[str] = field(default_factory=Counter)

    @property
    def added(self) -> set[str]:
        """Lines that there are more of."""
        return {text for text, count in self.net.items() if count > 0}

    @property
    def removed(self) -> set[str]:
        """Lines that there are fewer of."""
        return {text for text, count in self.net.items() if count < 0}


def restored_paths(last_fix: str, fix: str) -> tuple[str, ...]:
    """The files in which `fix` restores lines of before `last_fix`, or removes what that added."""
    before = _changes(last_fix)
    return tuple(
        path
        for path, change in _changes(fix).items()
        if path in before and _takes_back(before[path], change)
    )


def _takes_back(last: _Change, now: _Change) -> bool:
    restored = now.added & last.removed
    return bool(restored or (not now.added and now.removed & last.added))


def _changes(diff: str) -> dict[str, _Change]:
    """What a unified diff changes in each file; a file that cannot be parsed is left out."""
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    found: dict[str, _Change] = {}
    starts = [match.start() for match in _FILE.finditer(diff)]
    for start, end in pairwise([*starts, len(diff)]):
        try:
            patch = PatchSet.from_string(diff[start:end])
        except (UnidiffParseError, ValueError):
            continue
        for file in patch:
            change = found.setdefault(file.path, _Change())
            for line in (line for hunk in file for line in hunk):
                text = " ".join(line.value.split())
                if sum(map(str.isalnum, text)) >= _MIN_CHARACTERS:
                    change.net[text] += line.is_added - line.is_removed
    return found
