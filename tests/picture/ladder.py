"""Draws what goes from one to another, in its order: a column for each, an arrow for each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.picture.drawing import LINE, MARGIN, SIZE, WIDTH_OF_LETTER, lines_of, svg, tip, written

HEAD, GAP, LOOP = 50, 16, 26


class Step(NamedTuple):
    """One arrow: from which column to which, and what it says."""

    source: int
    target: int
    text: str


def ladder(theme: str, columns: Sequence[str], steps: Sequence[Step], pitch: int) -> str:
    """The picture, with columns `pitch` apart."""
    width = MARGIN * 2 + pitch * len(columns)
    centres = [MARGIN + pitch * number + pitch // 2 for number in range(len(columns))]
    drawn, top = [], MARGIN + HEAD + GAP
    for step in steps:
        made, top = _step(step, centres, width, top)
        drawn.append(made)
    heads = [
        _column(name, centre, pitch, top) for name, centre in zip(columns, centres, strict=True)
    ]
    return svg(theme, width, top + MARGIN, [*heads, *drawn])


def words(columns: Sequence[str], steps: Sequence[Step]) -> str:
    """The picture in words."""
    return "; ".join(
        f"{columns[step.source]}: {step.text}"
        if step.source == step.target
        else f"{columns[step.source]} to {columns[step.target]}: {step.text}"
        for step in steps
    )


def _column(name: str, centre: int, pitch: int, end: int) -> str:
    """A head with its line down to `end`."""
    half, lines = pitch // 2 - 5, lines_of(name, pitch - 12)
    foot = MARGIN + HEAD / 2 + 5 - (len(lines) - 1) * LINE / 2
    return (
        f'<path d="M{centre} {MARGIN + HEAD}V{end}" class="life"/>'
        f'<rect x="{centre - half}" y="{MARGIN}" width="{half * 2}" height="{HEAD}" rx="6"'
        f' class="soft"/>{written(lines, centre, foot)}'
    )


def _step(step: Step, centres: Sequence[int], width: int, top: int) -> tuple[str, int]:
    """An arrow below its text, which begins at `top`; and where the next one begins."""
    start, end = centres[step.source], centres[step.target]
    lines = lines_of(step.text, width - 4 * MARGIN)
    half = max(map(len, lines)) * WIDTH_OF_LETTER / 2 + MARGIN / 2
    middle = min(max((start + end) / 2, half), width - half)
    text, y = written(lines, middle, top + SIZE, "over"), top + LINE * len(lines) + 4
    if start == end:
        way = f"M{start} {y}h{LOOP}v12h{8 - LOOP}"
        return f'{text}<path d="{way}" class="way"/>{tip(start, y + 12, "right")}', y + 12 + GAP
    back = -8 if end > start else 8
    way, side = f"M{start} {y}H{end + back}", "left" if end > start else "right"
    return f'{text}<path d="{way}" class="way"/>{tip(end, y, side)}', y + GAP
