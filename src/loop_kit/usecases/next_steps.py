"""How a loop is continued, in the words of its last run, for `loop status` to repeat.

The words depend on how the run was started, so they are stored and not made again. They count for
the state that they are about alone. No heavy imports.
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    read_plain,
    write_atomically,
)

_PLACE = Path("runtime") / "next_steps.json"
_MAX_BYTES = 256 * 1024


def write_next_steps(folder: Path, seq: int, lines: Sequence[str]) -> None:
    """Store `lines`, which are about the state number `seq` of the loop in `folder`."""
    if read_next_steps(folder, seq) == list(lines):
        return
    document = {"seq": seq, "lines": list(lines)}
    path = folder / _PLACE
    with contextlib.suppress(OSError):  # they were printed: no run fails for this
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(document).encode(), durable=False)


def read_next_steps(folder: Path, seq: object) -> list[str]:
    """The lines that are about the state number `seq`; none where there are no such."""
    try:
        raw = read_plain(folder / _PLACE, _MAX_BYTES)
        document = json.loads(raw or b"{}")
    except (OSError, ValueError, RecursionError, BusFileUnreadable):
        return []
    if not isinstance(document, dict) or document.get("seq") != seq:
        return []
    lines = document.get("lines")
    return [str(line) for line in lines] if isinstance(lines, list) else []
