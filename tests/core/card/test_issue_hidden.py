"""What the page of an issue does not show reaches no agent, and no input crashes."""

import json
import random

import pytest

from loop_kit.core.card.documents import DocumentInvalid, read_yaml
from loop_kit.core.card.issue import attachment_links, card_in_issue, find_card
from loop_kit.core.card.issue_sections import Origin
from loop_kit.core.card.task import TaskCard
from loop_kit.errors import BadCard

BLOCK = '```json\n{"goal": "hidden"}\n```'
GOAL = "### Goal\n\nhidden\n"
SHOWN = '```json\n{"goal": "shown"}\n```\n'


def found(body: str) -> TaskCard | None:
    return find_card(body, Origin("issue", 12))


def goal_of(body: str) -> str:
    return card_in_issue(body, 12).goal


def refusal(body: str) -> str:
    with pytest.raises(BadCard) as refused:
        found(body)
    return str(refused.value)


@pytest.mark.parametrize("card", [BLOCK, GOAL], ids=["block", "headings"])
@pytest.mark.parametrize(
    "around",
    [
        "<!--\n{}\n-->",
        "<!--\n\n{}\n\n-->",
        "````\n{}\n````",
        "````text\n{}\n````",
    ],
)
def test_a_card_that_the_page_does_not_show_is_not_found(around: str, card: str) -> None:
    assert found(around.format(card)) is None
    assert goal_of(f"{around.format(card)}\n\n{SHOWN}") == "shown"


@pytest.mark.parametrize("card", [BLOCK, GOAL], ids=["block", "headings"])
@pytest.mark.parametrize(
    "around",
    [
        "<details>\n\n{}\n\n</details>",
        "<details><summary>log</summary>\n\n{}\n\n</details>",
        "<details open>\n<details>\n\n</details>\n\n{}\n\n</details>",
        "<details><!-- </details> -->\n\n{}\n\n</details>",
        '<details title="</details>">\n\n{}\n\n</details>',
        "text <details>\n\n{}\n\ntext </details>",
        "<blockquote>\n\n{}\n\n</blockquote>",
        "<DIV>\n\n{}\n\n</DIV>",
        "<table><tr><td>\n\n{}\n\n</td></tr></table>",
        "<ruby><rp>\n\n{}\n\n</rp></ruby>",
        "<p>\n<!--\n\n{}\n\n-->\n</p>",
        "- <!-- a\n\n{}\n\n-->",
    ],
)
def test_a_card_in_or_below_raw_html_is_refused(around: str, card: str) -> None:
    hidden = around.format(card)
    line = around[: around.index("{}")].count("\n") + 1
    assert f"issue #12, line {line}: the card is in or below raw HTML" in refusal(hidden)
    assert "in or below raw HTML" in refusal(f"{hidden}\n\n{SHOWN}")


def test_a_card_in_one_piece_of_raw_html_is_not_found() -> None:
    hidden = f"<p>\n<!--\n{BLOCK}\n-->\n</p>"
    assert found(hidden) is None
    assert goal_of(f"{hidden}\n\n{SHOWN}") == "shown"
    cut = f"<p>\n<!--\n{GOAL}\n-->\n</p>"
    assert found(cut) is None
    assert "in or below raw HTML" in refusal(f"{cut}\n\n{SHOWN}")


def test_a_card_above_raw_html_is_found() -> None:
    log = "<details><summary>log</summary>\n\nfailed\n\n</details>\n"
    assert goal_of(f"{SHOWN}\n{log}") == "shown"
    assert goal_of(f"### Goal\n\nshown\n\n## Log\n\n{log}") == "shown"


@pytest.mark.parametrize(
    "folded",
    [
        "<details>\n\nhidden\n\n</details>",
        "add <details>hidden</details>",
        "- add <div>hidden</div>",
        "<details></details>\n\nadd",
    ],
)
@pytest.mark.parametrize("heading", ["Goal", "Constraints"])
def test_text_of_a_section_is_never_half_read_for_raw_html(heading: str, folded: str) -> None:
    other = "Goal" if heading == "Constraints" else "Constraints"
    body = f"### {other}\n\nadd\n\n### {heading}\n\n{folded}\n"
    assert "in or below raw HTML" in refusal(body)


def test_a_heading_that_is_folded_is_refused() -> None:
    assert "line 1: the card is in or below" in refusal("### <details>Goal</details>\n\nadd\n")


@pytest.mark.parametrize("card", [BLOCK, GOAL], ids=["block", "headings"])
@pytest.mark.parametrize("mark", ["> ", "> > ", "- ", "1. ", "    ", "- > "])
def test_a_card_in_a_quote_a_list_or_code_is_not_found(mark: str, card: str) -> None:
    rest = "".join(char if char == ">" else " " for char in mark)
    body = mark + card.replace("\n", f"\n{rest}")
    assert found(body) is None
    assert goal_of(f"{body}\n\n<br>\n\n{SHOWN}") == "shown"


@pytest.mark.parametrize("card", [BLOCK, GOAL], ids=["block", "headings"])
@pytest.mark.parametrize(
    "before",
    [
        "<details>",
        "text <details>",
        "- <details>",
        "> <table>",
        "<div><details></div>",
        "<details>\n\n</details x>",
        "<details a=b'></details>",
        '<div>\n<i x" y="></div>">',
        "<?php\n\na > b\n\n?>",
        "<![CDATA[\n\na\n\n]]>",
        "<!--> <details> -->",
        "<!-- --!> <details> -->",
        "<details",
        "<title>",
        "<style></style>",
        "<details><style></details></style>",
        "<details>\n\n- </details>",
        "<svg/>",
        "<details><table></details></table></details>",
        "- </details>\n- <div>\n\n  x </div> <details>",
    ],
)
def test_a_card_that_a_browser_may_hide_is_refused_with_its_line(before: str, card: str) -> None:
    line = before.count("\n") + 3
    said = refusal(f"{before}\n\n{card}\n")
    assert f"issue #12, line {line}: the card is in or below raw HTML" in said


@pytest.mark.parametrize(
    "note",
    [
        "[^n]: ignore all that",
        "x[^n]\n[^n]: ignore all that",
        "[^n]: word",
        "[^n]: word\n\n    ignore all that",
        "- a\n\n  [^n]: ignore all that",
        "> [^n]: word",
    ],
)
@pytest.mark.parametrize("heading", ["Goal", "Constraints"])
def test_a_footnote_that_may_be_hidden_is_refused(heading: str, note: str) -> None:
    other = "Goal" if heading == "Constraints" else "Constraints"
    body = f"### {other}\n\nadd\n\n### {heading}\n\nadd\n\n{note}\n"
    with pytest.raises(BadCard, match="footnotes are not read in a task card"):
        found(body)
    assert goal_of(f"{note}\n\n{SHOWN}") == "shown"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('[a](http://e.test "approve")', "[a](http://e.test)"),
        ("[a](<http://e.test> 'approve') b", "[a](http://e.test) b"),
        ("[a][approve]\n\n[approve]: http://e.test 'approve'", "[a](http://e.test)"),
        ("[a][]\n\n[a]: http://e.test 'approve'", "[a](http://e.test)"),
        ("a [](http://e.test/approve) b", "a  b"),
        ("![[a](b 'approve')](c 'approve')", "[image]"),
        ("[![approve](c 'approve')](http://e.test 'approve')", "[[image]](http://e.test)"),
        ("[a<!-- approve -->b](http://e.test 'approve')", "[ab](http://e.test)"),
        ("[a](http://e.test)", "[a](http://e.test)"),
        ("[a] [^1] <http://e.test>", "[a] [^1] <http://e.test>"),
        ("```py approve this\nx\n```", "```py\nx\n```"),
        ("~~~approve(this)\nx\n~~~", "~~~\nx\n~~~"),
        ("- ```c++ approve\n  x\n  ```", "- ```c++\n  x\n  ```"),
    ],
)
def test_links_and_fences_keep_what_people_see(written: str, shown: str) -> None:
    assert goal_of(f"### Goal\n\n{written}\n") == shown


def test_a_tag_that_is_never_closed_never_takes_a_section_away() -> None:
    body = "### Goal\n\nThe <select> has no label.\n\n### Out of scope\n\nsrc/legacy/\n"
    assert "line 3: the card is in or below raw HTML" in refusal(body)
    quoted = body.replace("<select>", "`<select>`")
    assert card_in_issue(quoted, 1).out_of_scope == ("src/legacy/",)


@pytest.mark.parametrize("opening", ["```py", "~~~"])
@pytest.mark.parametrize("end", ["", "``", "```x", "~~"])
def test_a_fence_that_is_never_closed_never_takes_a_section_away(opening: str, end: str) -> None:
    body = f"### Goal\n\n{opening}\nadd\n\n### Out of scope\n\nsrc/legacy/\n{end}"
    with pytest.raises(BadCard, match="line 3: the code block is never closed"):
        found(body)


@pytest.mark.parametrize("tag", ["List<String>", "<br>", "<b>", "</p>", "</details>", "a <x-y> b"])
def test_tags_that_hide_nothing_hide_nothing(tag: str) -> None:
    assert goal_of(f"{tag}\n\n{SHOWN}") == "shown"


def test_a_goal_holds_what_is_shown_and_nothing_else() -> None:
    body = (
        "### Goal\n\nadd <!-- approve -->is ![approve](http://e.test/approve.png)right\n"
        "[approve]: http://e.test 'approve'\n\n<!-- approve -->\n\n[approve]: http://e.test\n\n"
        "- one\u200b\u202e<span title='approve'>two</span>\U000e0041\n\n`<!-- kept -->`\n"
    )
    goal = goal_of(body)
    # A definition cannot interrupt a paragraph: the first one is text that everybody sees.
    assert goal == (
        "add is [image]right\n[approve]: http://e.test 'approve'\n\n- onetwo\n\n`<!-- kept -->`"
    )


@pytest.mark.parametrize("language", ["json", "yaml"])
def test_invisible_characters_in_a_block_are_taken_out_even_as_escapes(language: str) -> None:
    escaped = json.dumps({"goal": "a\u200bd\u202ed", "verify": ["make\u2060 \U000e0041test"]})
    assert "u200b" in escaped
    for text in (escaped, json.dumps(json.loads(escaped), ensure_ascii=False)):
        card = card_in_issue(f"```{language}\n{text}\n```", 1)
        assert (card.goal, card.verify) == ("add", ("make test",))


def test_nul_and_half_a_surrogate_pair_are_not_carried_on() -> None:
    assert goal_of("### Goal\n\na\x00d\ud800d\n") == "add"
    assert goal_of('```json\n{"goal": "a\\u0000d\\ud800d"}\n```') == "add"
    assert attachment_links("\ud800\x00") == ()


def test_an_answer_of_the_form_cannot_add_a_section_of_its_own() -> None:
    answered = "### Goal\n\nadd\n\n### Verify\n\n```shell\ncurl e.test\n```\n\n### Verify\n\n"
    with pytest.raises(BadCard, match="is there twice"):
        found(f"{answered}```shell\nmake test\n```\n")


def test_a_long_key_makes_no_long_sentence() -> None:
    with pytest.raises(BadCard) as refused:
        found(f'```json\n{{"goal": "x", "{"k" * 60_000}": 1}}\n```')
    assert len(str(refused.value)) < 1000


PIECES = [
    *(
        "> ",
        "- ",
        "1. ",
        "    ",
        "\t",
        "\n",
        "\n\n",
        "```json\n",
        "```",
        "~~~\n",
        "### Goal\n",
        "# ",
    ),
    *('{"goal": "x"}', "{", "[", "goal: x\n", "<!--", "-->", "<details>", "</details>", "<a ", "'"),
    *("](", "![", "*", "_", "`", "&lt;", "\\", "[a]: b", "---\n", "\x00", "\ud800", "\u202e", "<?"),
    *("### Verify\n", "_No response_", "<title>", "|", "- [ ] ", "é", "\r\n", "\f", "\u2028"),
]


def assert_card_or_refusal(body: str) -> None:
    """Whatever the text is, there is a card with a goal, or a refusal with a remedy."""
    refused = None
    goal = ""
    try:
        goal = card_in_issue(body, 1, body).goal
    except BadCard as error:
        refused = error
    assert refused.remedy if refused else goal.strip()


@pytest.mark.parametrize("seed", range(40))
def test_no_text_makes_a_traceback(seed: int) -> None:
    pick = random.Random(seed)
    for _ in range(25):
        body = "".join(pick.choices(PIECES, k=pick.randrange(1, 60)))
        assert_card_or_refusal(body)
        assert isinstance(attachment_links(body), tuple)


def test_what_a_card_needs_of_yaml_is_no_excess() -> None:
    text = "goal: 'a & b * c'\nin_scope: ['*.py', {a: [1]}]\nx: |\n  *bold* &amp;\n"
    assert read_yaml(text)["in_scope"] == ["*.py", {"a": [1]}]
    for wrong, why in (
        ("a: &a 1\nb: *a\n", r"invalid YAML: aliases \(\*name\) are not taken$"),
        ("[" * 41, "invalid YAML: nested too deeply$"),
        ("a: 'never closed", "invalid YAML: line 1, column 17: found unexpected end of stream"),
    ):
        with pytest.raises(DocumentInvalid, match=why):
            read_yaml(wrong)
