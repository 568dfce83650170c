"""Writes the few files that differ between two commits, without a look at the index of all.

Git would read that index, and write it again. Here git writes the files alone, and the index is
brought up to date where they are. What is not plain is left to git: a file that says how git treats
others, a submodule, a whole folder that is missing, and more than a round changes.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from loop_kit.adapters.files.special_files import READ_BY_GIT
from loop_kit.adapters.git.history import History, NotPlain
from loop_kit.adapters.git.raw_log import RawChange
from loop_kit.adapters.git.trees import Trees
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.marks import now
from loop_kit.adapters.workspaces.own_index import OwnIndex

_MOST = 40
_FILES = frozenset({"100644", "100755", "120000"})
_NOTHING = "000000"

_Paths = dict[str, tuple[str, str] | None]


def write_differing(
    cloner: Cloner, path: Path, index: OwnIndex, old: str, new: str, missing: Iterable[str]
) -> OwnIndex | None:
    """Give a workspace at the commit `old` the files of `new`; the index of that.

    All are as at `old` but for the `missing` ones. None if git has to look at all and do it.

    Raises:
        GitFailed: a file cannot be written.
        OSError: a file cannot be removed, or is not there.
    """
    objects = cloner.git.objects
    try:
        trees = Trees(objects)
        tree = trees.root(new)
        changes = History(objects).between(old, new).changes if old != new else []
        paths = _differing(changes, trees, tree, missing)
        for name in [name for name, entry in paths.items() if entry is None]:
            _remove(path, name)
        written = [name for name, entry in paths.items() if entry is not None]
        if written:
            cloner.check_out_files(path, new, written)
        since = now(path)
        files = {
            name: (*entry, os.lstat(path / name)) if entry is not None else None
            for name, entry in paths.items()
        }
        return index.at_tree(files, trees, tree, since)
    except NotPlain:
        return None


def _differing(
    changes: Iterable[RawChange], trees: Trees, tree: str, missing: Iterable[str]
) -> _Paths:
    if any({c.old_mode, c.new_mode} - _FILES - {_NOTHING} for c in changes):
        raise NotPlain
    paths: _Paths = {
        c.path: None if c.new_mode == _NOTHING else (c.new_mode, c.oid) for c in changes
    }
    for name in missing:
        if len(paths) > _MOST:
            raise NotPlain
        if name not in paths:
            entry = trees.entry(tree, name)
            if entry is not None and entry.mode not in _FILES:
                raise NotPlain
            if entry is not None:
                paths[name] = entry.mode, entry.oid
    names = {part for path in paths for part in path.split("/")}
    if len(paths) > _MOST or not READ_BY_GIT.isdisjoint(names):
        raise NotPlain
    return paths


def _remove(root: Path, name: str) -> None:
    """Remove a file, and the folders that are empty then."""
    (root / name).unlink(missing_ok=True)
    folder = os.path.dirname(name)  # noqa: PTH120
    with contextlib.suppress(OSError):
        while folder:
            (root / folder).rmdir()
            folder = os.path.dirname(folder)  # noqa: PTH120
