"""Reads a text with a CommonMark parser."""

from collections.abc import Iterable, Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

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
