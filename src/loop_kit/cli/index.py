"""`loop index`: which Python modules there are and what they define, for agents and people."""

import os
import sys
from pathlib import Path

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR

_PROGRESS_STEP = 250


def index(
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """List the Python files of git in context/module_map.json."""
    from loop_kit.usecases.index import index_modules

    found = index_modules(Path.cwd(), os.environ, loop_dir, _print_progress)
    typer.echo(f"Indexed: {found.files} files ({found.unchanged} unchanged) -> {found.path}")


def _print_progress(count: int, total: int) -> None:
    """Show progress, in a terminal only."""
    if sys.stderr.isatty() and (count % _PROGRESS_STEP == 0 or count == total):
        typer.echo(f"\r  {count} of {total} files", nl=count == total, err=True)
