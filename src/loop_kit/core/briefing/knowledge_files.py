"""Rewrites the files of `core.briefing.knowledge` line by line, so that nothing else changes.

Headings, comments, lines that are no entry, unknown keys of a pattern and everything that people
wrote stay as they are, byte for byte. What is removed is named by the function that removes it.
"""

import json
from collections.abc import Iterable, Sequence
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
from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen


@frozen
class CleanedFile:
    """A file's text after a removal: how many entries were removed and how many remain."""

    text: str
    removed: int
    remaining: int


def pitfalls_md(old_text: str, knowledge: Knowledge) -> str:
    """`old_text` with new pitfalls at its end and without lessons that were dropped."""
    wanted = {entry.text for entry in knowledge.pitfalls}
    lines, have = [], set()
    for line, text in markdown_lines(old_text):
        entry = Entry("pitfalls", one_line(text, MAX_TEXT))
        if entry.text and entry.text not in wanted and is_lesson(entry):
            continue
        have.add(entry.text)
        lines.append(line)
    new = [f"- {entry.text}" for entry in knowledge.pitfalls if entry.text not in have]
    return _join(lines, new)


def patterns_jsonl(knowledge: Knowledge, old_text: str = "") -> str:
    """`old_text` with new and newly verified patterns at its end, without dropped lessons."""
    wanted = {entry.identity: entry for entry in knowledge.patterns}
    found = list(pattern_lines(old_text))
    unchanged = {
        pattern.identity for _, _, pattern in found if pattern and _matches(pattern, wanted)
    }
    lines: list[str] = []
    old: dict[tuple[str, str], dict[str, Any]] = {}
    for line, record, pattern in found:
        if pattern is None or pattern.identity in unchanged:
            lines.append(line)
        elif pattern.identity in wanted:
            old[pattern.identity] = record
        elif not is_lesson(pattern):
            lines.append(line)
    changed = [entry for entry in wanted.values() if entry.identity not in unchanged]
    return _join(lines, [_record(entry, old.get(entry.identity, {})) for entry in changed])


def _matches(pattern: Entry, wanted: dict[tuple[str, str], Entry]) -> bool:
    """Whether a line has the wanted entry; its confidence before it went stale does not matter."""
    entry = wanted.get(pattern.identity)
    return (
        entry is not None
        and pattern.last_verified == entry.last_verified
        and (pattern.confidence or 0) >= (entry.confidence or 0)
    )


def with_pattern(old_text: str, entry: Entry) -> str:
    """`old_text` with the pattern `entry` at its end; lines with the same pattern are removed."""
    lines = [
        line
        for line, _, pattern in pattern_lines(old_text)
        if pattern is None or pattern.identity != entry.identity
    ]
    return _join(lines, [_record(entry, {})])


def _record(entry: Entry, old: dict[str, Any]) -> str:
    """The line for the pattern `entry`; other keys of `old` are preserved."""
    fields: dict[str, Any] = {"pattern": entry.text, "category": entry.category}
    fields |= {"confidence": entry.confidence or 0.0, "last_verified": entry.last_verified}
    fields |= {"source": entry.source} if entry.source else {}
    fields |= {"source_version": entry.source_version} if entry.source_version else {}
    return json.dumps({**old, **fields}, ensure_ascii=False)


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
    for line, record, pattern in pattern_lines(text):
        if pattern is None:
            yield line, (), 0.0
        else:
            names = (record["category"].strip(), record["pattern"].strip())
            yield line, names, pattern.confidence or 0.0


def prune(kind: Kind, text: str, older_than_days: int, now: str) -> CleanedFile:
    """`text` without patterns whose newest date is over `older_than_days` days before `now`.

    What has no date is never too old: facts, pitfalls, and patterns without one.
    """
    if kind != "patterns":
        return CleanedFile(text, 0, sum(1 for _, entry in markdown_lines(text) if entry))
    oldest = (seconds(now) or 0) - older_than_days * DAY
    lines, removed, entries = [], 0, 0
    for line, _, pattern in pattern_lines(text):
        if pattern is not None and _date(pattern, default=oldest) < oldest:
            removed += 1
            continue
        entries += pattern is not None
        lines.append(line)
    return CleanedFile("\n".join(lines), removed, entries)


def _date(entry: Entry, default: int) -> int:
    dates = (seconds(entry.source_version), seconds(entry.last_verified))
    return max((date for date in dates if date is not None), default=default)
