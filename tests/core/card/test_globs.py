"""Patterns of cards mean what they mean to git, and take no longer than the path is long."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from loop_kit.core.card.globs import Patterns, match_rules
from loop_kit.core.card.scope import Change, Commit, ScopeRules, judge
from loop_kit.core.card.task import parse_card
from loop_kit.errors import BadCard

quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)
parts = st.lists(
    st.sampled_from(("a", "b", "ab", "*", "**", "?", "[ab]", "\\*", ".", " ", "/")),
    min_size=1,
    max_size=9,
)
names = st.text("ab.*", min_size=1, max_size=5)
paths = st.lists(names.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=5)


@quick
@given(parts, st.booleans(), st.lists(paths, min_size=1, max_size=8))
def test_a_pattern_matches_what_pathspec_says(
    pieces: list[str], negated: bool, found: list[list[str]]
) -> None:
    lines = ["*" * negated, "!" * negated + "".join(pieces)]
    files = ["/".join(each) for each in found]
    try:
        theirs = GitIgnoreSpec.from_lines(lines)
    except ValueError:
        with pytest.raises(ValueError, match="Invalid git pattern"):
            match_rules(lines)
        return
    expected = [theirs.match_file(file) for file in files]
    for ours in (match_rules(lines), Patterns(tuple(lines))):
        assert [ours.match_file(file) for file in files] == expected


def test_patterns_are_compiled_for_a_path_that_holds_a_word_of_one() -> None:
    no_pattern = Patterns(("src/[z-a]*", "docs/"))
    with pytest.raises(ValueError, match="Invalid git pattern"):
        no_pattern.match_file("a.py")
    late = Patterns(("docs/\\", "!a.py"))

    assert not late.match_file("a.py")
    with pytest.raises(ValueError, match="Invalid git pattern"):
        late.match_file("docs/a.py")


PATTERNS = (
    *("*a", "a*b*", "*[ab]*b", "a/**/b", "**/b", "a/**", "/a", "a/", "*/b/", "[!a]/b", "?b/*"),
    *("**/a*b/**/b", "a\\*", "a**b", "***", "/*/a"),
)
FILES = (
    *("a", "b", "ab", "aab", "a/b", "b/a", "a/a/b", "a/b/b", "b/b", "x/ab/y/b", "x/ab/b", "a*"),
    *("a\nb/a", "a\nb/ab/b", "xb/y", "x/a/y/z/b"),
)


def test_a_pattern_matches_what_git_says(tmp_path: Path) -> None:
    for command in (("init", "-q"), ("config", "core.excludesFile", "rules")):
        subprocess.run(("git", *command), cwd=tmp_path, check=True)
    for pattern in PATTERNS:
        (tmp_path / "rules").write_text(pattern)
        asked = "\0".join(FILES).encode()
        done = subprocess.run(
            ("git", "check-ignore", "--no-index", "-z", "--stdin"),
            cwd=tmp_path,
            input=asked,
            capture_output=True,
            check=False,
        )
        theirs = set(done.stdout.decode().split("\0")) - {""}
        assert {file for file in FILES if match_rules([pattern]).match_file(file)} == theirs, (
            pattern
        )


HOSTILE = (
    ("[a-z]*" * 30 + "Z", "a" * 4000),
    ("*a" * 200 + "b", "a" * 4000),
    ("**/a/" * 100 + "b", "a/" * 2000),
    ("**/*a*a/" * 50 + "b", "aaaa/" * 800),
    ("?*" * 100 + "/" + "*a" * 100 + "b", "a" * 2000 + "/" + "a" * 2000),
)


@pytest.mark.parametrize(("pattern", "path"), HOSTILE, ids=lambda text: text[:8])
def test_no_pattern_takes_longer_than_its_path_asks_for(pattern: str, path: str) -> None:
    rules = ScopeRules(out_of_scope=(pattern,), strict=True, in_scope=(pattern,))
    commits = [Commit(sha="1", changes=(Change(path=path),))]
    began = time.process_time()

    (found,) = judge(commits, rules)

    assert found.why == "is not in scope by the task card"
    assert time.process_time() - began < 5, "seconds of the processor; without a bound, years"


def test_a_folder_whose_name_holds_a_line_end_hides_nothing() -> None:
    rules = ScopeRules(out_of_scope=("*.lock",), protected=("AGENTS.md",))
    changes = (Change(path="a\nb/AGENTS.md"), Change(path="a\nb/c.lock"))

    found = judge([Commit(sha="1", changes=changes)], rules)

    assert [violation.kind for violation in found] == ["protected_path", "scope"]


@pytest.mark.parametrize("entry", ["src/[z-a]*", "src/\\"])
def test_an_entry_that_is_no_pattern_is_refused_with_the_card(entry: str) -> None:
    text = f'{{"task_id": "T-1", "goal": "g", "out_of_scope": [{entry!r}]}}'.replace("'", '"')
    with pytest.raises(BadCard, match="out_of_scope"):
        parse_card(text.encode(), "card.json")


def test_a_card_names_no_more_places_than_can_be_compared_with_every_path() -> None:
    many = ", ".join(['"a/*"'] * 501)
    with pytest.raises(BadCard, match="out_of_scope"):
        parse_card(f'{{"task_id": "T-1", "goal": "g", "out_of_scope": [{many}]}}'.encode(), "c")


def test_the_expression_has_no_part_that_is_tried_again() -> None:
    rules = match_rules(["a*b*c/**/d*e"])
    expression = rules.patterns[0].regex
    assert isinstance(expression, re.Pattern)
    assert "[^/]*[" not in expression.pattern
