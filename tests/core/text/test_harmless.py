"""Text of others in a post can be read and does nothing, as GitHub's own parser reads it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.github_markdown import blocks, live
from tests.core.markdown_oracle import code

from loop_kit.core.text import harmless
from loop_kit.core.text.harmless import cell, cut, inline, markdown, quote, size_in_bytes
from loop_kit.core.text.sanitize import MAX_BODY, MAX_SUMMARY


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
        "\\![a](http://e.test/x.png)",
        "!\u200b[a](http://e.test/x.png)",
        "@\u200boctocat",
        "| a |\n|---|\n| `x | @octocat fixes #12 <img src=http://e.test/x.png>` |",
        "a | b\n:-: | -\n`c | ![x](http://e.test/x.png)`",
        "see https://github.com/octo/demo/issues/7",
        "see [this](https://github.com/octo/demo/pull/7) and <https://github.com/o/r/commit/0123abc>",
        "see www.github.com/octo/demo/discussions/7",
        "[x](../issues/1) [y](javascript:alert(1)) [z](#1)",
        *(f"```{kind}\nx\n```" for kind in ("mermaid", "geojson", "topojson", "stl", "math")),
        *("```suggestion\nx\n```", "~~~ Suggestion\nx\n~~~", "- ```suggestion\n  x\n  ```"),
        *("/merge", "x\n/merge", "x\u2028/merge", "```\n/merge\n```", "    /merge", "/loop stop"),
        *(
            "bors r+",
            "x\nbors r+",
            "@dependabot rebase",
            "!merge",
            "r? @mona",
            "retest this please",
        ),
        *("- [ ] task", "- [x] task", "[ ] task", "1. [ ] task"),
        *("> [!WARNING]\n> do it", "[!NOTE]", "x[^1]\n\n[^1]: note"),
        *("# Approved", "## Round 1: approved", "Approved\n===", "Approved\n---", "- # Approved"),
        *("&#64;octocat", "&commat;octocat", "&#35;12", "&lt;img src=x&gt;", "\\@octocat", "\\#12"),
        *("@**octocat**", "fixes *#12*", "~~@octocat~~", "a ` b @octocat `` c", "`a``@octocat``"),
    ],
)
def test_a_post_pings_nobody_closes_nothing_and_loads_nothing(text: str) -> None:
    assert live(markdown(text)) == set()
    assert live(f"- {inline(text)}") == set()


def test_plain_prose_and_code_keep_their_meaning() -> None:
    prose = "The **result** of `a < b` is wrong, see [docs](https://e.test) & mail a@b.test.\n"
    assert markdown(prose) == f"> {prose.strip()}"
    assert inline(prose) == prose.strip()
    block = "```python\nif a < b:\n    pass\n```\n"
    assert code(markdown(block)) == "if a < b:\n    pass\n"


PIECES = [
    *("```", "````", "~~~", "`", "``", "\n", "\n\n", "\\", "- ", "> ", "    ", "  ", " ", "word"),
    *("@octocat", "#12", "octo/demo#3", "GH-4", "fixes #5", "<img src=x>", "<!--", "-->", "<a"),
    *("![a](http://e.test/x)", "![", "](http://e.test/x)", "[b]: http://e.test/x", "[", "]", "!"),
    *("|", "| a |\n|---|\n| ", "|---|", "---", "===", "# ", "1. ", "* ", "[ ] ", "[x] ", "[^1]"),
    *("*", "**", "_", "~~", "$", "$$", "&", "&#64;", "\u2028", "\t", "</details>", "<details>"),
    *("/merge", "bors r+", "@dependabot rebase", "mermaid", "suggestion", "[!NOTE]"),
    *(
        "https://github.com/o/r/issues/1",
        "www.github.com/o/r/pull/1",
        "https://e.test/a_b",
        "a@b.c",
    ),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=14).map("".join)
"""What an agent that knows Markdown may write."""

PLACES = {
    "alone": lambda line: line,
    "item": lambda line: f"- {line}",
    "labelled": lambda line: f"- **F1** [high] `a.py` {line}\n  - Required: {line}",
    "struck": lambda line: f"- **F1** ~~{line}~~ · {line}",
    "headed": lambda line: f"### Title\n\n{line}\n\nmore",
    "quoted": lambda line: f"{quote(line)}\n\n{line}",
}
"""Where our posts put a line of others."""


@settings(deadline=None)
@given(TEXTS)
def test_no_mixture_makes_a_post_do_something_or_draw_a_section(text: str) -> None:
    item = f"- **F1** [high] {inline(text, 2000)}"
    written = "\n\n".join(["## Round 1", markdown(text), item, quote(text), "The end."])
    assert live(written) == set(), written
    if markdown(text):
        assert blocks(written) == ["h2", "blockquote", "ul", "li", "blockquote", "p"], written


@settings(deadline=None)
@given(TEXTS, st.sampled_from(sorted(PLACES)))
def test_a_line_does_nothing_wherever_it_is_put(text: str, place: str) -> None:
    line = inline(text, 2000)
    assert "\n" not in line
    written = PLACES[place](line)
    assert live(written) - {"command"} == set(), written
    plain = PLACES[place]("word" if line else "")
    assert blocks(written) == blocks(plain), written


@settings(deadline=None)
@given(TEXTS)
def test_a_line_in_a_cell_stays_in_it(text: str) -> None:
    table = "| a | b |\n|---|---|\n| {} | last |"
    written = table.format(cell(text))
    assert live(written) == set(), written
    assert blocks(written) == blocks(table.format("word")), written


@settings(deadline=None)
@given(TEXTS)
def test_what_is_written_twice_does_nothing_either(text: str) -> None:
    written = f"- {inline(inline(text, 2000), 2000)}\n\n{markdown(markdown(text))}"
    assert live(written) == set(), written


def test_the_oracle_finds_what_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    table = "| a |\n|---|\n| `x | @octocat fixes #12 <img src=x> ` |"
    assert live(table) == set()
    table = "| a | b |\n|---|---|\n| `x | @octocat fixes #12 <img src=x> ` |"
    assert live(table) == {"mention", "reference", "<img>"}
    for text, found in (
        *(("- [ ] x", "task"), ("# x", "<h1>"), ("/merge", "command"), ("a <!-- b -->", "comment")),
        *(("```mermaid\nx\n```", "fence of mermaid"), ("> [!NOTE]\n> x", "alert")),
        *(("[x](javascript:y)", "link"), ("https://github.com/o/r/issues/1", "link")),
        *(("x[^1]\n\n[^1]: y", "<sup>"), ("xhttps://github.com/o/r/issues/1", "address")),
    ):
        assert found in live(text), text
    monkeypatch.setattr(harmless, "_escape", lambda text: text)
    assert live(markdown("a <b onclick=x> b")) == {"<b>"}


def test_emphasis_lists_and_languages_stay() -> None:
    text = "Two *things*:\n\n- a `b`\n- ~~c~~\n  1. d\n  2. e\n\n```python\nx = 1\n```"
    assert markdown(text) == "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def test_a_table_and_a_heading_can_still_be_read() -> None:
    shown = markdown("## Result\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    assert shown.splitlines() == [
        *("> **Result**", ">", "> ```", "> | a | b |", "> |---|---|", "> | 1 | 2 |", "> ```"),
    ]


@pytest.mark.parametrize(
    "fenced", ["> ```\n> {}", "```\n{}", "<details><summary>x</summary>\n\n{}"]
)
def test_what_is_cut_begins_nothing_that_does_not_end(fenced: str) -> None:
    lines = fenced.format("\n".join(["> `@octocat` line"] * 10_000))
    short = cut(lines, 5_000, "See the branch.")
    assert 4_500 < len(short) <= 5_000
    assert short.endswith(f"… cut here, it had {len(lines)} characters. See the branch.")
    assert live(short) == set()
    assert blocks(short)[-1] == "p"


@pytest.mark.parametrize("character", ["x", "é", "語", "🔁"])
def test_a_post_is_cut_by_characters_and_a_summary_by_bytes(character: str) -> None:
    line = f"{character * 63}\n"
    whole = line * (MAX_BODY // 64)
    assert cut(whole, MAX_BODY) == whole
    assert MAX_BODY - 400 < len(cut(f"{whole}{line}", MAX_BODY, "There.")) <= MAX_BODY

    fits = line * (MAX_SUMMARY // len(line.encode()))
    assert cut(fits, MAX_SUMMARY, size=size_in_bytes) == fits
    short = cut(f"{fits}{line}", MAX_SUMMARY, "There.", size_in_bytes)
    assert MAX_SUMMARY - 600 < len(short.encode()) <= MAX_SUMMARY
    assert short.endswith("bytes. There.")
    assert set(short.partition("\n")[0]) == {character}


def test_a_line_that_is_longer_than_a_post_is_left_out() -> None:
    short = cut(f"first\n{'x' * 70_000}\nlast", MAX_BODY)
    assert short.startswith("first\n\n… cut here")
