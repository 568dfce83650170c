"""Messages of commits and titles describe what was done, and do nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop_kit.core.text.plain_words import (
    MAX_MESSAGE,
    MAX_SUBJECT,
    commit_message,
    squashed,
    title,
)

ACTS = re.compile(
    r"@[A-Za-z0-9]|#\w|\bGH-\d|(?<!\w)!\d"
    r"|(?:https?:|www\.)\S*/(?:issues|pull|commit|discussions)/"
    r"|\[[^\]\n]*skip[^\]\n]*\]|\[no[ -]ci\]|\*{3}NO_CI\*{3}"
    r"|^\s*(?:signed-off|co-authored|reviewed|acked|helped)-by\s*:|^\s*(?:skip-checks|change-id):",
    re.IGNORECASE | re.MULTILINE,
)
"""What forges, their CI and their bots act on."""

HOSTILE = [
    "fixes #1",
    "Closes: octo/demo#12, GH-3 and AB#4",
    "PROJ-1 #close #time 2h",
    "closes !7",
    "resolves https://github.com/octo/demo/issues/7#issuecomment-1",
    "see HTTPS://github.example/o/r/pull/7 and www.github.com/o/r/commit/0123abc",
    "[skip ci] [ci skip] [no ci] [skip actions] [actions skip] [azurepipelines skip] [ci-skip]",
    "***NO_CI***",
    "[[skip ci]]",
    "thanks @octocat and @octo/team",
    "thanks @\u200boctocat, fixes #\u200b1, [ski\u200bp ci]",
    "Change\n\nSigned-off-by: Mona <mona@example.com>",
    "Change\n\n  signed-off-by : Mona <mona@example.com>\nCo-Authored-By: Hubot <h@example.com>",
    "Change\u2028Signed-off-by: Mona <mona@example.com>",
    "Change\rSigned-off-by: Mona <mona@example.com>",
    "Change\n\nskip-checks: true\nChange-Id: I0123\nReviewed-by: Mona <m@example.com>",
]
PIECES = [
    *HOSTILE,
    "[",
    "]",
    "@",
    "#",
    "1",
    "a",
    "-by:",
    "\n",
    "\n\n",
    " ",
    "skip",
    "GH-",
    "!",
    "*",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_message_of_a_commit_and_a_title_do_nothing(text: str) -> None:
    assert ACTS.search(text.replace("\u200b", "").replace("\u2028", "\n").replace("\r", "\n"))
    for words in (commit_message(text), title(text)):
        assert not ACTS.search(words), words


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=12).map("".join))
def test_no_mixture_of_words_acts_and_none_is_changed_twice(text: str) -> None:
    message = commit_message(text)
    assert not ACTS.search(message), message
    assert commit_message(message) == message
    line = title(text)
    assert not ACTS.search(line)
    assert title(line) == line


@pytest.mark.parametrize(
    "text",
    [
        "Add the missing check\n",
        "feat(core)!: round half to even (see docs/rounding.md)\n\n- one\n- two: three\n",
        "Größe: 日本語, a[0] = 1; 5 * 3; x != 1; C# and F#; https://docs.python.org/3/\n",
        'Revert "Speed it up"\n\nThis reverts commit 0123456789abcdef.\n',
    ],
)
def test_a_message_that_only_describes_stays_to_the_byte(text: str) -> None:
    assert commit_message(text) == text


def test_a_message_is_bounded() -> None:
    long = commit_message(f"{'s' * 500}\n\n{'word ' * 100_000}")
    assert len(long) <= MAX_MESSAGE + 1
    assert len(long.partition("\n")[0]) == MAX_SUBJECT
    assert commit_message(long) == long


@pytest.mark.parametrize("text", ["", " \n\n", "\u200b", "Signed-off-by: Mona <m@example.com>"])
def test_a_message_of_which_nothing_is_left_has_one_still(text: str) -> None:
    assert commit_message(text) == "(no message)\n"


def test_a_title_signs_nothing_where_it_becomes_a_subject() -> None:
    assert title("Signed-off-by: Cc: the result") == "the result"
    assert title("Signed-off-by:") == "(no title)"


def test_a_post_that_becomes_the_message_of_a_commit_signs_and_switches_nothing() -> None:
    text = squashed("A [link](u) [skip ci]\n\nCo-authored-by: Mona <m@example.com>\nLast")
    assert text == "A (link)(u) (skip ci)\n\nLast"
    assert squashed("A [link](u)") == "A [link](u)"
