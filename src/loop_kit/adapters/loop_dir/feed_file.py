"""Reads the feed back: `logs/feed.jsonl` with its rotated files, the oldest line first.

It is read line by line, since another program may have written larger files. A line that is no
entry (too long, not UTF-8, not a JSON object, cut by a crash) is skipped: one bad line must not
hide the others.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, open_plain
from loop_kit.errors import BadBusFile

MAX_LINE = 1024 * 1024
_NAME = "feed.jsonl"
_OLDEST_FIRST = (".3", ".2", ".1", "")


def feed_path(logs: Path) -> Path:
    """The newest file of the feed."""
    return logs / _NAME


def feed_exists(logs: Path) -> bool:
    """Whether any file of the feed exists."""
    return any(os.path.lexists(path) for path in _parts(logs))


def events(logs: Path, name: str) -> Iterator[Mapping[str, object]]:
    """The data of each event `name`, in the order in which they were written.

    Raises:
        BadBusFile: a file of the feed is no regular file, or cannot be read.
    """
    wanted = name.encode()
    for path in _parts(logs):
        for line in _lines(path):
            if wanted in line:
                yield from _data(line, name)


def _parts(logs: Path) -> list[Path]:
    return [logs / f"{_NAME}{suffix}" for suffix in _OLDEST_FIRST]


def _data(line: bytes, name: str) -> Iterator[Mapping[str, object]]:
    try:
        entry = json.loads(line.decode())
    except (ValueError, RecursionError):
        return
    data = entry.get("data") if isinstance(entry, dict) and entry.get("event") == name else None
    if isinstance(data, dict):
        yield data


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of at most `MAX_LINE` bytes; none if the file does not exist."""
    try:
        stream = open_plain(path)
    except BusFileUnreadable as error:
        sentence = f"{path} cannot be read: {error}."
        raise BadBusFile(
            sentence, "Remove it or make it readable; a run writes a new one."
        ) from None
    if stream is None:
        return
    with stream:
        while line := stream.readline(MAX_LINE + 1):
            if line.endswith(b"\n") or len(line) <= MAX_LINE:
                yield line
                continue
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
