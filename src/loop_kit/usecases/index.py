"""Indexes the Python files that git tracks into the module map that agents get."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from loop_kit.adapters.git import module_index
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import locate
from loop_kit.adapters.loop_dir.context_folder import ContextFolder
from loop_kit.adapters.loop_dir.loop_folder import loop_folder, write_atomically
from loop_kit.adapters.loop_dir.loop_lock import exclusive
from loop_kit.core.briefing.module_map import document
from loop_kit.frozen import frozen


@frozen
class Indexed:
    """What was indexed: the file of the map, how many modules, and how many had not changed."""

    path: Path
    files: int
    unchanged: int


def index_modules(
    cwd: Path,
    environ: Mapping[str, str],
    loop_dir: str,
    progress: Callable[[int, int], None],
) -> Indexed:
    """Write the module map; `progress` is called with the files done so far and their total.

    Raises:
        LoopError: this is no repository, or another index is being written.
    """
    git = Git(cwd, environ)
    root = locate(git).root
    folder = loop_folder(root, loop_dir)
    path = ContextFolder(folder).module_map()
    names = module_index.tracked_sources(git.at(root))
    with exclusive(folder / "runtime" / "index.lock"):
        known = module_index.known_modules(path)
        found = list(
            module_index.index(root, names, known, lambda count: progress(count, len(names)))
        )
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write_atomically(path, document([each.module for each in found], now))
    return Indexed(path, len(found), sum(each.unchanged for each in found))
