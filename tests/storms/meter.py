"""Measures a `loop` process at the beginning of every round, from outside, as `crash_points` kills.

Counts and sizes alone: what time a round takes depends on who else uses the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

METER = "SOAK_METER"


def install() -> None:
    """Write a line per round: the programs started so far, and the memory in use, in pages."""
    from loop_kit.adapters.loop_dir.file_store import FileStore

    log = Path(os.environ.pop(METER))
    started = 0
    measured = 0

    class Counted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **named: Any) -> None:
            nonlocal started
            started += 1
            super().__init__(*args, **named)

    save = FileStore.save

    def saved(self: FileStore, state: Any, *args: Any, **named: Any) -> None:
        nonlocal measured
        save(self, state, *args, **named)
        if state.round > measured:
            measured = state.round
            pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
            with log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"programs": started, "pages": pages}) + "\n")

    subprocess.Popen = Counted  # type: ignore[misc]
    FileStore.save = saved  # type: ignore[method-assign]
