"""A home for each program where no room can be built: what one program writes steers no other.

The next agent's git would run what `~/.gitconfig` says, and its Python what `usercustomize.py`
does. So every program of a job gets a folder as its home, made from what the home was before the
first of them: its files are copied, but for those with credentials, the folders that configure
Python are new ones, and other folders (caches, versions) are linked. That is less than a room:
whoever looks for the real home finds it, but no later program reads its configuration there.
"""

import stat
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from loop_kit.adapters.files.owned_folder import OwnedFolder
from loop_kit.adapters.process.namespace import Bare
from loop_kit.adapters.process.room.mounts import OF_A_HOME

_MADE = (
    *(".config", ".local", ".local/share", ".local/lib", ".local/lib/python3*"),
    ".local/lib/python3*/site-packages",
)
"""Folders that are made, not linked: new files in them stay in the home of one program."""
_CLOUDS = (".aws", ".azure", ".config/gcloud")
"""Credentials that an agent may be meant to use, for a model that a cloud serves."""
_LEFT_OUT = {*OF_A_HOME, ".codex", ".claude", ".local/share/opencode"}.difference(_CLOUDS)
_MAX_FILE = 1024 * 1024
_MAX_ENTRIES = 2000


class HomeView:
    """What a home held: the contents of its files, and the folders in it."""

    def __init__(self, home: Path) -> None:
        self._files: dict[str, tuple[int, bytes]] = {}
        self._links: dict[str, Path] = {}
        self._folders: list[str] = []
        for name, path in islice(_entries(home, ""), _MAX_ENTRIES):
            if name not in _LEFT_OUT:
                self._take(name, path)

    def _take(self, name: str, path: Path) -> None:
        try:
            about = path.stat()
            if stat.S_ISREG(about.st_mode) and about.st_size <= _MAX_FILE:
                self._files[name] = about.st_mode & 0o700, path.read_bytes()
            elif _is_made(name):
                self._folders.append(name)
            else:
                self._links[name] = path
        except OSError:
            return

    def build(self, folder: Path) -> None:
        """Make such a home in an empty folder."""
        for name in self._folders:
            (folder / name).mkdir()
        for name, path in self._links.items():
            (folder / name).symlink_to(path)
        for name, (mode, content) in self._files.items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(mode)


class FreshHome(Bare):
    """A box, and a home of its own for the program in it."""

    def __init__(self, box: Bare, view: HomeView) -> None:
        self._box = box
        self._folder = OwnedFolder()
        self._home = self._folder.path
        view.build(self._home)

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line of the box."""
        return self._box.argv(argv)

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """The environment of the box, with this home."""
        return self._box.environment({**env, "HOME": str(self._home)})

    def exit_code(self) -> int | None:
        """The program's exit code, or None."""
        return self._box.exit_code()

    def helpers(self, child: int) -> set[int]:
        """The processes that wrap the program."""
        return self._box.helpers(child)

    def release(self) -> None:
        """Let processes that wait for this one end."""
        self._box.release()

    def close(self) -> None:
        """Remove the home, and what the box has opened."""
        self._box.close()
        self._folder.remove()


def _entries(folder: Path, below: str) -> Iterator[tuple[str, Path]]:
    """The entries of a folder, and of those in it that are made; a folder before its entries."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        name = f"{below}{path.name}"
        yield name, path
        if _is_made(name) and path.is_dir():
            yield from _entries(path, f"{name}/")


def _is_made(name: str) -> bool:
    depth = name.count("/")
    return any(p.count("/") == depth and fnmatch(name, p) for p in _MADE)
