"""Reads a post as a forge does, with a CommonMark parser, and says what it would still do."""

import re
from collections.abc import Iterable, Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

_MENTION = re.compile(r"(?:^|[^A-Za-z0-9_])@[A-Za-z0-9]")
_REFERENCE = re.compile(r"(?:^|[^\w&])#\d|[\w.-]+/[\w.-]+#\d|(?:^|\W)GH-\d", re.IGNORECASE)
_CLOSES = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+https?://\S+/(?:issues|pull)/\d",
    re.IGNORECASE,
)
_PATTERNS = (("mention", _MENTION), ("reference", _REFERENCE), ("closing link", _CLOSES))
_CODE = {"code_inline", "code_block", "fence"}


def _flat(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or ())


def tokens(text: str) -> list[Token]:
    """Every token of `text`, block and inline."""
    return list(_flat(MarkdownIt("commonmark").parse(text)))


def code(text: str) -> str:
    """What is shown as code."""
    return "\n".join(token.content for token in tokens(text) if token.type in _CODE)


def effects(text: str) -> set[str]:
    """What `text` does beyond being read: images, HTML, mentions, references, closing links."""
    found = set()
    for token in tokens(text):
        if token.type in {"image", "html_inline", "html_block"}:
            found.add(token.type)
        if token.type == "text":
            found |= {name for name, pattern in _PATTERNS if pattern.search(token.content)}
    return found
