"""Which model codex used, where no setting names one.

Its stream does not say; the beginning of the conversation's record in its home does, in a
`turn_context`. An agent can write there, so what is read is a name and nothing else.
"""

import re
from itertools import islice
from pathlib import Path

from loop_kit.adapters.agents.command_line import json_object
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, open_plain

_MAX_BEGINNING = 1024 * 1024
_MAX_RECORDS = 100
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")


def used_model(home: Path, thread: str) -> str | None:
    """The model of the first turn of `thread` in the codex home `home`, or None."""
    if not thread:
        return None
    records = home.glob(f"sessions/*/*/*/rollout-*{thread}.jsonl")
    for record in islice(records, _MAX_RECORDS):
        for line in _beginning(record).split(b"\n"):
            payload = json_object(line).get("payload") if b"turn_context" in line[:200] else None
            model = payload.get("model") if isinstance(payload, dict) else None
            if isinstance(model, str) and _MODEL.fullmatch(model):
                return model
    return None


def _beginning(record: Path) -> bytes:
    try:
        stream = open_plain(record)
    except (BusFileUnreadable, OSError):
        return b""
    if stream is None:
        return b""
    with stream:
        return stream.read(_MAX_BEGINNING)
