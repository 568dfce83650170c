"""Keeps the loop's own repository readable while a program runs that might damage it.

Without a room an agent can write to the `.git` of the user's checkout. A pipe there holds git, and
every later command of the user; without a HEAD it is no repository any more. What a person may do
meanwhile (commit, switch branches, pack refs) is no damage, so files are put back only where they
are gone, or are no files any more, or where HEAD names nothing.

In a job nobody but an agent touches it, and what it holds is on the server too. So there an object
that is gone or changed is damage, and everything is thrown away and fetched again: the commit that
is checked out and those of the loop, without history. What happened can be recorded then.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from loop_kit.adapters.files.removal import make_room
from loop_kit.adapters.files.searched_repository import SpecialFiles
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.frozen import frozen
from loop_kit.ports import LOST, Tampered

if TYPE_CHECKING:
    from loop_kit.adapters.workspaces.object_files import ObjectFiles

_NAMES = ("HEAD", "config", "packed-refs", "index", "info/exclude", "objects/info/alternates")
_LISTS = ("packed-refs", "index.lock", "shallow", "logs")
"""What names objects: of no use without them."""
_MAX_BRANCHES = 200
_MAX_SIZE = 64 * 1024 * 1024
_HEAD = re.compile(rb"(?:ref: refs/[^\0\n]{1,4000}|[0-9a-f]{40}(?:[0-9a-f]{24})?)\n?")


Refetch = Callable[[Mapping[str, str]], bool]
"""Fetches commits from the server as these refs; whether all of them are here since."""


@frozen
class _Before:
    """What the repository was like: files, branches, what is no file, and the files of objects."""

    files: Mapping[Path, bytes]
    branches: Mapping[Path, bytes]
    special: frozenset[Path]
    objects: "ObjectFiles"
    refs: Mapping[str, str]
    is_link: bool


class OwnRepository:
    """The repository at `git_dir`; a linked work tree has its own HEAD in another folder.

    `head` is the commit that a job has checked out, `refetch` brings it back.
    """

    def __init__(self, git_dir: Path, head: str = "", refetch: Refetch | None = None) -> None:
        self._git_dir = git_dir
        self._head = head
        self._refetch = refetch
        self._special = SpecialFiles(git_dir)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put back, when a program has ended, what git can no longer read.

        Raises:
            Tampered: something had to be put back, which is done first, or cannot be.
        """
        before = self._look()
        try:
            yield
        finally:
            damaged = self._repair(before)
        if damaged:
            raise Tampered(damaged)

    def _look(self) -> _Before:
        files = (self._git_dir / name for name in _NAMES)
        return _Before(
            {path: content for path in files if (content := _content(path)) is not None},
            self._branches(),
            self._special.find(),
            self._objects(),
            self._own_refs(),
            self._git_dir.is_symlink(),
        )

    def _objects(self) -> "ObjectFiles":
        if self._refetch is None:
            return {}
        from loop_kit.adapters.workspaces.object_files import object_files

        return object_files(self._git_dir)

    def _branches(self) -> dict[Path, bytes]:
        """The branches that have a file; one that a person deletes or packs meanwhile has none."""
        files = islice((self._git_dir / "refs" / "heads").rglob("*"), _MAX_BRANCHES)
        found = ((path, _content(path)) for path in files if path.is_file())
        return {path: content for path, content in found if content}

    def _own_refs(self) -> dict[str, str]:
        """The refs of the loop in a job, and what is checked out."""
        if self._refetch is None:
            return {}
        own = (self._git_dir / "refs").glob("loop-kit*")
        files = islice(
            (path for each in own for path in chain([each], each.rglob("*"))), _MAX_BRANCHES
        )
        found = ((path.relative_to(self._git_dir).as_posix(), _content(path)) for path in files)
        refs = {name: content for name, content in found if content and _HEAD.fullmatch(content)}
        return {"HEAD": self._head, **{ref: refs[ref].decode().strip() for ref in sorted(refs)}}

    def _repair(self, before: _Before) -> list[str]:
        if not self._git_dir.is_dir() or self._git_dir.is_symlink() != before.is_link:
            make_room(self._git_dir)
        special = sorted(self._special.find() - before.special)
        for path in special:
            make_room(path)
        if self._refetch is not None and self._is_lost(before):
            return [*map(str, special), *self._begin_again(before, self._refetch)]
        damaged = [*special, *_damaged(before, special)]
        _write(before, damaged)
        lost = [f"{path}{LOST}" for path in self._folders() if not path.is_dir()]
        return [*dict.fromkeys(map(str, damaged)), *lost]

    def _is_lost(self, before: _Before) -> bool:
        from loop_kit.adapters.workspaces.object_files import are_damaged

        is_incomplete = not all(path.is_dir() for path in self._folders())
        is_changed = self._own_refs() != before.refs
        return is_incomplete or is_changed or are_damaged(before.objects, self._git_dir)

    def _begin_again(self, before: _Before, refetch: Refetch) -> list[str]:
        """Replace all objects and refs by what the server has; the names of what was lost."""
        damaged = [*_damaged(before, ()), *self._folders()]
        self._empty()
        lists = {self._git_dir / name for name in _LISTS}
        _write(before, [path for path in before.files if path not in lists])
        end = "" if refetch(before.refs) else LOST
        return [f"{path}{end}" for path in damaged]

    def _empty(self) -> None:
        """Throw away all objects and what names them; git takes it for a new repository."""
        for name in (*_LISTS, "objects", "refs"):
            make_room(self._git_dir / name)
        for name in ("objects/info", "objects/pack", "refs/heads"):
            (self._git_dir / name).mkdir(parents=True)

    def _folders(self) -> tuple[Path, ...]:
        return self._git_dir / "objects", self._git_dir / "refs"


def _damaged(before: _Before, special: Collection[Path]) -> Iterator[Path]:
    """The files that are gone, or no files any more, or that name nothing."""
    for path in (*before.files, *before.branches):
        now = _content(path)
        is_gone = now is None and (path in before.files or path in special)
        names = path in before.branches or path.name == "HEAD"
        if is_gone or (names and now is not None and not _HEAD.fullmatch(now)):
            yield path


def _write(before: _Before, paths: Iterable[Path]) -> None:
    for path in paths:
        content = before.files.get(path) or before.branches.get(path)
        if content is not None:
            make_room(path).parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _content(path: Path) -> bytes | None:
    try:
        return read_plain(path, _MAX_SIZE)
    except (BusFileUnreadable, OSError):
        return None
