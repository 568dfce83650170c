"""Reading the markers that `render.marker` writes: which loop a post on the forge belongs to.

A marker counts only as the whole first line of a post; further down it is a quotation. Whose post
it is, is for the caller to know: anybody can write a marker.
"""

import re
from dataclasses import dataclass

from loop_kit.core.card.task import checked_task_id

_MARKER = re.compile(r"<!-- loop-kit:(?P<task>[^:\s]{1,64}):(?P<key>[^:\s]{1,100}) -->")
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Marked:
    """What a marker says: a loop's task id and the key of one of its posts."""

    task_id: str
    key: str


def first_line(body: str) -> str:
    """The first line of a post without the spaces around it; '' when it is too long to matter."""
    line = body.partition("\n")[0]
    return line.strip() if len(line) <= _LONGEST else ""


def read_marker(body: str) -> Marked | None:
    """The marker in the first line of a post, or None; one with a bad task id is none."""
    found = _MARKER.fullmatch(first_line(body))
    if found is None:
        return None
    try:
        return Marked(checked_task_id(found["task"]), found["key"])
    except ValueError:
        return None
