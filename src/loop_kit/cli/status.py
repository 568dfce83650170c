"""`loop status`: the status of the loop."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR

if TYPE_CHECKING:
    from loop_kit.usecases.status import ContextFile, LoopStatus


def status(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show the state of the loop."""
    from loop_kit.usecases.status import loop_status

    found = loop_status(Path.cwd(), loop_dir)
    if found.warning:
        typer.echo(f"Warning: {found.warning}", err=True)
    if as_json:
        typer.echo(json.dumps(_document(found), indent=2))
    else:
        _print(found)


def _document(found: "LoopStatus") -> dict[str, object]:
    context = {name: _context_document(file) for name, file in found.context.items()}
    fields = {**found.fields, "approved_by": found.approved_by}
    return {**fields, "bus_files": found.bus_files, "context": context}


def _context_document(file: "ContextFile") -> dict[str, int | bool]:
    exists, readable = file.presence != "missing", file.presence == "EXISTS"
    return {"exists": exists, "readable": readable, **file.counts}


def _print(found: "LoopStatus") -> None:
    fields = found.fields
    typer.echo(f"State: {_line(fields['state'])}")
    typer.echo(f"Round: {_line(found.round)}")
    if fields["task_id"]:
        typer.echo(f"Task ID: {_line(fields['task_id'])}")
    if fields["outcome"]:
        typer.echo(f"Outcome: {_line(fields['outcome'])}")
    for line in _stop_lines(fields):
        typer.echo(line)
    if found.approved_by:
        typer.echo(f"Approved by: {_line(found.approved_by)}")
    if fields["sandbox"]:
        typer.echo(f"Sandbox: {_line(fields['sandbox'])}")
    typer.echo("Bus files:")
    for name, exists in found.bus_files.items():
        typer.echo(f"  {name}.json: {'EXISTS' if exists else 'missing'}")
    typer.echo("Context files:")
    for name, file in found.context.items():
        counts = ", ".join(f"{key}={value}" for key, value in file.counts.items())
        typer.echo(f"  {name}: {file.presence} ({counts})")
    typer.echo("Heartbeats:")
    for role, exists in found.heartbeats.items():
        typer.echo(f"  {role}.heartbeat.json: {'EXISTS' if exists else 'missing'}")


def _stop_lines(fields: Mapping[str, Any]) -> list[str]:
    """Why a loop stopped, what is open, and how a person decides about that."""
    if not fields["outcome"] or fields["outcome"] == "approved":
        return []
    still = [_line(id_) for id_ in fields["findings_open"]]
    lines = [f"Why: {_line(fields['error'])}"] if fields["error"] else []
    if still:
        each = f"--require {still[0]}, --waive {still[0]} or --dismiss '{still[0]} because …'"
        lines += [f"Open findings: {', '.join(still)}", f"Decide: loop run --resume with {each}"]
    return lines


def _line(value: object) -> str:
    from loop_kit.core.text.sanitize import one_line

    return one_line(str(value))
