"""`loop clean`: removes workspaces that are no longer needed."""

import os
from pathlib import Path

import typer

from loop_kit.cli import flags
from loop_kit.core.loop_dir import LOOP_DIR


def clean(
    everything: bool = typer.Option(
        False, "--all", help="Also those of loops that can be resumed; a resume makes new ones."
    ),
    workspace_root: flags.WorkspaceRoot = None,
    loop_dir: flags.LoopDir = LOOP_DIR,
) -> None:
    """Remove the workspaces of finished loops and crashed runs."""
    from loop_kit.usecases.clean import clean_workspaces, refuse_left

    given = {} if workspace_root is None else {"workspace_root": workspace_root}
    found = list(clean_workspaces(Path.cwd(), os.environ, loop_dir, given, everything=everything))
    for each in found:
        typer.echo(
            f"{each.fate.value}: {each.path}" + (f" ({each.task_id})" if each.task_id else "")
        )
    if not found:
        typer.echo("There are no workspaces of this repository.")
    refuse_left(found)
