"""`loop extract-diff`: the diff between two commits, byte for byte, as `git apply` takes it."""

import os
import sys
from pathlib import Path

import typer

from loop_kit.core.loop_dir import LOOP_DIR


def extract_diff(
    base: str = typer.Argument(help="The older commit."),
    head: str = typer.Argument(help="The newer commit."),
    loop_dir: str = typer.Option(LOOP_DIR, help="Taken for symmetry; not used.", hidden=True),
) -> None:
    """Print the diff between two commits."""
    from loop_kit.usecases import extract_diff as usecase

    del loop_dir
    usecase.extract_diff(Path.cwd(), os.environ, base, head, sys.stdout.buffer)
