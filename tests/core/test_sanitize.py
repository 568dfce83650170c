"""Text from outside shows what it says and does nothing else."""

import random
import re
import string

import pytest
from tests.core.markdown_oracle import code, effects, tokens

from loop_kit.core.sanitize import (
    MAX_BODY,
    MAX_SUMMARY,
    command_data,
    fence,
    markdown,
    one_line,
    truncate,
    truncate_bytes,
    visible,
)

INVISIBLE = [
    *(0x00, 0x07, 0x08, 0x0B, 0x0C, 0x0E, 0x1B, 0x7F, 0x80, 0x85, 0x9B, 0x9F),
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180E, 0x180F),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *(0x3164, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF0, 0xFFF9, 0xFFFB, 0x1BCA0, 0x1D173),
    *(0xE0001, 0xE0041, 0xE007F, 0xE0100, 0xE0FFF, 0xD800, 0xDFFF),
]


@pytest.mark.parametrize("point", INVISIBLE, ids=hex)
def test_what_nobody_can_see_is_taken_out(point: int) -> None:
    assert visible(f"ap{chr(point)}prove") == "approve"


def test_what_people_write_with_stays() -> None:
    text = "Größe → ½ naïve 日本語 \U0001f600 \N{EM DASH}\ttab\nline"
    assert visible(text) == text
    assert visible("a\r\nb\rc") == "a\nb\nc"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://e.test\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\x", "x"),
        ("\x1b[2J\x1b[Hx", "x"),
        ("\x1b[\x1b[31m31mx", "[31mx"),
    ],
)
def test_terminal_sequences_are_taken_out(raw: str, shown: str) -> None:
    assert visible(raw) == shown


def test_one_line_is_one_line_of_at_most_so_many_characters() -> None:
    assert one_line("a\n\n b\t c\u2028d\x1b[0m") == "a b c d"
    assert one_line("x" * 120) == "x" * 120
    assert one_line("x" * 121) == "x" * 117 + "..."
    assert len(one_line("word " * 1_000_000, 40)) <= 40


@pytest.mark.parametrize(
    "text",
    [
        "hello @octocat and @octo/team",
        "(@octocat)",
        "@octocat`",
        "`@octocat",
        "\\`@octocat\\`",
        "` a\n`@octocat` b `",
        "x ``` @octocat",
        "- a\n\n  ```\n@octocat",
        "``@octocat`",
        "fixes #12, octo/demo#3 and GH-4",
        "#12`",
        "x ``` closes #12",
        "Fixes https://github.com/octo/demo/issues/7",
        "resolves: https://github.com/octo/demo/pull/7",
        "<img src=http://e.test/x.png>",
        "<details><summary>x</summary>",
        "a <!-- hidden --> b",
        "a <!-- never closed",
        "<!-<!-- x -->- y -->",
        "x ``` <img src=http://e.test/x.png>",
        "<script>alert(1)</script>",
        "<?php ?> <!DOCTYPE x>",
        "![alt](http://e.test/x.png)",
        "![alt][ref]\n\n[ref]: http://e.test/x.png",
        "![alt]\n\n[alt]: http://e.test/x.png",
        "![a\nb](http://e.test/x.png)",
        "![a![b](u)](v)\n\n[b]: http://e.test/x.png",
        "!<!-- -->[a](http://e.test/x.png)",
        "!\u200b[a](http://e.test/x.png)",
        "@\u200boctocat",
    ],
)
def test_a_post_pings_nobody_closes_nothing_and_loads_nothing(text: str) -> None:
    assert effects(markdown(text)) == set()


PIECES = (
    *("```", "````", "~~~", "`", "``", "\n", "\n\n", "\\", "- ", "> ", "    ", "  ", " ", "word"),
    *("@octocat", "#12", "octo/demo#3", "GH-4", "fixes #5", "<img src=x>", "<!--", "-->", "<a"),
    *("![a](http://e.test/x)", "![", "](http://e.test/x)", "[b]: http://e.test/x", "[", "]", "!"),
)


@pytest.mark.parametrize("seed", range(10))
def test_no_mixture_of_code_links_and_html_makes_a_post_do_something(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(150):
        text = "".join(chance.choices(PIECES, k=chance.randint(1, 12)))
        assert effects(markdown(text)) == set(), text


def test_plain_prose_and_code_keep_their_meaning() -> None:
    prose = "The **result** of `a < b` is wrong, see [docs](https://e.test) & mail a@b.test.\n"
    assert markdown(prose) == prose
    block = "```python\nif a < b:\n    pass\n```\n"
    assert code(markdown(block)) == "if a < b:\n    pass\n"


@pytest.mark.parametrize(
    "text",
    ["plain", "```", "a\n```\nb", "`````\n````", "~~~", "```python\nx\n```", "\n\n", "    ```"],
)
def test_fenced_text_cannot_close_its_fence(text: str) -> None:
    found = tokens(fence(text, "text"))
    assert [token.type for token in found] == ["fence"]
    assert found[0].content == text.rstrip() + "\n"


def test_fenced_text_is_visible_text() -> None:
    assert fence("ap\u200bprove\r\n") == "```\napprove\n```"


@pytest.mark.parametrize("limit", [140, 500, 65_536])
def test_what_is_cut_fits_says_so_and_leaves_no_fence_open(limit: int) -> None:
    text = "```\n" + "x" * 100_000
    short = truncate(text, limit, "See the branch.")
    assert len(short) <= limit
    assert short.endswith(f"… cut here, it had {len(text)} characters. See the branch.")
    assert "See the branch." not in code(short)


def test_what_fits_is_not_cut() -> None:
    assert truncate("x" * 140, 140, "pointer") == "x" * 140


def test_data_of_a_workflow_command_cannot_end_it() -> None:
    hostile = "100%\r\n::set-output name=x::y"
    assert command_data(hostile) == "100%25%0D%0A::set-output name=x::y"
    assert not re.search(r"[\r\n]", command_data(string.printable))


@pytest.mark.parametrize("character", ["x", "é", "語", "🔁"])
def test_a_post_is_cut_by_characters_and_a_summary_by_bytes(character: str) -> None:
    assert truncate(character * MAX_BODY, MAX_BODY) == character * MAX_BODY
    assert len(truncate(character * (MAX_BODY + 1), MAX_BODY, "There.")) <= MAX_BODY

    fits = MAX_SUMMARY // len(character.encode())
    assert truncate_bytes(character * fits, MAX_SUMMARY) == character * fits
    cut = truncate_bytes(character * (fits + 1), MAX_SUMMARY, "There.")
    assert MAX_SUMMARY - 200 < len(cut.encode()) <= MAX_SUMMARY
    assert cut.endswith("bytes. There.")
    assert set(cut.partition("\n")[0]) == {character}


def test_a_summary_that_is_cut_in_a_fence_ends_the_fence() -> None:
    cut = truncate_bytes("```\n" + "語" * 1000, 500)
    assert len(cut.encode()) <= 500
    assert cut.count("```") == 2
