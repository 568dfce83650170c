"""`loop knowledge`: shows what the loops of this repository have learned, and maintains it.

Changing it takes the loop's lock: a run learns too, and neither may lose what the other wrote.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loop_kit.adapters.loop_dir.loop_folder import loop_folder, repository_root
from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting

if TYPE_CHECKING:
    from loop_kit.core.briefing.knowledge import Entry, Kind
    from loop_kit.core.briefing.knowledge_files import CleanedFile

_COLUMNS = ("type", "category", "text", "confidence", "source", "source_version")

knowledge = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    help="Show and maintain what the loops of this repository have learned.",
)


@knowledge.callback(invoke_without_command=True)
def knowledge_group(context: typer.Context, loop_dir: LoopDir = LOOP_DIR) -> None:
    """Show and maintain what the loops of this repository have learned."""
    context.obj = loop_dir
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


@knowledge.command("list")
def list_entries(
    context: typer.Context,
    category: str = typer.Option("", help="Only this category."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = "",
) -> None:
    """Show all facts, pitfalls and patterns."""
    from loop_kit.adapters.loop_dir.context_folder import ContextFolder
    from loop_kit.core.briefing.knowledge import is_stale

    now = _now()
    entries = ContextFolder(_folder(context, loop_dir)).everything(now).entries
    named = [replace(entry, category=entry.category or entry.kind) for entry in entries]
    rows = [entry for entry in named if category in {"", entry.category}]
    rows.sort(key=lambda entry: (entry.kind, entry.category, entry.text))
    stale = [e for e in rows if e.kind == "patterns" and is_stale(e.last_verified, now)]
    if as_json:
        documents = [_row(entry) | {"stale": entry in stale} for entry in rows]
        typer.echo(json.dumps({"entries": documents, "total": len(rows)}, indent=2))
        return
    if not rows:
        of_category = f" in the category {category!r}" if category else ""
        typer.echo(f"Nothing is known{of_category}.")
        return
    typer.echo(_table([_cells(entry) for entry in rows]))
    typer.echo(f"\nTotal entries: {len(rows)}")
    if stale:
        typer.echo(f"Not verified for 30 days, so of confidence 0: {len(stale)}")


def _row(entry: "Entry") -> dict[str, object]:
    return {
        "type": entry.kind,
        "category": entry.category,
        "text": entry.text,
        "confidence": entry.confidence,
        "source": entry.source,
        "source_version": entry.source_version,
        "last_verified": entry.last_verified,
    }


def _cells(entry: "Entry") -> list[str]:
    sure = "" if entry.confidence is None else f"{entry.confidence:.2f}"
    row = {**_row(entry), "confidence": sure}
    return [str(row[column]) for column in _COLUMNS]


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    rule = "-+-".join("-" * width for width in widths)
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in (_COLUMNS, *rows)
    ]
    return "\n".join((lines[0], rule, *lines[1:]))


@knowledge.command("add")
def add(
    context: typer.Context,
    pattern: str = typer.Option(..., help="What to know, one line."),
    category: str = typer.Option(..., help="A word to group it by."),
    confidence: float = typer.Option(..., help="How sure, 0 to 1; from 0.7 it is given to agents."),
    source: str = typer.Option(..., help="Where it comes from."),
    loop_dir: LoopDir = "",
) -> None:
    """Add a pattern, or update the confidence of an existing one."""
    from loop_kit.adapters.loop_dir.context_folder import ContextFolder
    from loop_kit.adapters.loop_dir.loop_lock import exclusive
    from loop_kit.core.briefing.knowledge import (
        MAX_CATEGORY,
        MAX_SOURCE,
        MAX_TEXT,
        Entry,
    )

    if not 0 <= confidence <= 1:
        raise typer.BadParameter(f"{confidence} is not from 0 to 1.", param_hint="--confidence")
    now = _now()
    entry = Entry(
        "patterns",
        _line("pattern", pattern, MAX_TEXT),
        category=_line("category", category, MAX_CATEGORY),
        confidence=confidence,
        source=_line("source", source, MAX_SOURCE),
        source_version=now,
        last_verified=now,
    )
    folder = _folder(context, loop_dir)
    with exclusive(folder / "lock"):
        count = ContextFolder(folder).add(entry)
    path = ContextFolder(folder).path("patterns")
    typer.echo(f"Added to {entry.category}, confidence {confidence:.2f}, source {entry.source}.")
    typer.echo(f"{path}: entries={count}")


def _line(name: str, text: str, limit: int) -> str:
    from loop_kit.core.sanitize import one_line

    line = one_line(text, limit * 4)
    if not line:
        raise BadSetting(f"--{name} is empty.", "Write visible text.")
    if len(line) > limit:
        raise BadSetting(f"--{name} is longer than {limit} characters.", "Shorten it.")
    return line


@knowledge.command("prune")
def prune(
    context: typer.Context,
    older_than: int = typer.Option(..., min=0, metavar="DAYS", help="Days since the last date."),
    loop_dir: LoopDir = "",
) -> None:
    """Remove patterns that were added or verified too long ago; what has no date stays."""
    from loop_kit.adapters.loop_dir.context_folder import ContextFolder
    from loop_kit.adapters.loop_dir.loop_lock import exclusive

    folder = _folder(context, loop_dir)
    with exclusive(folder / "lock"):
        swept = ContextFolder(folder).prune(older_than, _now())
    _report(swept)
    typer.echo(f"Removed as older than {older_than} days: {_total(swept)}")


@knowledge.command("dedupe")
def dedupe(context: typer.Context, loop_dir: LoopDir = "") -> None:
    """Remove duplicates; of equal patterns the one with the highest confidence stays."""
    from loop_kit.adapters.loop_dir.context_folder import ContextFolder
    from loop_kit.adapters.loop_dir.loop_lock import exclusive

    folder = _folder(context, loop_dir)
    with exclusive(folder / "lock"):
        swept = ContextFolder(folder).dedupe()
    _report(swept)
    typer.echo(f"Removed as duplicates: {_total(swept)}")


def _report(swept: "Mapping[Kind, CleanedFile]") -> None:
    from loop_kit.adapters.loop_dir.context_folder import NAMES

    for kind, result in swept.items():
        typer.echo(f"{NAMES[kind]}: removed={result.removed} kept={result.remaining}")


def _total(swept: "Mapping[Kind, CleanedFile]") -> int:
    return sum(result.removed for result in swept.values())


def _folder(context: typer.Context, loop_dir: str) -> Path:
    return loop_folder(repository_root(Path.cwd()), loop_dir or context.obj)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
