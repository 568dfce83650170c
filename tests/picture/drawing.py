"""What the diagrams of docs/ have in common: colours, paper, text and arrows, as plain SVG.

Nobody measures a text here, so that a letter counts as wide as it is in a wide font.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from textwrap import wrap

from tests.picture.pull_request import THEMES

MARGIN, SIZE, LINE = 16, 15, 20
WIDTH_OF_LETTER = SIZE * 0.58
FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI','Noto Sans',Helvetica,Arial,sans-serif"


def svg(theme: str, width: int, height: int, parts: Iterable[str]) -> str:
    """A drawing on its own paper, so that it can be read wherever it is shown."""
    colour = THEMES[theme]
    style = (
        f"text{{font:{SIZE}px {FONT};fill:{colour['text']};text-anchor:middle}}"
        f".quiet{{fill:{colour['quiet']}}}"
        f".over{{paint-order:stroke;stroke:{colour['page']};stroke-width:5px}}"
        f".box{{fill:{colour['page']};stroke:{colour['line']}}}"
        f".soft{{fill:{colour['soft']};stroke:{colour['line']}}}"
        f".life{{stroke:{colour['line']};stroke-dasharray:4 4}}"
        f".way{{fill:none;stroke:{colour['link']};stroke-width:1.5}}.tip{{fill:{colour['link']}}}"
    )
    inner = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}">\n<style>{style}</style>\n'
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" class="box"/>\n'
        f"{inner}\n</svg>\n"
    )


def lines_of(text: str, width: float) -> list[str]:
    """`text` in lines that fit into `width`."""
    return wrap(text, int(width / WIDTH_OF_LETTER), break_long_words=False, break_on_hyphens=False)


def written(lines: Iterable[str], x: float, y: float, kind: str = "") -> str:
    """Lines of text, centred on `x`; the first has its foot at `y`."""
    named = f' class="{kind}"' if kind else ""
    return "".join(
        f'<text x="{x:g}" y="{y + LINE * number:g}"{named}>{escape(line)}</text>'
        for number, line in enumerate(lines)
    )


def tip(x: float, y: float, along: str) -> str:
    """The head of an arrow that ends at a point, coming from the left, right or top."""
    back = {"left": "l-10 -5v10", "right": "l10 -5v10", "top": "l-5 -10h10"}[along]
    return f'<path d="M{x:g} {y:g}{back}z" class="tip"/>'
