"""`loop sweep`: looks after the loops of CI by hand, as the action does on the event `schedule`."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR

if TYPE_CHECKING:
    from loop_kit.core.ci.sweeping import SweepReport


def sweep(
    workflow: str = typer.Option("", help="The workflow that runs the rounds: loop.yml."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only report what would be done."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    remote: str = typer.Option("origin", help="The git remote that the loops are on."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Continue loops of CI whose job died, and delete the branches of loops closed a month ago."""
    from loop_kit.usecases.authority import Authority
    from loop_kit.usecases.job import LoopJob
    from loop_kit.usecases.sweep import sweep as sweep_loops
    from loop_kit.usecases.sweep_context import open_in_job, open_on_laptop

    flags: dict[str, object] = {"dry_run": dry_run} if dry_run else {}
    if workflow:
        flags["continue_workflow"] = workflow
    in_job = os.environ.get("GITHUB_ACTIONS") == "true"
    opened = (
        open_in_job(os.environ, flags)
        if in_job
        else open_on_laptop(Path.cwd(), os.environ, loop_dir, remote, flags)
    )
    with opened as context:
        bots = context.settings.allowed_bots
        authority = Authority(context.forge, context.invocation.repository, bots)
        swept, errors = sweep_loops(LoopJob(context, authority))
    if as_json:
        typer.echo(json.dumps(_document(swept), separators=(",", ":")))
    else:
        _print(swept)
    if errors:
        raise errors[0]


def _document(swept: "SweepReport") -> dict[str, object]:
    rows = [
        {"task-id": row.task_id, "found": row.found, "did": row.did.value, "message": row.message}
        for row in swept.rows
    ]
    return {"loops": swept.loops, "left": swept.left, "swept": rows}


def _print(swept: "SweepReport") -> None:
    from loop_kit.core.ci.sweeping import totals
    from loop_kit.core.text.sanitize import one_line

    width = max((len(row.task_id) for row in swept.rows), default=0)
    for row in swept.rows:
        text = one_line(f"{row.found}. {row.did}: {row.message}", 500)
        typer.echo(f"{row.task_id:{width}}  {text}")
    typer.echo(totals(swept))
