"""The files that a report is made from, as far as there is room for them on the page.

Nothing here is trusted: a file may be missing, no plain file, damaged or huge. Of a long one the
beginning and the end are shown. What is on the page is counted as it is written there, so that
neither its size nor the memory for it grows with what agents have printed.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, open_plain, read_plain
from loop_kit.core.loop import bus, run_names, run_record
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.loop.usage import AttemptRecord
from loop_kit.core.text.sanitize import visible

MAX_TEXT = 100_000
"""The characters of one file or diff on the page."""
MAX_PAGE = 6_000_000
"""The characters of all of them, as they are written in HTML."""
_MAX_JSON = 4 * 1024 * 1024
_REDACTED = "***"


class Room:
    """What is left of the page for the texts of others."""

    def __init__(self, size: int = MAX_PAGE) -> None:
        self._left = size
        self.redacted = 0
        self.is_full = False

    def take(self, text: str, limit: int = MAX_TEXT) -> str:
        """`text` as far as there is room, as it can be shown."""
        return visible(self.take_raw(text, limit))

    def take_raw(self, text: str, limit: int = MAX_TEXT) -> str:
        """`text` as far as there is room, as it is."""
        if len(text) > limit:
            text = f"{text[:limit]}\n[… {len(text) - limit} more characters]"
        cost = len(escape(text))
        if cost > self._left:
            self.is_full = True
            text = f"{text[: max(self._left, 0) // 6]}\n[… no room on this page]" if text else ""
            cost = len(escape(text))
        self._left -= cost
        self.redacted += text.count(_REDACTED)
        return text

    def charge(self, cost: int) -> None:
        """Count what is written around a text."""
        self._left -= cost

    @property
    def has_any(self) -> bool:
        """Whether there is room for more."""
        return self._left > 0


class ReportFiles:
    """The files of the loop `state`: `read` gives those on its bus, its record is below `runs`.

    Of a file that is in the record of several of these folders the first one counts.
    """

    def __init__(self, state: LoopState, read: Callable[[str], bytes | None], *runs: Path) -> None:
        self._read = read
        self._task_id = state.task_id
        name = run_record.run_folder(state)
        self._runs = [folder / name for folder in runs] if name else []

    def of_attempt(self, round_: int, role: Role, number: int, name: str) -> str:
        """A file of an attempt."""
        return self._kept(f"{run_record.attempt_folder(round_, role, number)}/{name}")

    def has_attempt(self, round_: int, attempts: Iterable[AttemptRecord]) -> bool:
        """Whether the record has one of these attempts of a round."""
        names = [run_record.attempt_folder(round_, one.role, one.number) for one in attempts]
        return any((run / name).is_dir() for run in self._runs for name in names)

    def verify_output(self, sha: str) -> str:
        """What the verify commands printed at a commit."""
        return self._kept(run_record.verify_file(sha)) if sha else ""

    def _kept(self, name: str) -> str:
        """A file of the record."""
        return next(filter(None, (read_ends(run / name) for run in self._runs)), "")

    def archived(self, round_: int, name: str) -> Mapping[str, Any]:
        """A document on the bus of a round."""
        return parse_json(self._read(bus.archive_path(self._task_id, round_, name)))

    def settings(self) -> Mapping[str, Any]:
        """The settings of the run, and where each is from."""
        kept = (parse_json(read_file(run / run_names.SETTINGS)) for run in self._runs)
        return next(filter(None, kept), {})


def read_ends(path: Path, limit: int = MAX_TEXT) -> str:
    """A file; of one that is longer than `limit` bytes the beginning and the end."""
    try:
        stream = open_plain(path)
    except (BusFileUnreadable, OSError):
        return ""
    if stream is None:
        return ""
    with stream:
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            size = stream.seek(0, 2)
            stream.seek(-(limit // 3), 2)
            tail = stream.read(limit // 3)
            head = raw[: limit - len(tail) - 100]
            left_out = size - len(head) - len(tail)
            gap = f"\n[… {left_out} bytes of {path.name} are left out here]\n".encode()
            raw = head + gap + tail
    return raw.decode("utf-8", "replace")


def read_file(path: Path) -> bytes | None:
    """A file of a sane size; None where there is none."""
    try:
        return read_plain(path, _MAX_JSON)
    except (BusFileUnreadable, OSError):
        return None


def parse_json(raw: bytes | None) -> Mapping[str, Any]:
    """The JSON object in `raw`; empty where there is none."""
    try:
        document = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
