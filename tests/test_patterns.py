"""A pattern that is compiled late is the pattern, and compiled when it is used."""

import re

import pytest

from loop_kit.patterns import late_pattern


def test_a_late_pattern_does_what_the_pattern_does() -> None:
    text, late = "a1 b2", late_pattern(r"(?P<letter>[A-Z])(\d)", re.IGNORECASE)
    at_once = re.compile(r"(?P<letter>[A-Z])(\d)", re.IGNORECASE)

    assert late.findall(text) == at_once.findall(text)
    assert late.sub(r"\2", text) == at_once.sub(r"\2", text)
    assert late.groupindex == at_once.groupindex
    assert [found.span() for found in late.finditer(text)] == [(0, 2), (3, 5)]
    assert late_pattern(rb"\d+").fullmatch(b"12")


def test_a_late_pattern_is_compiled_when_it_is_used() -> None:
    late = late_pattern("(")

    with pytest.raises(re.error):
        late.search("")
