"""The knowledge files in `<loop-dir>/context`. Used by commands that start fast: no heavy imports.

A file that is a link, a folder, not UTF-8 or over 4 MiB is damaged: a reader gets an empty one, and
writing is refused, so that nothing unreadable is lost. Callers that write hold the loop's lock.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain, write_atomically
from loop_kit.core.briefing.knowledge import (
    KINDS,
    Entry,
    Kind,
    Knowledge,
    Lesson,
    learn,
    parse,
    pattern_lines,
    read_knowledge,
)
from loop_kit.errors import BadBusFile
from loop_kit.frozen import frozen

if TYPE_CHECKING:
    from loop_kit.core.briefing.knowledge_files import CleanedFile

NAMES: dict[Kind, str] = {
    "facts": "project_facts.md",
    "pitfalls": "pitfalls.md",
    "patterns": "patterns.jsonl",
}
MAX_FILE = 4 * 1024 * 1024

Presence = Literal["EXISTS", "missing", "unreadable"]


@frozen
class ContextFolder:
    """The context files of the loop's folder `folder`; `now` is UTC, `YYYY-MM-DDTHH:MM:SSZ`."""

    folder: Path

    def path(self, kind: Kind) -> Path:
        """The file with the entries of this kind."""
        return self.folder / "context" / NAMES[kind]

    def module_map(self) -> Path:
        """The file with the module map.

        Raises:
            BadBusFile: its folder is a link, which may lead anywhere.
        """
        self._check_folder()
        return self.folder / "context" / "module_map.json"

    def load(self, now: str) -> Knowledge:
        """What prompts may use; a damaged file counts as empty."""
        return parse(*self._readable(), now)

    def everything(self, now: str) -> Knowledge:
        """All entries, also those over the limits of a prompt; a damaged file has none."""
        return read_knowledge(*self._readable(), now)

    def presence(self, kind: Kind) -> Presence:
        """Whether the file exists and can be read."""
        try:
            return "missing" if self._read_text(kind) is None else "EXISTS"
        except BadBusFile:
            return "unreadable"

    def learn(self, lessons: Sequence[Lesson], now: str) -> int:
        """Record `lessons`; returns the number of new entries, up to two per lesson.

        Raises:
            BadBusFile: a file is damaged; nothing is written.
        """
        from loop_kit.core.briefing import knowledge_files as files

        pitfalls, patterns = self._text("pitfalls"), self._text("patterns")
        before = parse("", pitfalls, patterns, now)
        after = learn(before, lessons, now)
        self._write("pitfalls", pitfalls, files.pitfalls_md(pitfalls, after))
        self._write("patterns", patterns, files.patterns_jsonl(after, patterns))
        known = {(entry.kind, *entry.identity) for entry in before.entries}
        return sum((entry.kind, *entry.identity) not in known for entry in after.entries)

    def add(self, pattern: Entry) -> int:
        """Record `pattern`, replacing what was recorded of it; returns the number of patterns.

        Raises:
            BadBusFile: the file is damaged; nothing is written.
        """
        from loop_kit.core.briefing import knowledge_files as files

        old = self._text("patterns")
        new = files.with_pattern(old, pattern)
        self._write("patterns", old, new)
        return sum(pattern is not None for _, _, pattern in pattern_lines(new))

    def dedupe(self) -> "dict[Kind, CleanedFile]":
        """Remove duplicates.

        Raises:
            BadBusFile: a file is damaged; nothing is written.
        """
        from loop_kit.core.briefing import knowledge_files as files

        texts = {kind: self._text(kind) for kind in KINDS}
        return self._swept(texts, {kind: files.dedupe(kind, texts[kind]) for kind in KINDS})

    def prune(self, older_than_days: int, now: str) -> "dict[Kind, CleanedFile]":
        """Remove patterns whose newest date is over `older_than_days` days before `now`.

        Raises:
            BadBusFile: a file is damaged; nothing is written.
        """
        from loop_kit.core.briefing import knowledge_files as files

        texts = {kind: self._text(kind) for kind in KINDS}
        swept = {kind: files.prune(kind, texts[kind], older_than_days, now) for kind in KINDS}
        return self._swept(texts, swept)

    def _swept(
        self, old: dict[Kind, str], new: "dict[Kind, CleanedFile]"
    ) -> "dict[Kind, CleanedFile]":
        for kind, swept in new.items():
            self._write(kind, old[kind], swept.text)
        return new

    def _readable(self) -> tuple[str, str, str]:
        """The texts of the three files, '' for a damaged one."""
        texts: dict[Kind, str] = dict.fromkeys(KINDS, "")
        for kind in KINDS:
            with contextlib.suppress(BadBusFile):
                texts[kind] = self._text(kind)
        return texts["facts"], texts["pitfalls"], texts["patterns"]

    def _text(self, kind: Kind) -> str:
        return self._read_text(kind) or ""

    def _read_text(self, kind: Kind) -> str | None:
        self._check_folder()
        path = self.path(kind)
        remedy = "Fix it or move it away, then run again."
        try:
            raw = read_plain(path, MAX_FILE)
            return None if raw is None else raw.decode("utf-8")
        except BusFileUnreadable as error:
            raise BadBusFile(f"{path}: {error}.", remedy) from None
        except UnicodeDecodeError:
            raise BadBusFile(f"{path} is not UTF-8.", remedy) from None

    def _check_folder(self) -> None:
        folder = self.folder / "context"
        if folder.is_symlink():
            raise BadBusFile(
                f"{folder} is a link.", "Put a folder in its place.", anchor="folder-in-the-way"
            )

    def _write(self, kind: Kind, old: str, new: str) -> None:
        """Write a changed file; a lone surrogate can only be in JSON, where its escape is equal."""
        if new != old:
            write_atomically(self.path(kind), new.encode("utf-8", "backslashreplace"))
