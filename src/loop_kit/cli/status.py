"""`loop status`: the status of the loop."""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR

if TYPE_CHECKING:
    from loop_kit.usecases.status import ContextFile, LoopStatus

_WATCH_SECONDS = 1
_CLEAR = "\x1b[2J\x1b[H"


def status(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    watch: bool = typer.Option(False, "--watch", help="Show it again whenever it changes."),
    is_remote: bool = typer.Option(False, "--remote", help="Show all loops of the git server."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show where the loop is, why, what it costs, and what to do."""
    if is_remote:
        _print_remote(loop_dir, as_json=as_json)
        return
    from loop_kit.usecases.status import loop_status

    found = loop_status(Path.cwd(), loop_dir)
    if found.warning:
        typer.echo(f"Warning: {found.warning}", err=True)
    if as_json:
        typer.echo(json.dumps(_document(found), indent=2))
        return
    _print(found)
    while watch and found.is_running:
        before = found
        time.sleep(_WATCH_SECONDS)
        found = loop_status(Path.cwd(), loop_dir)
        if found != before:
            typer.echo(_CLEAR if sys.stdout.isatty() else "")
            _print(found)


def _print_remote(loop_dir: str, *, as_json: bool) -> None:
    from loop_kit.usecases.remote_status import remote_status

    loops = remote_status(Path.cwd(), os.environ, loop_dir, "origin")
    if as_json:
        typer.echo(
            json.dumps([{"task_id": each.task_id, **each.fields} for each in loops], indent=2)
        )
        return
    if not loops:
        typer.echo("There is no loop on the git server.")
    for each in loops:
        typer.echo(f"{each.task_id}:")
        for line in each.lines:
            typer.echo(f"  {_visible(line)}")


def _document(found: "LoopStatus") -> dict[str, object]:
    context = {name: _context_document(file) for name, file in found.context.items()}
    fields = {**found.fields, "approved_by": found.approved_by}
    return {**fields, "bus_files": found.bus_files, "context": context}


def _context_document(file: "ContextFile") -> dict[str, int | bool]:
    exists, readable = file.presence != "missing", file.presence == "EXISTS"
    return {"exists": exists, "readable": readable, **file.counts}


def _print(found: "LoopStatus") -> None:
    for line in [*_state_lines(found), *_answer_lines(found), *_file_lines(found)]:
        typer.echo(line)


def _state_lines(found: "LoopStatus") -> list[str]:
    """Where the loop is, in the lines that users of agent-task-runner know."""
    fields = found.fields
    lines = [f"State: {_line(fields['state'])}", f"Round: {_line(found.round)}"]
    if fields["task_id"]:
        lines.append(f"Task ID: {_line(fields['task_id'])}")
    if fields["outcome"]:
        lines.append(f"Outcome: {_line(fields['outcome'])}")
    return lines


def _answer_lines(found: "LoopStatus") -> list[str]:
    """Why, what it costs, what is open, what to type."""
    fields, stopped = found.fields, found.fields["outcome"] not in {None, "", "approved"}
    lines = [f"Why: {_line(fields['error'])}"] if stopped and fields["error"] else []
    if found.approved_by:
        lines.append(f"Approved by: {_line(found.approved_by)}")
    for title, said in found.overview.items():
        lines += _titled(title, said, in_line=title in {"Goal", "Used"})
    if fields["sandbox"]:
        lines.append(f"Sandbox: {_line(fields['sandbox'])}")
    return lines + _titled("Next", found.next_steps, in_line=False)


def _titled(title: str, said: Sequence[str], *, in_line: bool) -> list[str]:
    if not said:
        return []
    if in_line:
        return [f"{title}: {_line(said[0])}"]
    return [f"{title}:", *(f"  {_visible(line)}" for line in said)]


def _file_lines(found: "LoopStatus") -> list[str]:
    lines = ["Bus files:"]
    lines += [f"  {name}.json: {_presence(there)}" for name, there in found.bus_files.items()]
    lines.append("Context files:")
    for name, file in found.context.items():
        counts = ", ".join(f"{key}={value}" for key, value in file.counts.items())
        lines.append(f"  {name}: {file.presence} ({counts})")
    lines.append("Heartbeats:")
    beats = found.heartbeats.items()
    return lines + [f"  {role}.heartbeat.json: {_presence(there)}" for role, there in beats]


def _presence(there: bool) -> str:
    return "EXISTS" if there else "missing"


def _visible(text: str) -> str:
    from loop_kit.core.text.sanitize import visible

    return visible(text)


def _line(value: object) -> str:
    from loop_kit.core.text.sanitize import one_line

    return one_line(str(value))
