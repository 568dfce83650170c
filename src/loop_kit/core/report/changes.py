"""What has changed from one text to the next, such as the prompts of two rounds."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from loop_kit.core.report.colours import cut_line
from loop_kit.core.report.patch import Block
from loop_kit.core.text.sanitize import visible

_MAX_COMPARED = 500
"""The lines that are compared: it takes the more than the square of their number."""
_CONTEXT = 2


def changed_blocks(before: str, after: str) -> list[Block]:
    """The lines that differ, with a little of what is around them; none where nothing does.

    Where very much differs, the old lines come before the new ones.
    """
    old, new = _lines(before), _lines(after)
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    old_middle, new_middle = old[start : len(old) - end], new[start : len(new) - end]
    if not old_middle and not new_middle:
        return []
    tail = new[len(new) - end :][:_CONTEXT]
    blocks = _block("same", new[max(start - _CONTEXT, 0) : start])
    if max(len(old_middle), len(new_middle)) > _MAX_COMPARED:
        blocks += _block("removed", old_middle) + _block("added", new_middle)
    else:
        blocks += _compared(old_middle, new_middle)
    return blocks + _block("same", tail)


def _lines(text: str) -> list[str]:
    return [cut_line(line) for line in visible(text).rstrip("\n").split("\n")]


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines at the beginning are the same."""
    pairs = zip(old, new, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(old), len(new)))


def _compared(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    blocks: list[Block] = []
    for _, a, b, c, d in SequenceMatcher(None, old, new).get_opcodes():
        if old[a:b] == new[c:d]:
            blocks += _shortened(new[c:d])
        else:
            blocks += _block("removed", old[a:b]) + _block("added", new[c:d])
    return blocks


def _shortened(lines: Sequence[str]) -> list[Block]:
    if len(lines) <= 2 * _CONTEXT + 1:
        return _block("same", lines)
    left_out = len(lines) - 2 * _CONTEXT
    middle = Block("hunk", f"… {left_out} lines that are the same")
    return [*_block("same", lines[:_CONTEXT]), middle, *_block("same", lines[-_CONTEXT:])]


def _block(kind: str, lines: Sequence[str]) -> list[Block]:
    mark = {"added": "+", "removed": "-"}.get(kind, " ")
    text = "\n".join(f"{mark}{line}" for line in lines)
    return [Block(kind, text)] if lines else []  # type: ignore[arg-type]
