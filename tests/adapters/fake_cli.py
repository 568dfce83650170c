"""A command-line agent that notes how it was called, prints a recorded stream, and ends."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes import RecordingReporter

from loop_kit.adapters.agents.command_line import Setup
from loop_kit.core.loop.state import Role
from loop_kit.ports import Assignment

STREAMS = Path(__file__).parent / "streams"

PROGRAM = """\
#!{python}
import json, os, sys
from pathlib import Path
here = Path(__file__).parent
stdin = sys.stdin.buffer.read().decode("utf-8", "replace")
call = {{"argv": sys.argv[1:], "stdin": stdin, "env": dict(os.environ), "cwd": os.getcwd()}}
(here / "call.json").write_text(json.dumps(call))
sys.stdout.buffer.write((here / "stream").read_bytes())
sys.stdout.flush()
sys.stderr.write((here / "stderr").read_text())
sys.exit({code})
"""


@dataclass(frozen=True)
class FakeCli:
    """Where the program is; `setup` makes a backend find it."""

    folder: Path
    setup: Setup

    @property
    def call(self) -> dict[str, Any]:
        """How it was called."""
        called: dict[str, Any] = json.loads((self.folder / "call.json").read_text())
        return called


def install(
    root: Path,
    name: str,
    stream: str | bytes = b"",
    code: int = 0,
    stderr: str = "",
    **setup: Any,
) -> FakeCli:
    """Install a program `name` that prints a recorded stream, or these bytes."""
    folder = root / "bin"
    folder.mkdir(parents=True)
    program = folder / name
    program.write_text(PROGRAM.format(python=sys.executable, code=code))
    program.chmod(0o755)
    raw = stream if isinstance(stream, bytes) else (STREAMS / f"{stream}.jsonl").read_bytes()
    (folder / "stream").write_bytes(raw)
    (folder / "stderr").write_text(stderr)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(root)}
    extra = setup.pop("environment", {})
    return FakeCli(folder, Setup(environment={**environment, **extra}, logs=root / "logs", **setup))


def job(root: Path, role: Role = Role.WORKER, **more: Any) -> Assignment:
    """An attempt in `root`, with its folders made."""
    for name in ("workspace", "mailbox"):
        (root / name).mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {
        "role": role, "task_id": "T-001", "round": 2, "attempt": 1, "base_sha": "b" * 40,
        "workspace": root / "workspace", "mailbox": root / "mailbox",
        "report": root / "mailbox" / f"{'work' if role is Role.WORKER else 'review'}_report.json",
        "prompt": "Do it.\n--with dashes and ümlauts", "timeout": 60.0, "artifact_timeout": 0,
    }  # fmt: skip
    return Assignment(**{**known, **more})


__all__ = ["FakeCli", "RecordingReporter", "install", "job"]
