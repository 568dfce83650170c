"""Output of a program with its colours, as pieces of plain text that each have a style.

A program's colours help its reader; every other escape sequence is for a terminal and could hide
text, so it is removed. A style is one of a few names, never something that the program wrote.
"""

import re
from collections.abc import Iterator

from loop_kit.core.text.sanitize import visible

MAX_CHANGES = 2_000
"""After so many changes of the colour the rest of a text has none."""
MAX_LINE = 2_000
_MAX_CODES = 8
_COLOUR = re.compile(r"\x1b\[([0-9;:]{0,64})m")

Piece = tuple[str, str]
"""The style, "" for none, and the text."""


def coloured(text: str) -> list[Piece]:
    """`text` in pieces; a line that the program has overwritten is left out."""
    lines = text.replace("\r\n", "\n").split("\n")
    plain = "\n".join(cut_line(line.rstrip("\r").rpartition("\r")[2]) for line in lines)
    return [(style, part) for style, part in _pieces(plain) if part]


def cut_line(line: str) -> str:
    """A line of at most `MAX_LINE` characters, and how many more it has."""
    more = len(line) - MAX_LINE
    return line if more <= 0 else f"{line[:MAX_LINE]} [… {more} more characters]"


def _pieces(text: str) -> Iterator[Piece]:
    colour, bold, at = "", False, 0
    for number, change in enumerate(_COLOUR.finditer(text)):
        if number == MAX_CHANGES:
            break
        yield _style(colour, bold=bold), visible(text[at : change.start()])
        colour, bold = _changed(change[1], colour, bold=bold)
        at = change.end()
    yield _style(colour, bold=bold), visible(text[at:])


def _style(colour: str, *, bold: bool) -> str:
    return " ".join(filter(None, (colour, "bold" if bold else "")))


def _changed(codes: str, colour: str, *, bold: bool) -> tuple[str, bool]:
    """Colour and weight after an escape sequence with these codes."""
    numbers = [int(code or 0) for code in re.split("[;:]", codes)[:_MAX_CODES]]
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            colour, bold = "", False
        elif code in {1, 22}:
            bold = code == 1
        elif 30 <= code <= 37 or 90 <= code <= 97:
            colour = f"ansi{code % 10}"
        elif code == 39:
            colour = ""
        elif code in {38, 48}:  # a colour of 256, or red, green and blue
            found = numbers[1] if numbers[:1] == [5] and len(numbers) > 1 else 16
            colour = f"ansi{found % 8}" if code == 38 and found < 16 else colour
            numbers = numbers[2:] if numbers[:1] == [5] else numbers[4:]
    return colour, bold
