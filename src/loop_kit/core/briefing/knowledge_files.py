"""How the files of `core.knowledge` are rewritten: line by line, so that nothing else changes.

Headings, comments, lines that are no entry, unknown keys of a pattern and everything that people
wrote stay as they are, byte for byte. What is removed is named by the function that removes it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from loop_kit.core.briefing.knowledge import (
    DAY,
    MAX_TEXT,
    Entry,
    Kind,
    Knowledge,
    is_lesson,
    markdown_lines,
    pattern_lines,
    seconds,
)
from loop_kit.core.sanitize import one_line


@dataclass(frozen=True, slots=True)
class CleanedFile:
    """A file's text after a removal: how many entries went and how many stay."""

    text: str
    removed: int
    kept: int


def pitfalls_md(old_text: str, knowledge: Knowledge) -> str:
    """`old_text` with new pitfalls at its end and without lessons that are no longer kept."""
    wanted = {entry.text for entry in knowledge.pitfalls}
    kept, have = [], set()
    for line, text in markdown_lines(old_text):
        entry = Entry("pitfalls", one_line(text, MAX_TEXT))
        if entry.text and entry.text not in wanted and is_lesson(entry):
            continue
        have.add(entry.text)
        kept.append(line)
    new = [f"- {entry.text}" for entry in knowledge.pitfalls if entry.text not in have]
    return _join(kept, new)


def patterns_jsonl(knowledge: Knowledge, old_text: str = "") -> str:
    """`old_text` with new and newly verified patterns at its end, without lessons not kept."""
    wanted = {entry.identity: entry for entry in knowledge.patterns}
    found = list(pattern_lines(old_text))
    standing = {said.identity for _, _, said in found if said and _matches(said, wanted)}
    kept: list[str] = []
    old: dict[tuple[str, str], dict[str, Any]] = {}
    for line, record, said in found:
        if said is None or said.identity in standing:
            kept.append(line)
        elif said.identity in wanted:
            old[said.identity] = record
        elif not is_lesson(said):
            kept.append(line)
    changed = [entry for entry in wanted.values() if entry.identity not in standing]
    return _join(kept, [_record(entry, old.get(entry.identity, {})) for entry in changed])


def _matches(said: Entry, wanted: dict[tuple[str, str], Entry]) -> bool:
    """Whether a line says what is wanted; how sure it was before it grew stale does not matter."""
    entry = wanted.get(said.identity)
    return (
        entry is not None
        and said.last_verified == entry.last_verified
        and (said.confidence or 0) >= (entry.confidence or 0)
    )


def with_pattern(old_text: str, entry: Entry) -> str:
    """`old_text` with the pattern `entry` at its end, instead of any line that says the same."""
    lines = [
        line
        for line, _, said in pattern_lines(old_text)
        if said is None or said.identity != entry.identity
    ]
    return _join(lines, [_record(entry, {})])


def _record(entry: Entry, old: dict[str, Any]) -> str:
    """The line for the pattern `entry`; what `old` says beside is kept."""
    said: dict[str, Any] = {"pattern": entry.text, "category": entry.category}
    said |= {"confidence": entry.confidence or 0.0, "last_verified": entry.last_verified}
    said |= {"source": entry.source} if entry.source else {}
    said |= {"source_version": entry.source_version} if entry.source_version else {}
    return json.dumps({**old, **said}, ensure_ascii=False)


def _join(lines: Sequence[str], new: Sequence[str]) -> str:
    text = "\n".join(lines)
    if new and text and not text.endswith("\n"):
        text += "\n"
    return text + "".join(f"{line}\n" for line in new)


def dedupe(kind: Kind, text: str) -> CleanedFile:
    """`text` with every entry once: the first, and of patterns the one of highest confidence."""
    found = list(_identities(kind, text))
    best: dict[tuple[str, ...], int] = {}
    for at, (_, identity, confidence) in enumerate(found):
        if identity and confidence > found[best.setdefault(identity, at)][2]:
            best[identity] = at
    stays = set(best.values())
    lines = [line for at, (line, name, _) in enumerate(found) if not name or at in stays]
    return CleanedFile("\n".join(lines), len(found) - len(lines), len(stays))


def _identities(kind: Kind, text: str) -> Iterable[tuple[str, tuple[str, ...], float]]:
    """Every line, what its whole entry is known by (nothing: no entry), and its confidence."""
    if kind != "patterns":
        for line, entry in markdown_lines(text):
            yield line, tuple(entry.split()), 0.0
        return
    for line, record, said in pattern_lines(text):
        if said is None:
            yield line, (), 0.0
        else:
            names = (record["category"].strip(), record["pattern"].strip())
            yield line, names, said.confidence or 0.0


def prune(kind: Kind, text: str, older_than_days: int, now: str) -> CleanedFile:
    """`text` without patterns whose newest date is over `older_than_days` days before `now`.

    What has no date is never too old: facts, pitfalls, and patterns that tell none.
    """
    if kind != "patterns":
        return CleanedFile(text, 0, sum(1 for _, entry in markdown_lines(text) if entry))
    oldest = (seconds(now) or 0) - older_than_days * DAY
    kept, removed, entries = [], 0, 0
    for line, _, said in pattern_lines(text):
        if said is not None and _date(said, default=oldest) < oldest:
            removed += 1
            continue
        entries += said is not None
        kept.append(line)
    return CleanedFile("\n".join(kept), removed, entries)


def _date(entry: Entry, default: int) -> int:
    dates = (seconds(entry.source_version), seconds(entry.last_verified))
    return max((date for date in dates if date is not None), default=default)
