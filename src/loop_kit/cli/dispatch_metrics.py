"""`loop dispatch-metrics`: what each round took, and where the time of the attempts went.

What it counts with is imported when it runs: `loop --help` loads this file and must start fast.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR

if TYPE_CHECKING:
    from loop_kit.core.agent.timing import MetricSummary
    from loop_kit.core.loop.overview import Spending
    from loop_kit.usecases.feed_attempts import FeedAttempts

_SPENT = ("round", "role", "backend", "attempts", "time", "tokens", "cost")
_COLUMNS = ("metric", "count", "missing", "avg_ms", "p50_ms", "p95_ms")


class RoleFilter(StrEnum):
    """Whose attempts are counted."""

    ALL = "all"
    WORKER = "worker"
    REVIEWER = "reviewer"
    SECOND_REVIEWER = "second_reviewer"


def dispatch_metrics(
    task_id: str = typer.Option("", help="Only the attempts of this task."),
    role: Annotated[
        RoleFilter, typer.Option(help="Only the attempts of this role.")
    ] = RoleFilter.ALL,
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show what each round cost, and how long agents took to start, act and report."""
    from loop_kit.core.agent.timing import summaries
    from loop_kit.usecases.feed_attempts import feed_attempts, spending_by_round

    asked = (Path.cwd(), loop_dir, task_id.strip(), role.value)
    rows, spent = feed_attempts(*asked), spending_by_round(*asked)
    found = summaries(rows)
    if as_json:
        rounds = [asdict(each) for each in spent]
        typer.echo(json.dumps({**_body(rows, found), "rounds": rounds}, indent=2))
        return
    if spent:
        typer.echo(f"{_table(map(_spending_row, spent), _SPENT)}\n")
    _print(rows, found)


def _body(rows: "FeedAttempts", found: Mapping[str, "MetricSummary"]) -> dict[str, object]:
    return {
        "feed": str(rows.path),
        "task_id": rows.task_id or None,
        "role": rows.role,
        "attempts": rows.count,
        "metrics": {
            name: {
                "count": summary.count,
                "missing": summary.missing,
                "avg_ms": _round(summary.avg),
                "p50_ms": _round(summary.p50),
                "p95_ms": _round(summary.p95),
            }
            for name, summary in found.items()
        },
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _print(rows: "FeedAttempts", found: Mapping[str, "MetricSummary"]) -> None:
    from loop_kit.core.agent.timing import PHASES, SUBPHASES
    from loop_kit.core.text.sanitize import visible
    from loop_kit.usecases.feed_attempts import ATTEMPT_EVENT

    typer.echo("Phases of the dispatched attempts")
    typer.echo(f"Feed: {visible(str(rows.path))}")
    typer.echo(f"Task: {visible(rows.task_id) or 'all'}, role: {rows.role}")
    typer.echo(f"Attempts: {rows.count}\n")
    typer.echo(_table(_row(name, found[name]) for name in PHASES))
    typer.echo("\nWork in between, part of work_to_artifact")
    typer.echo(_table(_row(name, found[name]) for name in SUBPHASES))
    if not rows.feed_exists:
        typer.echo("\nThere is no feed yet: a dispatched run writes it.")
    elif not rows.count:
        typer.echo(f"\nThe feed has no {ATTEMPT_EVENT} event that matches.")


def _spending_row(spent: "Spending") -> tuple[str, ...]:
    from loop_kit.core.text.numbers import duration, money, short
    from loop_kit.core.text.sanitize import one_line

    known = [count for count in (spent.tokens_in, spent.tokens_out) if count is not None]
    return (
        str(spent.round),
        spent.role,
        one_line(", ".join(spent.backends), 40) or "unknown",
        str(spent.attempts),
        "unknown" if spent.seconds is None else duration(spent.seconds),
        short(sum(known)) if known else "unknown",
        money(spent.cost_usd, spent.estimated_cost_usd) or "unknown",
    )


def _table(body: Iterable[tuple[str, ...]], columns: tuple[str, ...] = _COLUMNS) -> str:
    rows = [columns, *body]
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join((lines[0], "-+-".join("-" * width for width in widths), *lines[1:]))


def _row(name: str, summary: "MetricSummary") -> tuple[str, ...]:
    times = (summary.avg, summary.p50, summary.p95)
    return (
        name,
        str(summary.count),
        str(summary.missing),
        *("n/a" if time is None else f"{time:.1f}" for time in times),
    )
