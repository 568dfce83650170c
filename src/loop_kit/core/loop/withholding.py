"""Takes texts out of what the state branch is to hold, where the git server finds a secret in them.

A review may quote what an agent should never have written. The server names the files and lines;
the texts there are replaced by a marker wherever they are, in the files and in the state. Where it
names none, every free text is replaced. The task card is never changed: it is a person's.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from loop_kit.core.loop import bus
from loop_kit.core.loop.push_refusal import Place
from loop_kit.core.loop.state import LoopState
from loop_kit.patterns import late_pattern

MARKER = "[removed: the git server finds a secret in this text]"
_SHORTEST = 12
_VALUE = late_pattern(r'^\s*(?:"(?:[^"\\]|\\.)*":\s*)?("(?:[^"\\]|\\.)*"),?\s*$')
_FREE = frozenset(
    {"reason", "required_change", "scenario", "summary", "notes", "note", "evidence", "feedback"}
    | {"worker_notes", "tail", "error", "commits", "description", "message", "why", "non_blocking"}
)

Texts = Collection[str] | None
"""The texts to replace; None stands for every free text."""


def texts_at(files: Mapping[str, bytes | None], places: Iterable[Place]) -> tuple[str, ...]:
    """The texts on these lines of the files."""
    found: list[str] = []
    for place in places:
        lines = (files.get(place.path) or b"").decode("utf-8", "replace").split("\n")
        if place.path == bus.TASK_CARD or not 1 <= place.line <= len(lines):
            continue
        line = lines[place.line - 1]
        value = _VALUE.match(line)
        text = str(json.loads(value.group(1))) if value else line.strip()
        if len(text) >= _SHORTEST:
            found.append(text)
    return tuple(dict.fromkeys(found))


def withhold(name: str, content: bytes, texts: Texts) -> bytes:
    """The file `name` without these texts."""
    if name == bus.TASK_CARD:
        return content
    try:
        document = json.loads(content)
    except ValueError:
        return _withhold_lines(content, texts)
    replaced = _replace(document, texts)
    return content if replaced == document else bus.encode(replaced)


def withhold_in_state(state: LoopState, texts: Texts) -> LoopState:
    """The state without these texts."""
    return LoopState.model_validate(_replace(state.model_dump(mode="json"), texts))


def _replace(value: Any, texts: Texts, *, free: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            k: v if k == "limits" else _replace(v, texts, free=k in _FREE) for k, v in value.items()
        }
    if isinstance(value, list):
        return [_replace(item, texts, free=free) for item in value]
    if not isinstance(value, str):
        return value
    hit = free and bool(value) if texts is None else any(text in value for text in texts)
    return MARKER if hit else value


def _withhold_lines(content: bytes, texts: Texts) -> bytes:
    if texts is None:
        return f"{MARKER}\n".encode()
    lines = content.decode("utf-8", "replace").split("\n")
    kept = (MARKER if any(text in line for text in texts) else line for line in lines)
    return "\n".join(kept).encode()
