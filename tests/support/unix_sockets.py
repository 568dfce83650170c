"""A socket in the file system, however deep: an address holds 107 bytes, on macOS 103."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path


def bound(path: Path) -> socket.socket:
    """A socket at `path`, which nobody listens to yet."""
    made = socket.socket(socket.AF_UNIX)
    with contextlib.chdir(path.parent):
        made.bind(path.name)
    return made
