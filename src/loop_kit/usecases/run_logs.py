"""What the agents of a local run did, from its record; a running loop can be followed.

This module is read by a command that must start fast: it imports nothing heavy.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    loop_folder,
    open_plain,
    read_plain,
    repository_root,
)
from loop_kit.core.loop import run_names
from loop_kit.core.text.sanitize import one_line, visible
from loop_kit.errors import LoopError
from loop_kit.frozen import frozen

_PAUSE_SEC = 0.5
_MAX_JSON = 16 * 1024 * 1024
_ORDER = ("worker", "reviewer", "second_reviewer")


@frozen
class Wanted:
    """Which attempts are shown: of a role, '' for all, and of a round, 0 for all."""

    role: str = ""
    round: int = 0


class RunLogs:
    """The transcripts of the newest run in a loop's folder, or of the newest of one task."""

    def __init__(self, cwd: Path, loop_dir: str, task_id: str) -> None:
        """Look for the run.

        Raises:
            LoopError: there is none.
        """
        self._folder = loop_folder(repository_root(cwd), loop_dir)
        self._run = _newest_run(self._folder / "runs", task_id)
        self._shown: dict[Path, int] = {}

    def lines(self, wanted: Wanted) -> Iterator[str]:
        """The lines that were not given yet."""
        for attempt in sorted(_attempts(self._run, wanted), key=_sort_key):
            yield from self._attempt(attempt)

    def follow(self, wanted: Wanted) -> Iterator[str]:
        """The lines, and more as they are written, until the loop is over."""
        while True:
            is_over = _state(self._folder).get("state") not in {"awaiting_work", "awaiting_review"}
            yield from self.lines(wanted)
            if is_over:
                return
            time.sleep(_PAUSE_SEC)

    def _attempt(self, folder: Path) -> Iterator[str]:
        found = run_names.ATTEMPT.fullmatch(folder.name)
        assert found is not None  # noqa: S101
        if folder not in self._shown:
            self._shown[folder] = 0
            role = found["role"].replace("_", " ")
            yield f"== round {found['round']}, {role}, attempt {found['number']} =="
        yield from self._new_lines(folder / run_names.TRANSCRIPT)
        ended = _json(folder / run_names.RESULT)
        if ended and folder / run_names.RESULT not in self._shown:
            self._shown[folder / run_names.RESULT] = 1
            yield _ending(ended)
        yield from self._new_lines(folder / run_names.FAILURE)

    def _new_lines(self, path: Path) -> Iterator[str]:
        try:
            stream = open_plain(path)
        except BusFileUnreadable:
            return
        if stream is None:
            return
        with stream:
            stream.seek(self._shown.get(path, 0))
            for raw in stream:
                if not raw.endswith(b"\n"):
                    return
                self._shown[path] = self._shown.get(path, 0) + len(raw)
                yield visible(raw.decode("utf-8", "replace").rstrip("\n"))


def _newest_run(folder: Path, task_id: str) -> Path:
    runs = sorted((path.parent for path in folder.glob(f"*/{run_names.RUN}")), reverse=True)
    for run in runs:
        if not task_id or _json(run / run_names.RUN).get("task_id") == task_id:
            return run
    of = f" of {one_line(task_id, 80)}" if task_id else ""
    raise LoopError(
        f"There is no record of a run{of} in {folder}.",
        "Start one with `loop run --auto-dispatch`; runs of a job are artifacts of its workflow.",
        anchor="loop-not-found",
    )


def _attempts(run: Path, wanted: Wanted) -> Iterator[Path]:
    for path in run.iterdir():
        found = run_names.ATTEMPT.fullmatch(path.name)
        if found is None or (wanted.role and found["role"] != wanted.role):
            continue
        if wanted.round in {0, int(found["round"])}:
            yield path


def _sort_key(folder: Path) -> tuple[int, int, int]:
    found = run_names.ATTEMPT.fullmatch(folder.name)
    assert found is not None  # noqa: S101
    return int(found["round"]), _ORDER.index(found["role"]), int(found["number"])


def _ending(result: dict[str, Any]) -> str:
    """What an attempt was and used, on one line; the file is ours, but may be damaged."""
    who = " ".join(str(result[key]) for key in ("backend", "model") if result.get(key))
    tokens = [f"{result[key]} {key[7:]}" for key in ("tokens_in", "tokens_out") if key in result]
    known = {key: value for key, value in result.items() if isinstance(value, int | float)}
    used = [f"{known['agent_seconds']:.0f} s"] if "agent_seconds" in known else []
    if "tokens_in" in known:
        used.append(f"tokens {', '.join(tokens)}")
    if "cost_usd" in known:
        used.append(f"{known['cost_usd']:.2f} USD")
    elif "estimated_cost_usd" in known:
        used.append(f"about {known['estimated_cost_usd']:.2f} USD (estimated)")
    return one_line(f"-- {who}: {', '.join(used)}", 300)


def _state(folder: Path) -> dict[str, Any]:
    return _json(folder / "state.json")


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_plain(path, _MAX_JSON) or b"{}")
    except (BusFileUnreadable, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
