"""No regular expression takes longer than the length of a text asks for, whoever wrote the text.

Measured is the processor's time of this process, so other work on the machine does not count: a
pattern whose time grows by the square of the text needs a minute where the bound is a second.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.patterns import Attack, Found, attacks, cpu_seconds, match_all, patterns_in

import loop_kit
from loop_kit.core.card.leftovers import _FILES, _FOLDERS, _named
from loop_kit.core.card.markdown import raw_html
from loop_kit.core.secrets.shapes import SHAPES
from loop_kit.core.text.own_paths import paths_below

ONCE = frozenset({"match"})
SOURCES = patterns_in(Path(loop_kit.__file__).parent, "loop_kit")
BUILT = [
    Found("loop_kit.core.card.markdown:raw_html", raw_html(), frozenset({"finditer"})),
    *(
        Found("loop_kit.core.secrets.shapes:SHAPES", re.compile(pattern, re.ASCII), ONCE)
        for pattern in sorted({shape.pattern for shape in SHAPES})
    ),
    Found("loop_kit.core.card.leftovers:_named", _named(_FOLDERS), ONCE),
    Found("loop_kit.core.card.leftovers:_named", _named(_FILES), ONCE),
    Found("loop_kit.core.text.own_paths:paths_below", paths_below("/w/1a/T-1"), frozenset({"sub"})),
]
"""Those that are put together when they are first used."""
SUSPECT = (10_000, 0.02)
LARGE = (100_000, 1.0)
"""So many characters, and so many seconds of the processor that a pattern may take for them."""


def takes_long(found: Found, method: str, attack: Attack, bound: tuple[int, float]) -> bool:
    size, seconds = bound
    text = attack.text(size)
    is_text = isinstance(found.pattern.pattern, str)
    subject = text if is_text else text.encode("latin-1", "replace")
    return cpu_seconds(lambda: match_all(found.pattern, method, subject), seconds) >= seconds


@pytest.mark.parametrize("found", [*SOURCES.found, *BUILT], ids=lambda found: found.place)
def test_time_grows_no_faster_than_the_text(found: Found) -> None:
    for attack in attacks(found.pattern):
        for method in sorted(found.methods):
            suspect = takes_long(found, method, attack, SUSPECT)
            slow = suspect and takes_long(found, method, attack, LARGE)
            assert not slow, (method, found.pattern.pattern, attack)


def test_every_pattern_is_known_when_its_module_is_loaded() -> None:
    """One that is put together in a function escapes the test above."""
    built = {found.place.partition(":")[0] for found in BUILT}
    assert {place.partition(":")[0] for place in SOURCES.unread} <= built
    assert len(SOURCES.found) > 100


@pytest.mark.parametrize("bad", [r"(a+)+$", r"\s*\n", r"[\w.-]+/[\w.-]+#", r".*a.*b", r"(?m)^\s*x"])
def test_the_test_finds_a_pattern_that_takes_long(bad: str) -> None:
    found = Found("", re.compile(bad), frozenset({"search"}))
    assert any(takes_long(found, "search", each, SUSPECT) for each in attacks(found.pattern))
