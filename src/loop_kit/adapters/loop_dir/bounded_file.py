"""A file that grows to a limit, for what people may look at and nobody depends on."""

import os
from pathlib import Path

MAX_FILE = 16 * 1024 * 1024
CUT = b"\n[the rest is not kept]\n"


class BoundedFile:
    """A file that grows to a limit and says so; where it cannot be written it is given up."""

    def __init__(self, path: Path, limit: int = MAX_FILE) -> None:
        self._path = path
        self._left = limit

    def append(self, data: bytes) -> None:
        """Add what still fits."""
        if self._left <= 0 or not data:
            return
        kept = data if len(data) <= self._left else data[: self._left] + CUT
        self._left -= len(data)
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            flags |= getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(self._path, flags, 0o644), "ab") as stream:
                stream.write(kept)
        except OSError:
            self._left = 0
