"""Heartbeat files `runtime/<role>.heartbeat.json`: alive while young enough. No heavy imports.

Only the file's age counts (anybody can write its content), and a file from the future counts as
new: clocks of two machines differ.
"""

import json
import os
import time
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import read_plain, write_atomically
from loop_kit.frozen import frozen

ROLES = ("worker", "reviewer")


@frozen
class Health:
    """Whether a role is alive, and the reason."""

    alive: bool
    reason: str
    age: float | None = None
    pid: int | None = None


def heartbeat_path(folder: Path, role: str) -> Path:
    """The heartbeat file of `role`."""
    return folder / "runtime" / f"{role}.heartbeat.json"


def beat(folder: Path, role: str, task_id: str = "", round_: int | None = None) -> None:
    """Record that `role` is alive now."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    content: dict[str, object] = {"role": role, "pid": os.getpid(), "updated_at": stamp}
    content["cwd"] = str(Path.cwd())
    if task_id:
        content |= {"task_id": task_id, "round_num": round_, "timestamp": stamp}
    raw = (json.dumps(content) + "\n").encode()
    write_atomically(heartbeat_path(folder, role), raw, durable=False)


def health(folder: Path, role: str, ttl: float) -> Health:
    """Whether the heartbeat of `role` is at most `ttl` seconds old."""
    path = heartbeat_path(folder, role)
    try:
        age = max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return Health(alive=False, reason="missing")
    pid = _pid(path)
    if age > ttl:
        return Health(alive=False, reason=f"stale: age={age:.1f}s > ttl={ttl:g}s", age=age, pid=pid)
    return Health(alive=True, reason=f"alive (pid={pid}, age={age:.1f}s)", age=age, pid=pid)


def _pid(path: Path) -> int | None:
    try:
        content = json.loads(read_plain(path, 64 * 1024) or b"")
    except (ValueError, RecursionError):
        return None
    pid = content.get("pid") if isinstance(content, dict) else None
    return pid if isinstance(pid, int) else None
