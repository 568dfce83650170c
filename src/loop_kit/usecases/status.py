"""The status of the local loop, from its files. Changes nothing.

A command that must start fast uses it: it reads the state as plain JSON and imports nothing heavy.
"""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loop_kit.adapters.loop_dir.context_folder import NAMES, ContextFolder, Presence
from loop_kit.adapters.loop_dir.heartbeat import ROLES, heartbeat_path
from loop_kit.adapters.loop_dir.loop_folder import loop_folder, read_plain, repository_root
from loop_kit.adapters.loop_dir.loop_lock import is_held
from loop_kit.core.briefing.knowledge import HIGH_CONFIDENCE, KINDS, Kind, is_stale
from loop_kit.core.loop.approval_text import approval_text
from loop_kit.core.loop.overview import (
    finding_lines,
    round_lines,
    running_line,
    usage_line,
    waiting_lines,
)
from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen
from loop_kit.usecases.next_steps import read_next_steps

_BUS = ("task_card", "work_report", "review_request", "review_report", "fix_list")
_FIELDS = ("state", "round", "task_id", "outcome", "reasons", "error", "resume_phase", "sandbox")
_MAX_STATE = 16 * 1024 * 1024


@frozen
class ContextFile:
    """One context file: whether it can be read, and how many entries it has."""

    presence: Presence
    counts: Mapping[str, int]


@frozen
class LoopStatus:
    """What the files of the loop say.

    Attributes:
        fields: The fields of the state, the open findings and the usage; any JSON value each.
        round: The recorded round; when all are used, one that never began.
        bus_files: Which of the files between the roles exist.
        context: The context files by name.
        heartbeats: Which roles have a heartbeat file.
        warning: Why the state could not be read, so that the loop counts as idle.
        approved_by: Who approved it, in words; None where that is not so, or not recorded.
        overview: The loop in a few lines, each with its title: what it is about, what it costs,
            what is open.
        next_steps: What a person types, with what to know about it.
        is_running: Whether a run holds the loop now.
    """

    fields: Mapping[str, Any]
    round: object
    bus_files: Mapping[str, bool]
    context: Mapping[str, ContextFile]
    heartbeats: Mapping[str, bool]
    warning: str | None
    approved_by: str | None
    overview: Mapping[str, Sequence[str]]
    next_steps: Sequence[str]
    is_running: bool


def loop_status(cwd: Path, loop_dir: str) -> LoopStatus:
    """The status of the loop whose folder is `loop_dir`."""
    root = repository_root(cwd)
    folder = loop_folder(root, loop_dir)
    state, warning = read_state_fields(folder / "state.json")
    if not folder.is_dir() and not (root / ".git").exists():
        warning = f"{cwd} is in no git repository. Change to yours, or: git init"
    is_running = is_held(folder / "lock")
    return LoopStatus(
        fields=_fields(state),
        round=state.get("round") or 0,
        bus_files={name: (folder / f"{name}.json").is_file() for name in _BUS},
        context=_context(folder),
        heartbeats={role: heartbeat_path(folder, role).is_file() for role in ROLES},
        warning=warning,
        approved_by=_approved_by(state),
        overview=_overview(folder, state),
        next_steps=_next_steps(folder, state, is_running=is_running),
        is_running=is_running,
    )


def _overview(folder: Path, state: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    if not state.get("task_id"):
        return {}
    used = usage_line(state)
    card, _ = read_state_fields(folder / "task_card.json")
    is_its_card = card.get("task_id") == state["task_id"] and card.get("goal")
    return {
        "Goal": [one_line(str(card["goal"]))] if is_its_card else [],
        "Used": [used] if used else [],
        "Waiting for": waiting_lines(state),
        "Rounds": round_lines(state),
        "Open findings": finding_lines(state),
    }


def _next_steps(folder: Path, state: Mapping[str, Any], *, is_running: bool) -> Sequence[str]:
    """What the last run said; where one was killed before it could, how to continue."""
    if is_running:
        who = running_line(state, time.time())
        return [f"Nothing: it is running. {who or 'Between two agents'}.", "  loop status --watch"]
    said = read_next_steps(folder, state.get("seq"))
    if not said and state.get("waiting_for"):
        task_id = shlex.quote(one_line(str(state.get("task_id")), 80))
        sees = "Nothing: the checks decide it, and CI continues it. To see it then:"
        return [sees, f"  loop fetch {task_id} --force"]
    is_due = state.get("state") in {"awaiting_work", "awaiting_review"} or state.get("resume_phase")
    if said or not state.get("task_id") or not is_due:
        return said
    return ["Continue with:", "  loop run --auto-dispatch --resume"]


def read_state_fields(path: Path) -> tuple[Mapping[str, Any], str | None]:
    """The state as plain JSON, or an empty one and the reason."""
    try:
        raw = read_plain(path, _MAX_STATE)
        if raw is None:
            return {}, None
        state = json.loads(raw.decode("utf-8-sig"))
        json.dumps(state, ensure_ascii=False).encode()  # a lone surrogate cannot be printed
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"{path} cannot be read ({str(error)[:120]}): shown as idle."
    if not isinstance(state, dict):
        return {}, f"{path} is not an object: shown as idle."
    return state, None


def _fields(state: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = {key: state.get(key) for key in _FIELDS}
    fields["state"] = fields["state"] or "idle"
    fields["round"] = fields["round"] or 0
    findings = state.get("findings")
    entries = findings if isinstance(findings, list) else []
    fields["findings_open"] = [
        entry.get("id")
        for entry in entries
        if isinstance(entry, dict) and entry.get("status", "open") == "open"
    ]
    return {**fields, "usage": state.get("usage")}


def _approved_by(state: Mapping[str, Any]) -> str | None:
    """Who approved the loop; the state may be damaged, so nothing in it is relied on."""
    history = state.get("history")
    last = history[-1] if isinstance(history, list) and history else None
    reviews = last.get("reviews") if isinstance(last, dict) else None
    if state.get("outcome") != "approved" or not isinstance(reviews, list):
        return None
    rows = [row for row in reviews if isinstance(row, dict)]
    names = ("reviewer", "decision", "why")
    return approval_text([tuple(str(row.get(n) or "") for n in names) for row in rows])


def _context(folder: Path) -> Mapping[str, ContextFile]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    files = ContextFolder(folder)
    known = files.everything(now)
    sure = sum((entry.confidence or 0) >= HIGH_CONFIDENCE for entry in known.patterns)
    stale = sum(is_stale(entry.last_verified, now) for entry in known.patterns)
    entries = len(known.patterns)
    counts: dict[Kind, dict[str, int]] = {
        "facts": {"facts": len(known.facts)},
        "pitfalls": {"pitfalls": len(known.pitfalls)},
        "patterns": {"entries": entries, "high_confidence": sure, "stale": stale},
    }
    return {NAMES[kind]: ContextFile(files.presence(kind), counts[kind]) for kind in KINDS}
