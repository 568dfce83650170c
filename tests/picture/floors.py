"""Draws a house: floors on each other, the rooms of each beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.picture.drawing import LINE, MARGIN, lines_of, svg, tip, written

WIDTH, ROOM, BETWEEN = 640, 58, 30
Floors = Mapping[str, Sequence[tuple[str, str]]]
"""What each floor is for, from the top, with its rooms: name and what is in it."""


def house(theme: str, floors: Floors) -> str:
    """The picture, with an arrow from each floor to the one below."""
    drawn, top = [], MARGIN
    for number, (title, rooms) in enumerate(floors.items()):
        if number:
            drawn.append(
                f'<path d="M{WIDTH / 2:g} {top - BETWEEN + 3}v{BETWEEN - 14}" class="way"/>'
            )
            drawn.append(tip(WIDTH / 2, top - 3, "top"))
        drawn.append(_floor(title, rooms, top))
        top += LINE + ROOM + 16 + BETWEEN
    return svg(theme, WIDTH, top - BETWEEN + MARGIN, drawn)


def words(floors: Floors) -> str:
    """The picture in words."""
    return "; ".join(
        ", ".join(f"{name} ({what})" for name, what in rooms) for rooms in floors.values()
    )


def _floor(title: str, rooms: Sequence[tuple[str, str]], top: int) -> str:
    height = LINE + ROOM + 16
    drawn = (
        f'<rect x="{MARGIN}" y="{top}" width="{WIDTH - 2 * MARGIN}" height="{height}" rx="8"'
        f' class="soft"/>{written([title], WIDTH / 2, top + 18, "quiet")}'
    )
    inner = (WIDTH - 2 * MARGIN - 8) / len(rooms)
    for number, (name, what) in enumerate(rooms):
        left = MARGIN + 8 + inner * number
        lines = [name, *lines_of(what, inner - 16)]
        foot = top + LINE + 6 + ROOM / 2 + 5 - (len(lines) - 1) * LINE / 2
        drawn += (
            f'<rect x="{left:g}" y="{top + LINE + 6}" width="{inner - 8:g}" height="{ROOM}" rx="6"'
            f' class="box"/>{written(lines, left + (inner - 8) / 2, foot)}'
        )
    return drawn
