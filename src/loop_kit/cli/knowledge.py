"""`loop knowledge`: shows what the loops of this repository have learned, and maintains it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.cli.grouped_help import WholeSentences
from loop_kit.core.loop_dir import LOOP_DIR

if TYPE_CHECKING:
    from loop_kit.core.briefing.knowledge import Entry
    from loop_kit.core.briefing.knowledge_files import CleanedFile

_COLUMNS = ("type", "category", "text", "confidence", "source", "source_version")

knowledge = typer.Typer(
    rich_markup_mode=None,
    cls=WholeSentences,
    add_completion=False,
    help="Show and maintain what the loops here have learned.",
)


@knowledge.callback(invoke_without_command=True)
def knowledge_group(context: typer.Context, loop_dir: LoopDir = LOOP_DIR) -> None:
    """Show and maintain what the loops here have learned."""
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
    from loop_kit.usecases.knowledge import known_entries

    rows = known_entries(Path.cwd(), loop_dir or context.obj, category or None)
    if as_json:
        documents = [_row(row.entry) | {"stale": row.is_stale} for row in rows]
        typer.echo(json.dumps({"entries": documents, "total": len(rows)}, indent=2))
        return
    if not rows:
        of_category = f" in the category {category!r}" if category else ""
        typer.echo(f"Nothing is known{of_category}.")
        return
    typer.echo(_table([_cells(row.entry) for row in rows]))
    typer.echo(f"\nTotal entries: {len(rows)}")
    stale = sum(row.is_stale for row in rows)
    if stale:
        typer.echo(f"Not verified for 30 days, so of confidence 0: {stale}")


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
    from loop_kit.usecases.knowledge import add_pattern

    if not 0 <= confidence <= 1:
        raise typer.BadParameter(f"{confidence} is not from 0 to 1.", param_hint="--confidence")
    folder = loop_dir or context.obj
    added = add_pattern(Path.cwd(), folder, pattern, category, confidence, source)
    entry = added.pattern
    typer.echo(f"Added to {entry.category}, confidence {confidence:.2f}, source {entry.source}.")
    typer.echo(f"{added.path}: entries={added.count}")


@knowledge.command("prune")
def prune(
    context: typer.Context,
    older_than: int = typer.Option(..., min=0, metavar="DAYS", help="Days since the last date."),
    loop_dir: LoopDir = "",
) -> None:
    """Remove patterns that were added or verified too long ago; what has no date stays."""
    from loop_kit.usecases.knowledge import prune_patterns

    cleaned = prune_patterns(Path.cwd(), loop_dir or context.obj, older_than)
    _print(cleaned)
    typer.echo(f"Removed as older than {older_than} days: {_total(cleaned)}")


@knowledge.command("dedupe")
def dedupe(context: typer.Context, loop_dir: LoopDir = "") -> None:
    """Remove duplicates; of equal patterns the one with the highest confidence stays."""
    from loop_kit.usecases.knowledge import remove_duplicates

    cleaned = remove_duplicates(Path.cwd(), loop_dir or context.obj)
    _print(cleaned)
    typer.echo(f"Removed as duplicates: {_total(cleaned)}")


def _print(cleaned: "Mapping[str, CleanedFile]") -> None:
    for name, file in cleaned.items():
        typer.echo(f"{name}: removed={file.removed} kept={file.remaining}")


def _total(cleaned: "Mapping[str, CleanedFile]") -> int:
    return sum(file.removed for file in cleaned.values())
