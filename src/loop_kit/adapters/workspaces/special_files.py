"""Finds pipes, sockets and devices where git would open a file, before git runs there.

Git waits for ever for a pipe's other end, and reads a device without one. It opens whatever is in a
`.git` folder, one inside the work tree included, and the files in each folder that say what git
ignores and how it treats paths. An agent's programs have ended when this is looked for, so nobody
uses such a pipe any more. Other names are left alone: git looks at their kind itself.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from loop_kit.adapters.removal import make_room, remove

_READ_BY_GIT = frozenset({".gitattributes", ".gitignore", ".gitmodules", ".git"})
_LONGEST = 3800
"""Characters of a path to which any name can be added: the system takes 4096."""


def remove_special_files(workspace: Path) -> None:
    """Remove from a workspace what git would wait for, and folders too deep for any program."""
    for path in list(_special(workspace)):
        is_deep = len(str(path)) > _LONGEST
        aside = workspace.with_name(f"{workspace.name}.deep")
        remove(path.rename(make_room(aside)) if is_deep else path)


def special_files(git_dir: Path) -> frozenset[Path]:
    """What git would wait for in a repository; the folders of objects and refs are part of it."""
    return frozenset(_special(git_dir, is_git=True))


def _special(folder: Path, *, is_git: bool = False) -> Iterator[Path]:
    waiting = [(str(folder), is_git)]
    while waiting:
        name, inside = waiting.pop()
        try:
            entries = os.scandir(name)
        except OSError:  # may not be read, by git neither
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if len(entry.path) > _LONGEST:
                        yield Path(entry.path)
                    else:
                        waiting.append((entry.path, inside or entry.name == ".git"))
                elif (inside or entry.name in _READ_BY_GIT) and _is_special(entry):
                    yield Path(entry.path)


def _is_special(entry: "os.DirEntry[str]") -> bool:
    """Whether it, or what it links to, is neither a file nor a folder."""
    if entry.is_file(follow_symlinks=False):
        return False
    try:
        mode = entry.stat().st_mode
    except OSError:  # a link that leads nowhere
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
