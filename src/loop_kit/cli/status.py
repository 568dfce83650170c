"""`loop status`: where the loop stands. It reads JSON by hand, because it must answer at once."""

import json
from pathlib import Path
from typing import Any

import typer

from loop_kit.adapters.loop_folder import loop_folder, repository_root

_BUS = ("task_card", "work_report", "review_request", "review_report", "fix_list")
_SHOWN = ("state", "round", "task_id", "outcome", "reasons", "error", "resume_phase")
_ROLES = ("worker", "reviewer")


def status(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: str = typer.Option(".loop", help="The loop's folder, relative to the repository."),
) -> None:
    """Show where the loop stands."""
    folder = loop_folder(repository_root(Path.cwd()), loop_dir)
    state = _read(folder / "state.json")
    files = {name: (folder / f"{name}.json").is_file() for name in _BUS}
    beats = {r: (folder / "runtime" / f"{r}.heartbeat.json").is_file() for r in _ROLES}
    if as_json:
        typer.echo(json.dumps(_summary(state, files), indent=2, ensure_ascii=False))
        return
    typer.echo(f"State: {state.get('state') or 'idle'}")
    typer.echo(f"Round: {state.get('round') or 0}")
    if state.get("task_id"):
        typer.echo(f"Task ID: {state['task_id']}")
    if state.get("outcome"):
        typer.echo(f"Outcome: {state['outcome']}")
    typer.echo("Bus files:")
    for name, exists in files.items():
        typer.echo(f"  {name}.json: {'EXISTS' if exists else 'missing'}")
    typer.echo("Heartbeats:")
    for role, exists in beats.items():
        typer.echo(f"  {role}: {'EXISTS' if exists else 'missing'}")


def _summary(state: dict[str, Any], files: dict[str, bool]) -> dict[str, Any]:
    shown = {key: state.get(key) for key in _SHOWN}
    shown["state"] = shown["state"] or "idle"
    shown["round"] = shown["round"] or 0
    findings = state.get("findings")
    entries = findings if isinstance(findings, list) else []
    shown["findings_open"] = [
        entry.get("id")
        for entry in entries
        if isinstance(entry, dict) and entry.get("status", "open") == "open"
    ]
    return {**shown, "usage": state.get("usage"), "bus_files": files}


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        state = json.loads(path.read_text("utf-8-sig"))
        json.dumps(state, ensure_ascii=False).encode()  # a lone surrogate cannot be shown
    except (OSError, ValueError, RecursionError) as error:
        typer.echo(f"Warning: {path} cannot be read ({str(error)[:120]}): shown as idle.", err=True)
        return {}
    if not isinstance(state, dict):
        typer.echo(f"Warning: {path} is not an object: shown as idle.", err=True)
        return {}
    return state
