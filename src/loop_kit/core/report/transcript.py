"""A readable transcript in steps: when, what the agent did, and on what."""

import re
from collections.abc import Mapping, Sequence

from loop_kit.core.report.colours import cut_line
from loop_kit.core.text.sanitize import one_line, visible
from loop_kit.frozen import frozen

MAX_STEPS = 1_200
_MAX_HEAD = 200
_STEP = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)Z (?:([A-Z][a-z]{1,19}): )?(.*)", re.DOTALL)
_KINDS: Mapping[str, str] = {
    "Message": "message",
    "Running": "command",
    **dict.fromkeys(("Editing", "Writing", "Committing"), "edit"),
}


@frozen
class Step:
    """One step; `rest` is what is folded of a long one, `kind` how it is coloured."""

    time: str
    verb: str
    head: str
    rest: str = ""
    kind: str = ""


def steps(text: str) -> list[Step]:
    """The steps of a transcript; of very many the middle ones are counted only."""
    grouped: list[list[str]] = []
    for line in visible(text).rstrip("\n").split("\n"):
        if _STEP.match(line) or not grouped:
            grouped.append([])
        grouped[-1].append(cut_line(line))
    more = len(grouped) - MAX_STEPS
    if more <= 0:
        return [_step(lines) for lines in grouped]
    first, last = grouped[: MAX_STEPS // 2], grouped[-MAX_STEPS // 2 :]
    gap = Step("", "", f"… {more} steps are left out here")
    return [*map(_step, first), gap, *map(_step, last)]


def _step(lines: Sequence[str]) -> Step:
    found = _STEP.match(lines[0])
    time, verb, first = (found[1], found[2] or "", found[3]) if found else ("", "", lines[0])
    whole = "\n".join([first, *lines[1:]])
    is_long = len(lines) > 1 or len(first) > _MAX_HEAD
    head = one_line(first, _MAX_HEAD) if is_long else first
    return Step(time, verb, head, whole if is_long else "", _KINDS.get(verb, ""))
