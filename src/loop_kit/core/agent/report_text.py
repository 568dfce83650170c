"""Reads the JSON in a report, also where its text is not quite JSON.

An agent is paid for what it found, not for its punctuation. So whatever has one meaning is read: an
object in a fence or between sentences, comments, commas too many, line breaks and unknown escapes
in strings, bytes that are not UTF-8. Nothing is ever completed: of a report that was cut off, the
missing rest may be the objection. That excludes the libraries that repair JSON, and those for JSON
with comments need minutes for a hostile 100 KB. Here every pattern keeps what it consumed
(possessive quantifiers), so that the time is linear; a long report has to be JSON to the letter.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from loop_kit.patterns import late_pattern

MAX_LENIENT = 512 * 1024
"""The bytes of a report that is read although it is not JSON to the letter."""

_STRING = r'("[^"\\]*+(?:\\.[^"\\]*+)*+"?+)'
_COMMENT = late_pattern(
    _STRING + r"|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/)?+|//[^\n]*+|#[^\n]*+", re.DOTALL
)
_COMMA = late_pattern(_STRING + r"|,\s*+(?=[}\]])", re.DOTALL)
_ESCAPE = late_pattern(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})?+')
_FENCE = "```"


def decode(raw: bytes) -> str:
    """The text of a report: UTF-8, or UTF-16 as some shells of Windows write it.

    Bytes that are not UTF-8 become halves of surrogate pairs, so that none is lost.
    """
    encoding = json.detect_encoding(raw)
    if encoding.startswith("utf-8"):
        return raw.decode(encoding, "surrogateescape")
    return raw.decode(encoding, "replace")


def read_json(raw: bytes) -> tuple[Any, bool]:
    """The document in `raw`, and whether `raw` is JSON to the letter.

    Raises:
        ValueError: it is none, with what a strict parser says about it.
        RecursionError: it is nested too deeply.
    """
    try:
        return json.loads(raw.decode("utf-8-sig")), True
    except (ValueError, RecursionError) as error:
        refusal = error
    for part in _parts(decode(raw)) if len(raw) <= MAX_LENIENT else ():
        try:
            return json.loads(_strict(part), strict=False), False
        except (ValueError, RecursionError):
            continue
    raise refusal


def _parts(text: str) -> Iterator[str]:
    """Where the document may be: all of the text, its outermost braces, those in its fence."""
    yield text
    yield _braced(text)
    first, last = text.find(_FENCE), text.rfind(_FENCE)
    if first < last:
        yield _braced(text[first:last])


def _braced(text: str) -> str:
    """The outermost braces; nothing where another object begins behind them, and was cut off."""
    first, last = text.find("{"), text.rfind("}")
    return text[first : last + 1] if first >= 0 and text.rfind("{") < last else ""


def _strict(text: str) -> str:
    """`text` without comments and commas too many, with every escape a known one."""
    plain = _COMMENT.sub(_without_comment, text)
    return _COMMA.sub(lambda m: m[1] or "", plain)


def _without_comment(found: re.Match[str]) -> str:
    """A string with known escapes, a blank for a comment, or a comment that was cut off."""
    if found[1]:
        return _known_escapes(found[1])
    return found[0] if found[0].startswith("/*") and not found[0].endswith("*/") else " "


def _known_escapes(string: str) -> str:
    if "\\" not in string:
        return string
    return _ESCAPE.sub(lambda m: m[0] if len(m[0]) > 1 else "\\\\", string)
