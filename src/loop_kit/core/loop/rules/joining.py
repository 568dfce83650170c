"""When a finding that is raised without an id is one that the ledger has already.

Reviewers forget ids and say the same thing in other words. Both texts are compared as sorted words,
so that the order of a sentence does not matter; `difflib` did as well at that as rapidfuzz on pairs
of restated and of different findings (20 of 24 told apart), and is one dependency less. What is
joined wrongly would be counted against the worker, what is not joined is only a finding more: so
findings that are far apart, in other files or about other numbers are never joined, and those that
name no file only when they have the same words.
"""

import re

from loop_kit.core.loop.rules.settings import Join
from loop_kit.frozen import frozen

_MAX_TEXT = 600


@frozen
class Place:
    """Where a finding is, and what it says."""

    file: str
    line: int | None
    text: str


class Likeness:
    """Compares findings with one; a late round has hundreds, of which few are near it."""

    def __init__(self, place: Place, settings: Join) -> None:
        import difflib

        self._place = place
        self._settings = settings
        self._words = _sorted_words(place.text)
        self._compared = difflib.SequenceMatcher(None, "", " ".join(self._words), autojunk=False)

    def of(self, file: str, line: int | None, text: str) -> float | None:
        """How alike another finding is, from 0 to 1; None when it is not the same one."""
        place = self._place
        if not self._settings.enabled or file != place.file:
            return None
        if line and place.line and abs(line - place.line) > self._settings.lines:
            return None
        words = _sorted_words(text)
        if not words or not self._words or _differ_in_numbers(words, self._words):
            return None
        if not file:
            return 1.0 if words == self._words else None
        return self._ratio(" ".join(words))

    def _ratio(self, text: str) -> float | None:
        """How alike the texts are; what they have at most in common is computed first."""
        enough, compared = self._settings.similarity, self._compared
        compared.set_seq1(text)
        if compared.real_quick_ratio() < enough or compared.quick_ratio() < enough:
            return None
        ratio = compared.ratio()
        return ratio if ratio >= enough else None


def _sorted_words(text: str) -> list[str]:
    return sorted(re.findall(r"\w+", text[:_MAX_TEXT].lower()))


def _differ_in_numbers(first: list[str], second: list[str]) -> bool:
    """Whether each has a number that the other has not: `month 13` is not `day 32`."""
    ours, theirs = ({word for word in words if word.isdecimal()} for words in (first, second))
    return bool(ours - theirs and theirs - ours)
