"""Whether a fix takes back what the fix before it did: both compared line by line, file by file.

A line counts where its text says something: a bracket or an `else:` is in every change. Only how
often a file has a line is compared, so what moved inside it counts for nothing. To rewrite what the
last fix added is to improve it; only to remove it is to take it back.
"""

from collections import Counter
from typing import NamedTuple

MAX_FILES = 20
MAX_BYTES = 1024 * 1024
"""How many files are compared, of those that both fixes change, and how large each may be."""
_MIN_CHARACTERS = 8


class Versions(NamedTuple):
    """A file before and after a fix; empty where there is none."""

    before: bytes
    after: bytes


def takes_back(last_fix: Versions, fix: Versions) -> bool:
    """Whether `fix` restores lines of a file that `last_fix` removed, or removes what it added."""
    removed_then, added_then = _changed(last_fix)
    removed, added = _changed(fix)
    return bool(added & removed_then or (not added and removed & added_then))


def takes_back_again(before_last: Versions, last_fix: Versions, fix: Versions) -> bool:
    """Whether most lines that `fix` changes in a file are changed to and fro by all three."""
    (gone1, new1), (gone2, new2), (gone3, new3) = map(_changed, (before_last, last_fix, fix))
    same = (gone1 & new2 & gone3) | (new1 & gone2 & new3)
    return 2 * len(same) > len(gone3 | new3)


def _changed(versions: Versions) -> tuple[set[str], set[str]]:
    """The lines that there are fewer of, and those that there are more of.

    Only those that say something count, white space aside. What both versions have as often adds
    nothing to any count, so it is not looked at.
    """
    before, after = (Counter(raw.decode("utf-8", "replace").splitlines()) for raw in versions)
    more: Counter[str] = Counter()
    for line in {line for line, _ in before.items() ^ after.items()}:
        if sum(map(str.isalnum, line)) >= _MIN_CHARACTERS:
            more[" ".join(line.split())] += after[line] - before[line]
    fewer = {text for text, count in more.items() if count < 0}
    return fewer, {text for text, count in more.items() if count > 0}
