"""A disk that is full for one program, for root and anybody: no file may outgrow a limit."""

from __future__ import annotations

import sys
from pathlib import Path

_LIMITED = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
os.execv(sys.argv[2], sys.argv[2:])
"""


def limited(limit: int, *argv: str | Path) -> list[str | Path]:
    """The command `argv`, which can make no file longer than `limit` bytes."""
    return [sys.executable, "-c", _LIMITED, str(limit), *argv]


def fill(path: Path, limit: int) -> bytes:
    """Make a log as long as `limit` allows; returns what is in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = (b"x" * 99 + b"\n") * (limit // 100)
    path.write_bytes(content)
    return content
