"""The task card in the body of an issue or a pull request.

Two forms are read, in this order: one fenced `json` or `yaml` block, and the headings of the
shipped issue form. Only what the page shows as its author's own word counts (`markdown_body`), and
nothing is guessed: two cards, a heading twice, a scope that is no plain list, or a card below raw
HTML are refused with what to do, because a card that is read wrongly costs more than an edit.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from loop_kit.core.card.documents import DocumentInvalid, read_document
from loop_kit.core.card.issue_sections import HEADINGS, Origin, Section, entries_of, prose
from loop_kit.core.card.markdown import Block, read_body
from loop_kit.core.card.task import MAX_CARD_BYTES, TaskCard, card_from
from loop_kit.core.text.sanitize import one_line, visible
from loop_kit.errors import BadCard
from loop_kit.frozen import frozen

MINIMAL_ISSUE = """```json
{
  "goal": "What should be true when the work is done.",
  "acceptance_criteria": ["A fact that a reviewer can check."]
}
```

or

### Goal

What should be true when the work is done.

### Acceptance criteria

- A fact that a reviewer can check."""

_LEVELS = range(2, 5)
_FIELDS = {label.casefold(): name for name, label in HEADINGS.items()}
_LANGUAGES = frozenset({"json", "yaml", "yml"})
_TELLING = frozenset({"goal", "task_id", "acceptance_criteria", "in_scope", "out_of_scope"})
_MENTIONS_CARD = re.compile(
    r"""^[ \t]*+(?:[{,][ \t]*+)?["']?(?:goal|task_id)["']?[ \t]*:""", re.MULTILINE
)
_MAX_TITLE = 200
_MAX_SENTENCE = 400
_ATTACHMENT = re.compile(
    r"https://github\.com/(?:user-attachments|([\w.-]{1,100}/[\w.-]{1,100}))/files/[0-9]{1,20}"
    r"/[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.(?:json|yml|yaml)",
    re.ASCII | re.IGNORECASE,
)


def card_in_issue(body: str, number: int, title: str = "") -> TaskCard:
    """The card in the body of issue `number`; its `title` is the card's when that has none.

    Raises:
        BadCard: there is none, more than one, or one that does not fit.
    """
    return _require_card(body, Origin("issue", number, title))


def find_card(body: str, origin: Origin) -> TaskCard | None:
    """The card in `body`, or None where nothing looks like one and other sources may be asked.

    Raises:
        BadCard: there is more than one, or one that does not fit.
    """
    blocks = _blocks(body, origin)
    document = _from_code(blocks, origin) or _from_headings(blocks, origin)
    return None if document is None else _card(document, origin)


def card_in_attachment(raw: bytes, link: str, origin: Origin) -> TaskCard:
    """The card in a file that is attached to a body; `link` says whether it is JSON or YAML.

    Raises:
        BadCard: it is not UTF-8, cannot be parsed, or does not fit.
    """
    file = link.rpartition("/")[2]
    name = f"{origin.name}, {one_line(file, 80)}"
    try:
        document = read_document(raw.decode("utf-8-sig"), file)
    except (DocumentInvalid, UnicodeDecodeError) as error:
        raise BadCard(
            f"{name}: {one_line(str(error), 200)}.",
            "Correct the file and attach it again, or paste the card as a block.",
            anchor="card-syntax",
        ) from None
    if not isinstance(document, dict):
        raise BadCard(
            f"{name}: a task card is an object.",
            "Write one `key: value` on each line, attach it again, or paste it as a block.",
            anchor="card-syntax",
        )
    return _card(_Document(name, document), origin)


def attachment_links(body: str, repository: str = "") -> tuple[str, ...]:
    """Links to attached `.json`, `.yml` and `.yaml` files on GitHub's attachment hosts.

    Each comes once, in the order of the body. With `repository` ("owner/name") links to files
    that were attached to something in another repository are left out.
    """
    found: dict[str, None] = {}
    for block in read_body(body) if _size(body) <= MAX_CARD_BYTES else ():
        for link in () if block.below_html else block.links:
            match = _ATTACHMENT.fullmatch(link)
            owner = (match.group(1) or "").casefold() if match else None
            if owner is not None and (not owner or owner == (repository or owner).casefold()):
                found[link] = None
    return tuple(found)


def missing_card(origin: Origin, looked: str = "", body: str | None = "") -> BadCard:
    """The refusal of a body without a card, with one to copy; `looked`: what else was searched."""
    strange = _sections(_blocks(body or "", origin), origin)[1]
    hint = f" {strange[0].sentence} {strange[0].remedy}" if strange else ""
    return BadCard(
        f"{origin.name} holds no task card{looked}; quotes, lists, comments and what is below raw"
        f" HTML do not count.{hint}",
        f"Add one to its text, as a block or under headings:\n\n{MINIMAL_ISSUE}",
        anchor="card-not-in-issue",
    )


@frozen
class _Document:
    """The fields of a card as they were found, and how errors call the place."""

    name: str
    fields: dict[Any, Any]


def _card(document: _Document, origin: Origin) -> TaskCard:
    """The card of these fields, named after its origin when it has no id or title."""
    given = {"task_id": origin.task_id, **_without_hidden(document.fields)}
    if not given.get("title") and origin.title:
        given["title"] = one_line(origin.title, _MAX_TITLE)
    try:
        return card_from(given, document.name)
    except BadCard as error:
        raise BadCard(
            one_line(error.sentence, _MAX_SENTENCE), error.remedy, anchor=error.anchor
        ) from None


def _require_card(body: str, origin: Origin) -> TaskCard:
    card = find_card(body, origin)
    if card is None:
        raise missing_card(origin, body=body)
    return card


def _size(body: str) -> int:
    return len(body.encode("utf-8", "surrogatepass"))


def _blocks(body: str, origin: Origin) -> tuple[Block, ...]:
    if _size(body) > MAX_CARD_BYTES:
        raise BadCard(
            f"{origin.name}: a text of {_size(body)} bytes is over the limit of {MAX_CARD_BYTES}.",
            "Keep the task card in it short and move the rest into a comment or a file.",
            anchor="card-too-long",
        )
    return read_body(body)


def _refuse_below_html(blocks: Iterable[Block], origin: Origin) -> None:
    """Raw HTML may hide the card or a part of it, and only a browser knows."""
    for block in blocks:
        if block.below_html:
            raise BadCard(
                f"{origin.name}, line {block.line}: the card is in or below raw HTML, which may"
                " hide it.",
                "Move the card above the HTML, or remove the HTML; a tag that is meant as text goes"
                " between backticks.",
                anchor="card-headings",
            )


# --- a card in a fenced block ---------------------------------------------------------------


def _from_code(blocks: Iterable[Block], origin: Origin) -> _Document | None:
    cards = [
        (block, document)
        for block in blocks
        if (document := _candidate(block)) is not None and _is_card(block, document)
    ]
    if not cards:
        return None
    _refuse_below_html((block for block, _ in cards), origin)
    if len(cards) > 1:
        lines = " and ".join(str(block.line) for block, _ in cards[:3])
        raise BadCard(
            f"{origin.name} holds {len(cards)} task cards, at lines {lines}: which one is meant?",
            "Leave one, or take the word json or yaml off the fences of the others.",
            anchor="card-ambiguous",
        )
    block, document = cards[0]
    name = f"{origin.name}, line {block.line}"
    if isinstance(document, DocumentInvalid):
        raise BadCard(
            f"{name}: {document}.",
            "Edit the block there; `loop card check --issue FILE` tries the text before.",
            anchor="card-syntax",
        )
    return _Document(name, document)


def _candidate(block: Block) -> dict[Any, Any] | DocumentInvalid | None:
    """The mapping in a block of JSON or YAML, or why it cannot be read."""
    words = block.label.lower().split()
    if block.kind != "code" or not words or words[0] not in _LANGUAGES:
        return None
    try:
        document = read_document(block.code, words[0])
    except DocumentInvalid as error:
        return error
    return document if isinstance(document, dict) else None


def _is_card(block: Block, document: dict[Any, Any] | DocumentInvalid) -> bool:
    """Whether the block is meant as a card, even if something in it is wrong."""
    if "loop" in block.label.lower().split():
        return True
    if isinstance(document, DocumentInvalid):
        return bool(_MENTIONS_CARD.search(block.code))
    return any(name in document for name in _TELLING)


def _without_hidden(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """The fields without characters that nobody sees, which JSON can also hide as escapes."""
    return {key: _remove_hidden(value) for key, value in fields.items()}


def _remove_hidden(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [visible(item) if isinstance(item, str) else item for item in value]
    if isinstance(value, dict):
        return {k: visible(item) if isinstance(item, str) else item for k, item in value.items()}
    return value


# --- a card under headings ------------------------------------------------------------------


def _from_headings(blocks: Iterable[Block], origin: Origin) -> _Document | None:
    sections, strange = _sections(blocks, origin)
    if "goal" not in sections:
        if sections and strange:
            raise strange[0]
        return None
    for section in sections.values():
        _refuse_below_html((section.heading, *section.blocks), origin)
    if strange:
        raise strange[0]
    goal = prose(sections["goal"], origin)
    if not goal:
        raise BadCard(
            f"{origin.name}: there is nothing below the heading 'Goal'.",
            "Say there what should be true when the work is done.",
            anchor="card-not-in-issue",
        )
    lists = {
        name: entries_of(name, section, origin)
        for name, section in sections.items()
        if name != "goal"
    }
    return _Document(origin.name, {"goal": goal, **lists})


def _sections(blocks: Iterable[Block], origin: Origin) -> tuple[dict[str, Section], list[BadCard]]:
    """What is below each heading of the form, and the headings that cannot be what they seem."""
    sections: dict[str, Section] = {}
    strange: list[BadCard] = []
    current: Section | None = None
    for block in blocks:
        name = _field(block)
        if name and name in sections:
            strange.append(_heading_error(block, origin, "is there twice", "Leave one of the two."))
        elif name and block.level in _LEVELS:
            current = sections[name] = Section(block)
        elif name:
            strange.append(
                _heading_error(block, origin, "is of another level", "Begin it with '### '.")
            )
        elif block.kind != "heading" or _is_inside(block, current):
            _refuse_near_miss(block, origin, strange)
            if current:
                current.blocks.append(block)
        else:
            _refuse_near_miss(block, origin, strange)
            current = None
    return sections, strange


def _is_inside(heading: Block, section: Section | None) -> bool:
    """Whether an unknown heading is part of the text of a section."""
    underlined = heading.level == 0
    return section is not None and (underlined or heading.level > section.heading.level)


def _field(block: Block) -> str:
    return _FIELDS.get(_label(block), "") if block.kind == "heading" else ""


def _label(block: Block) -> str:
    return " ".join(block.label.strip("*_`: \t").split()).casefold()


def _refuse_near_miss(block: Block, origin: Origin, strange: list[BadCard]) -> None:
    if block.kind != "heading":
        return
    close = difflib.get_close_matches(_label(block), list(_FIELDS), n=1, cutoff=0.75)
    if close:
        meant = HEADINGS[_FIELDS[close[0]]]
        strange.append(_heading_error(block, origin, "is not known", f"Did you mean {meant!r}?"))


def _heading_error(block: Block, origin: Origin, what: str, remedy: str) -> BadCard:
    label = one_line(block.label, 60)
    return BadCard(
        f"{origin.name}, line {block.line}: the heading {label!r} {what}.",
        remedy,
        anchor="card-headings",
    )
