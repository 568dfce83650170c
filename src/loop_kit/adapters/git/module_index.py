"""Indexes the Python sources that git tracks; unchanged files are not read again.

Only regular files below the root are read: no link, no submodule, nothing over 1 MiB.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.core.briefing.module_map import Module, exports, parse_modules
from loop_kit.frozen import frozen

MAX_SOURCE = 1024 * 1024
_MAX_MAP = 256 * 1024 * 1024
_MAX_NAMES = 256 * 1024 * 1024

Known = Mapping[str, Module]


@frozen
class Indexed:
    """One module as the map has it, and whether it was taken from the older map."""

    module: Module
    unchanged: bool


def tracked_sources(git: Git) -> list[str]:
    """The paths of the Python files that git tracks below its directory, sorted.

    Raises:
        GitFailed: git cannot list them.
    """
    done = git.run("ls-files", "-z", "--", "*.py", "*.pyi", limit=_MAX_NAMES)
    names = done.out.decode("utf-8", "surrogateescape").split("\0")
    return sorted({name for name in names if name})


def known_modules(path: Path) -> Known:
    """The modules of the older map by their paths; empty when it is damaged."""
    try:
        text = (read_plain(path, _MAX_MAP) or b"").decode("utf-8", "replace")
    except BusFileUnreadable:
        return {}
    return {module.path: module for module in parse_modules(text)}


def index(
    root: Path, names: list[str], known: Known, progress: Callable[[int], None]
) -> Iterator[Indexed]:
    """The module of every path in `names` that is a regular file; `progress` gets the count."""
    top = root.resolve()
    folders: dict[str, bool] = {}
    for count, name in enumerate(names, 1):
        progress(count)
        folder = name.rpartition("/")[0]
        if folder not in folders:
            folders[folder] = (top / folder).resolve() == top / folder
        found = _index_file(top, name, known) if folders[folder] else None
        if found is not None:
            yield found


def _index_file(root: Path, name: str, known: Known) -> Indexed | None:
    path = root / name
    try:
        seen = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(seen.st_mode) or seen.st_size > MAX_SOURCE:
        return None
    older = known.get(name)
    if older and (older.size_bytes, older.last_modified) == (seen.st_size, seen.st_mtime_ns):
        return Indexed(older, unchanged=True)
    try:
        raw = read_plain(path, MAX_SOURCE) or b""
    except BusFileUnreadable:
        return None
    return Indexed(_module(name, raw, seen), unchanged=False)


def _module(name: str, raw: bytes, seen: os.stat_result) -> Module:
    """What is not UTF-8 is read with replacements: names are ASCII nearly always."""
    names, docstring = exports(raw.decode("utf-8-sig", "replace"))
    lines = raw.count(b"\n") + (not raw.endswith(b"\n") and bool(raw))
    return Module(name, names, docstring, lines, seen.st_size, seen.st_mtime_ns)
