"""`loop index`: which Python modules there are and what they define, for agents and people."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import typer

from loop_kit.adapters.loop_dir.loop_folder import loop_folder, write_atomically
from loop_kit.adapters.loop_dir.loop_lock import exclusive
from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR

_PROGRESS_STEP = 250


def index(
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Index the Python files that git tracks into context/module_map.json."""
    from loop_kit.adapters.git import module_index
    from loop_kit.adapters.git.command import Git
    from loop_kit.adapters.git.repository import locate
    from loop_kit.adapters.loop_dir.context_folder import ContextFolder
    from loop_kit.core.briefing.module_map import document

    git = Git(Path.cwd(), os.environ)
    root = locate(git).root
    folder = loop_folder(root, loop_dir)
    path = ContextFolder(folder).module_map()
    names = module_index.tracked_sources(git.at(root))
    with exclusive(folder / "runtime" / "index.lock"):
        known = module_index.known_modules(path)
        found = list(module_index.index(root, names, known, _progress_bar(len(names))))
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write_atomically(path, document([each.module for each in found], now))
    unchanged = sum(each.unchanged for each in found)
    typer.echo(f"Indexed: {len(found)} files ({unchanged} unchanged) -> {path}")


def _progress_bar(total: int) -> Callable[[int], None]:
    """Show progress, in a terminal only."""
    if not sys.stderr.isatty():
        return lambda _: None

    def show(count: int) -> None:
        if count % _PROGRESS_STEP == 0 or count == total:
            typer.echo(f"\r  {count} of {total} files", nl=count == total, err=True)

    return show
