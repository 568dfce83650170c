"""Text from outside shows what it says and does nothing else."""

import re
import string

import pytest
from tests.core.markdown_oracle import code, tokens

from loop_kit.core.text.sanitize import (
    command_data,
    fence,
    one_line,
    truncate,
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
