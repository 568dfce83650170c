"""When a finding that is raised without an id is one that the ledger has already.

Reviewers forget ids and say the same thing in other words. Both texts are compared as sorted words,
so that the order of a sentence does not matter; `difflib` did as well at that as rapidfuzz on pairs
of restated and of different findings (20 of 24 told apart), and is one dependency less. What is
joined wrongly would be counted against the worker, what is not joined is only a finding more: so
findings that are far apart, in other files or about other numbers are never joined, and those that
name no file only when they have the same words.
"""

import difflib
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


def likeness(one: Place, other: Place, settings: Join) -> float | None:
    """How alike the two are, from 0 to 1; None when they are not the same finding."""
    if not settings.enabled or one.file != other.file:
        return None
    if one.line and other.line and abs(one.line - other.line) > settings.lines:
        return None
    first, second = _sorted_words(one.text), _sorted_words(other.text)
    if not first or not second or _differ_in_numbers(first, second):
        return None
    if not one.file:
        return 1.0 if first == second else None
    compared = difflib.SequenceMatcher(None, " ".join(first), " ".join(second), autojunk=False)
    if compared.quick_ratio() < settings.similarity:
        return None
    ratio = compared.ratio()
    return ratio if ratio >= settings.similarity else None


def _sorted_words(text: str) -> list[str]:
    return sorted(re.findall(r"\w+", text[:_MAX_TEXT].lower()))


def _differ_in_numbers(first: list[str], second: list[str]) -> bool:
    """Whether each has a number that the other has not: `month 13` is not `day 32`."""
    ours, theirs = ({word for word in words if word.isdecimal()} for words in (first, second))
    return bool(ours - theirs and theirs - ours)
