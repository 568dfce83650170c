"""What is below the headings of a task card in an issue: prose, and lists of entries.

A list is read as it is written, so what would be read as something else is refused: a table, an
introduction, a nested list, what a fence or a footnote hides.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from loop_kit.core.card.markdown import Block
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadCard
from loop_kit.frozen import frozen

HEADINGS: Mapping[str, str] = {
    "goal": "Goal",
    "in_scope": "In scope",
    "out_of_scope": "Out of scope",
    "acceptance_criteria": "Acceptance criteria",
    "constraints": "Constraints",
    "verify": "Verify",
}
"""The headings of the issue form, by the field of the card that each fills."""

_LITERAL = frozenset({"in_scope", "out_of_scope", "verify"})
_NO_RESPONSE = "_No response_"
_CODE_SPAN = re.compile(r"(`+)([^`\n]+)\1")
_TABLE_RULE = re.compile(r"\|?(?: *:?-+:? *\|)+(?: *:?-+:?)?")
"""The line below the head of a table, without blanks around it."""


@frozen
class Origin:
    """Where a body comes from; `number` is the forge's, `title` may be anything."""

    kind: Literal["issue", "pull request"]
    number: int
    title: str = ""

    @property
    def name(self) -> str:
        """How errors call it."""
        return f"{self.kind} #{self.number}"

    @property
    def task_id(self) -> str:
        """The id of a card that has none."""
        return f"{'issue' if self.kind == 'issue' else 'pr'}-{self.number}"


@dataclass(slots=True)
class Section:
    """What is below one heading of the form."""

    heading: Block
    blocks: list[Block] = field(default_factory=list)


def prose(section: Section, origin: Origin) -> str:
    """All text of the section."""
    _refuse_half_seen(section, origin)
    texts = [block.text for block in _answers(section)]
    return "\n\n".join(texts).strip()


def entries_of(name: str, section: Section, origin: Origin) -> list[str]:
    """The entries of the list that the section of the field `name` is.

    Raises:
        BadCard: it is no plain list.
    """
    _refuse_half_seen(section, origin)
    _refuse_table(name, section, origin)
    _refuse_introduction(name, section, origin)
    found: list[str] = []
    for block in _answers(section):
        if block.entries is None or (block.altered and name in _LITERAL):
            raise BadCard(
                f"{origin.name}, line {block.line}: {HEADINGS[name]!r} is not a plain list here.",
                "Write one entry a line, as bullets or in a code block, without quotes,"
                " sub-headings, nested lists, images or tags.",
                anchor="card-headings",
            )
        found.extend(block.entries)
    if name not in _LITERAL:
        return found
    spans = ((entry, _CODE_SPAN.fullmatch(entry)) for entry in found)
    return [span.group(2).strip() if span else entry for entry, span in spans]


def _refuse_table(name: str, section: Section, origin: Origin) -> None:
    for block in section.blocks:
        if block.kind == "text" and any(map(_is_table_rule, block.text.split("\n"))):
            raise BadCard(
                f"{origin.name}, line {block.line}: {HEADINGS[name]!r} is a table, of which each"
                " line would be an entry.",
                "Write one entry a line, as bullets.",
                anchor="card-headings",
            )


def _is_table_rule(line: str) -> bool:
    return _TABLE_RULE.fullmatch(line.strip()) is not None


def _refuse_introduction(name: str, section: Section, origin: Origin) -> None:
    """The words before a list would be one more entry of it."""
    blocks = [block for block in _answers(section) if block.entries]
    for words, after in pairwise(blocks):
        if words.is_paragraph and not after.is_paragraph:
            raise BadCard(
                f"{origin.name}, line {words.line}: {HEADINGS[name]!r} has words before its list:"
                f" {one_line(words.text, 60)!r} would be an entry of its own.",
                "Take them out, or make them one of its bullets.",
                anchor="card-headings",
            )


def _answers(section: Section) -> list[Block]:
    return [block for block in section.blocks if block.entries != (_NO_RESPONSE,)]


def _refuse_half_seen(section: Section, origin: Origin) -> None:
    """An unclosed fence includes the headings below it, and a footnote may be hidden."""
    for block in section.blocks:
        if block.kind == "footnote":
            raise BadCard(
                f"{origin.name}, line {block.line}: footnotes are not read in a task card.",
                "Write its content into the text.",
                anchor="card-headings",
            )
        if not block.complete:
            raise BadCard(
                f"{origin.name}, line {block.line}: the code block is never closed.",
                "Close it with the same marks that opened it.",
                anchor="card-headings",
            )
