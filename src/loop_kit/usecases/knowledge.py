"""Lists what the loops of this repository have learned, and maintains it.

Changing it takes the loop's lock: a run learns too, and neither may lose what the other wrote. This
module imports nothing heavy.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loop_kit.adapters.loop_dir.context_folder import NAMES, ContextFolder
from loop_kit.adapters.loop_dir.loop_folder import loop_folder, repository_root
from loop_kit.adapters.loop_dir.loop_lock import exclusive
from loop_kit.core.briefing.knowledge import (
    MAX_CATEGORY,
    MAX_SOURCE,
    MAX_TEXT,
    Entry,
    Kind,
    is_stale,
)
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadSetting
from loop_kit.frozen import frozen

if TYPE_CHECKING:
    from loop_kit.core.briefing.knowledge_files import CleanedFile


@frozen
class KnownEntry:
    """An entry with a category; a stale one was not verified for too long to be trusted."""

    entry: Entry
    is_stale: bool


@frozen
class AddedPattern:
    """A pattern as it was recorded, in which file, and how many patterns that has now."""

    pattern: Entry
    path: Path
    count: int


def known_entries(cwd: Path, loop_dir: str, category: str | None) -> Sequence[KnownEntry]:
    """All facts, pitfalls and patterns of the category, or of every one."""
    now = _now()
    entries = _files(cwd, loop_dir).everything(now).entries
    named = [replace(entry, category=entry.category or entry.kind) for entry in entries]
    rows = [entry for entry in named if category in {None, entry.category}]
    rows.sort(key=lambda entry: (entry.kind, entry.category, entry.text))
    return [
        KnownEntry(entry, entry.kind == "patterns" and is_stale(entry.last_verified, now))
        for entry in rows
    ]


def add_pattern(
    cwd: Path, loop_dir: str, text: str, category: str, confidence: float, source: str
) -> AddedPattern:
    """Add a pattern, or update an existing one.

    Raises:
        BadSetting: a text is empty or too long.
        BadBusFile: the file is damaged; nothing is written.
    """
    now = _now()
    pattern = Entry(
        "patterns",
        _line("pattern", text, MAX_TEXT),
        category=_line("category", category, MAX_CATEGORY),
        confidence=confidence,
        source=_line("source", source, MAX_SOURCE),
        source_version=now,
        last_verified=now,
    )
    files = _files(cwd, loop_dir)
    with exclusive(files.folder / "lock"):
        count = files.add(pattern)
    return AddedPattern(pattern, files.path("patterns"), count)


def prune_patterns(cwd: Path, loop_dir: str, older_than_days: int) -> "Mapping[str, CleanedFile]":
    """Remove patterns that were added or verified too long ago; returns the files by name.

    Raises:
        BadBusFile: a file is damaged; nothing is written.
    """
    files = _files(cwd, loop_dir)
    with exclusive(files.folder / "lock"):
        return _by_name(files.prune(older_than_days, _now()))


def remove_duplicates(cwd: Path, loop_dir: str) -> "Mapping[str, CleanedFile]":
    """Remove duplicates; of equal patterns the most certain stays; returns the files by name.

    Raises:
        BadBusFile: a file is damaged; nothing is written.
    """
    files = _files(cwd, loop_dir)
    with exclusive(files.folder / "lock"):
        return _by_name(files.dedupe())


def _by_name(cleaned: "Mapping[Kind, CleanedFile]") -> "Mapping[str, CleanedFile]":
    return {NAMES[kind]: file for kind, file in cleaned.items()}


def _line(name: str, text: str, limit: int) -> str:
    line = one_line(text, limit * 4)
    if not line:
        raise BadSetting(f"--{name} is empty.", "Write visible text.")
    if len(line) > limit:
        raise BadSetting(f"--{name} is longer than {limit} characters.", "Shorten it.")
    return line


def _files(cwd: Path, loop_dir: str) -> ContextFolder:
    return ContextFolder(loop_folder(repository_root(cwd), loop_dir))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
