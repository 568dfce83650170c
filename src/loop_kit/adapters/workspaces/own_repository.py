"""Keeps the loop's own repository readable while a program runs that might damage it.

Without a room an agent can write to the `.git` of the user's checkout. A pipe there holds git, and
every later command of the user; without a HEAD it is no repository any more. What a person may do
meanwhile (commit, switch branches, pack refs) is no damage, so files are put back only where they
are gone, or are no files any more, or where HEAD names nothing.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.adapters.removal import make_room
from loop_kit.adapters.workspaces.special_files import special_files
from loop_kit.ports import LOST, Tampered

_NAMES = ("HEAD", "config", "packed-refs", "index", "info/exclude", "objects/info/alternates")
_MAX_BRANCHES = 200
_MAX_SIZE = 64 * 1024 * 1024
_HEAD = re.compile(rb"(?:ref: refs/[^\0\n]{1,4000}|[0-9a-f]{40}(?:[0-9a-f]{24})?)\n?")


class OwnRepository:
    """The repository at `git_dir`; a linked work tree has its own HEAD in another folder."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put back, when a program has ended, what git can no longer read.

        Raises:
            Tampered: something had to be put back, which is done first, or cannot be.
        """
        files = (self._git_dir / name for name in _NAMES)
        before = {path: content for path in files if (content := _content(path)) is not None}
        branches = self._branches()
        special = special_files(self._git_dir)
        try:
            yield
        finally:
            damaged = self._repair(before, branches, special)
        if damaged:
            raise Tampered(damaged)

    def _branches(self) -> dict[Path, bytes]:
        """The branches that have a file; one that a person deletes or packs meanwhile has none."""
        files = islice((self._git_dir / "refs" / "heads").rglob("*"), _MAX_BRANCHES)
        found = ((path, _content(path)) for path in files if path.is_file())
        return {path: content for path, content in found if content}

    def _repair(
        self, before: dict[Path, bytes], branches: dict[Path, bytes], special: frozenset[Path]
    ) -> list[str]:
        damaged = sorted(special_files(self._git_dir) - special)
        for path in damaged:
            make_room(path)
        for path in (*before, *branches):
            now = _content(path)
            is_gone = now is None and (path in before or path in damaged)
            names = path in branches or path.name == "HEAD"
            if is_gone or (names and now is not None and not _HEAD.fullmatch(now)):
                damaged.append(path)
                make_room(path).parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(before.get(path) or branches[path])
        lost = [f"{path}{LOST}" for path in self._folders() if not path.is_dir()]
        return [*dict.fromkeys(map(str, damaged)), *lost]

    def _folders(self) -> tuple[Path, ...]:
        return self._git_dir / "objects", self._git_dir / "refs"


def _content(path: Path) -> bytes | None:
    try:
        return read_plain(path, _MAX_SIZE)
    except (BusFileUnreadable, OSError):
        return None
