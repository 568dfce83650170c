"""`loop status`: the state of the loop. It reads JSON by hand, because it must start fast."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from loop_kit.adapters.loop_dir.loop_folder import loop_folder, read_plain, repository_root
from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR

_BUS = ("task_card", "work_report", "review_request", "review_report", "fix_list")
_FIELDS = ("state", "round", "task_id", "outcome", "reasons", "error", "resume_phase")
_ROLES = ("worker", "reviewer")
_MAX_STATE = 16 * 1024 * 1024


def status(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show the state of the loop."""
    folder = loop_folder(repository_root(Path.cwd()), loop_dir)
    state = _read_state(folder / "state.json")
    files = {name: (folder / f"{name}.json").is_file() for name in _BUS}
    beats = {r: (folder / "runtime" / f"{r}.heartbeat.json").is_file() for r in _ROLES}
    context = _context(folder)
    if as_json:
        files_read = {name: found.as_json() for name, found in context.items()}
        summary = {**_summary(state, files), "context": files_read}
        typer.echo(json.dumps(summary, indent=2))
        return
    typer.echo(f"State: {_line(state.get('state') or 'idle')}")
    typer.echo(f"Round: {_line(_last_round(state) or 0)}")
    if state.get("task_id"):
        typer.echo(f"Task ID: {_line(state['task_id'])}")
    if state.get("outcome"):
        typer.echo(f"Outcome: {_line(state['outcome'])}")
    typer.echo("Bus files:")
    for name, exists in files.items():
        typer.echo(f"  {name}.json: {'EXISTS' if exists else 'missing'}")
    typer.echo("Context files:")
    for name, found in context.items():
        counts = ", ".join(f"{key}={value}" for key, value in found.counts.items())
        typer.echo(f"  {name}: {found.presence} ({counts})")
    typer.echo("Heartbeats:")
    for role, exists in beats.items():
        typer.echo(f"  {role}.heartbeat.json: {'EXISTS' if exists else 'missing'}")


def _last_round(state: dict[str, Any]) -> object:
    """The round that a person would name: out of rounds, `round` is one that never began."""
    details = state.get("round_details")
    out_of_rounds = state.get("outcome") == "max_rounds_exhausted"
    if out_of_rounds and isinstance(details, list) and details and isinstance(details[-1], dict):
        return details[-1].get("round")
    return state.get("round")


def _line(value: object) -> str:
    from loop_kit.core.sanitize import one_line

    return one_line(str(value))


@dataclass(frozen=True, slots=True)
class _ContextFile:
    """The status of one context file: whether it exists, and how many entries it has."""

    presence: str
    counts: dict[str, int]

    def as_json(self) -> dict[str, int | bool]:
        there = self.presence != "missing"
        return {"exists": there, "readable": self.presence == "EXISTS", **self.counts}


def _context(folder: Path) -> dict[str, _ContextFile]:
    from loop_kit.adapters.loop_dir.context_folder import NAMES, ContextFolder
    from loop_kit.core.briefing.knowledge import (
        HIGH_CONFIDENCE,
        KINDS,
        Kind,
        is_stale,
    )

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
    return {NAMES[kind]: _ContextFile(files.presence(kind), counts[kind]) for kind in KINDS}


def _summary(state: dict[str, Any], files: dict[str, bool]) -> dict[str, Any]:
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
    return {**fields, "usage": state.get("usage"), "bus_files": files}


def _read_state(path: Path) -> dict[str, Any]:
    try:
        raw = read_plain(path, _MAX_STATE)
        if raw is None:
            return {}
        state = json.loads(raw.decode("utf-8-sig"))
        json.dumps(state, ensure_ascii=False).encode()  # a lone surrogate cannot be shown
    except (OSError, ValueError, RecursionError) as error:
        typer.echo(f"Warning: {path} cannot be read ({str(error)[:120]}): shown as idle.", err=True)
        return {}
    if not isinstance(state, dict):
        typer.echo(f"Warning: {path} is not an object: shown as idle.", err=True)
        return {}
    return state
