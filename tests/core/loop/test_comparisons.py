"""What is compared fast comes to what plain comparing comes to."""

from __future__ import annotations

import difflib
import re
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from loop_kit.core.loop.restored import Versions, takes_back
from loop_kit.core.loop.rules.joining import Likeness, Place
from loop_kit.core.loop.rules.settings import Join

WORDS = ("the", "sum", "Sum", "is", "wrong", "for", "an", "empty", "list", "day", "13", "14", "!")
texts = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)
places = st.builds(
    Place, st.sampled_from(("", "a.py", "b.py")), st.none() | st.integers(0, 20), texts
)
joins = st.builds(
    Join,
    enabled=st.booleans(),
    lines=st.sampled_from((0, 3, 10)),
    similarity=st.sampled_from((0.3, 0.72, 1.0)),
)


def plain_likeness(one: Place, other: Place, join: Join) -> float | None:
    if not join.enabled or one.file != other.file:
        return None
    if one.line and other.line and abs(one.line - other.line) > join.lines:
        return None
    first, second = (sorted(re.findall(r"\w+", place.text.lower())) for place in (one, other))
    ours, theirs = ({word for word in words if word.isdecimal()} for words in (first, second))
    if not first or not second or (ours - theirs and theirs - ours):
        return None
    if not one.file:
        return 1.0 if first == second else None
    pair = difflib.SequenceMatcher(None, " ".join(first), " ".join(second), autojunk=False)
    return pair.ratio() if pair.ratio() >= join.similarity else None


@settings(max_examples=60, deadline=None)
@given(st.lists(places, max_size=5), places, joins)
def test_each_finding_is_as_alike_as_if_it_were_the_only_one(
    findings: list[Place], raised: Place, join: Join
) -> None:
    likeness = Likeness(raised, join)
    found = [likeness.of(one.file, one.line, one.text) for one in findings]
    assert found == [plain_likeness(one, raised, join) for one in findings]


LINES = ("    return total", "return total", "return  total\t", "else:", "raise ValueError", "")
versions = st.lists(st.sampled_from(LINES), max_size=6).map(lambda lines: "\n".join(lines).encode())


def plain_changes(before: bytes, after: bytes) -> tuple[set[str], set[str]]:
    old, new = (
        Counter(" ".join(line.split()) for line in content.decode().splitlines())
        for content in (before, after)
    )
    fewer, more = (
        {text for text in counts if sum(map(str.isalnum, text)) >= 8}
        for counts in (old - new, new - old)
    )
    return fewer, more


@settings(max_examples=60, deadline=None)
@given(versions, versions, versions)
def test_a_fix_takes_back_what_counting_every_line_says(
    first: bytes, second: bytes, third: bytes
) -> None:
    (gone, new), (gone_now, new_now) = plain_changes(first, second), plain_changes(second, third)
    expected = bool(new_now & gone or (not new_now and gone_now & new))
    assert takes_back(Versions(first, second), Versions(second, third)) == expected
