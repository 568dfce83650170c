"""No issue takes long to read, whatever its writer repeats."""

import time

import pytest

from loop_kit.core.card.issue import attachment_links, card_in_issue
from loop_kit.errors import BadCard

BUDGET = 30.0  # seconds; what has no bound takes minutes

REPEATED = [
    *(">", "> ", "- ", "1. ", "- > ", "[", "![", "](", "[a](", "*a ", "_a*", "`", "a`b``c```"),
    *("<a ", "<!-- ", "a <!-- ", "<?", "<![CDATA[", "a <!A ", "<details>\n\n", "a <details> "),
    *("```json\n{}\n```\n", "```json\n", "```yaml\ngoal: [\n```\n", "### Goal\n", "a\n---\n"),
    *(
        "<a href='",
        '<a b="',
        "[a]: b\n",
        "&amp;",
        "\\",
        "#",
        "\n",
        "\t",
        "<i x=' y=\">",
        "a\n",
        "| ",
    ),
]


@pytest.mark.parametrize("piece", REPEATED)
def test_no_text_of_the_largest_size_takes_long(piece: str) -> None:
    body = piece * (65_000 // len(piece))
    began = time.process_time()
    with pytest.raises(BadCard):
        card_in_issue(body, 1)
    attachment_links(body)
    assert time.process_time() - began < BUDGET


BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 8)}]}}\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "{" * 60_000,
        "- " * 30_000,
        "? " * 30_000,
        "a:\n" * 16_000,
        BOMB,
        "goal: x\n" * 7000,
    ],
    ids=["brackets", "braces", "dashes", "questions", "keys", "merges", "same"],
)
def test_no_yaml_takes_long_or_grows(text: str) -> None:
    began = time.process_time()
    body = f"```yaml loop\ngoal: x\nb: {text}\n```"
    with pytest.raises(BadCard, match="line 1: "):
        card_in_issue(body, 1)
    assert time.process_time() - began < BUDGET
