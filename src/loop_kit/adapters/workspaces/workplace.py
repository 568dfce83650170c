"""The one path at which every workspace of a task is opened, one after the other.

The path is always the same, for what is installed in a workspace (Python environments, links) holds
it. The worker's files are kept from round to round, so that build caches stay warm: while another
workspace is in their place they are parked beside it. What the worker's next attempt finds is the
files of its commit and what git ignores; everything else is gone, and `.git` is a new folder: no
hook, filter, alternate, flag of the index, ref or half-finished merge of an earlier attempt is in
it. Files that cannot be cleaned are given up, and the worker begins with new ones.
"""

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from loop_kit.adapters.files.removal import make_room, remove
from loop_kit.adapters.files.special_files import READ_BY_GIT, remove_special_files
from loop_kit.adapters.workspaces.inventory import LARGE_INDEX, Inventory, can_tell, is_large
from loop_kit.adapters.workspaces.own_index import OwnIndex
from loop_kit.adapters.workspaces.snapshots import Snapshots
from loop_kit.adapters.workspaces.undelivered import Closing
from loop_kit.errors import GitFailed
from loop_kit.frozen import frozen

OPENED = "workspace"
PARKED = "worker"
PREPARED = ".prepared"
"""Beside the worker's parked files: by which settings they were prepared."""

_SHARE = 0.375
"""Of what a user may watch: the workspace that is used once may take half, and some is left."""


@frozen
class Left:
    """What a worker left in its workspace.

    Attributes:
        index: An index that its agent never had.
        at: The commit that the index holds.
        is_clean: Whether the files were those of that commit when the work was collected.
        is_bare: Whether there was certainly nothing beside them but what their rules ignore.
    """

    index: OwnIndex
    at: str | None = None
    is_clean: bool = False
    is_bare: bool = False


class Workplace:
    """Opens workspaces at one path.

    Of the worker's files it is known at which commit their index was when they were parked, so that
    nothing is checked out where nothing differs. Of what an earlier run left it is not known: every
    file is compared.
    Where there are many, all that is done to them is reported; in a job from the second time on.

    Attributes:
        lasting: What the worker's files were when they were opened, or their work was collected.
        touched: What else of them was reported until they were open, also by a program that was
            left behind; None if that is not known.
    """

    def __init__(self, snapshots: Snapshots, *, large_index: int = LARGE_INDEX) -> None:
        """An index of so many bytes lists so many files that they are worth being watched."""
        self._large_index = large_index
        self._snapshots = snapshots
        self.cloner = snapshots.cloner
        self.preparation = snapshots.preparation
        self._has_worker = False
        self._left: Left | None = None
        self._opened = 0
        self.lasting: Inventory | None = None
        self.touched: list[str] | None = None

    @property
    def path(self) -> Path:
        """Where workspaces are opened."""
        return self.cloner.folder / OPENED

    @property
    def inventory(self) -> Inventory | None:
        """What the workspace held that was opened for one use, before it was used."""
        return self._snapshots.inventory

    @property
    def _parked(self) -> Path:
        return self.cloner.folder / PARKED

    def prepare(self, sha: str) -> None:
        """Make sure that workspaces can be opened at `sha`; see `Snapshots.prepare`."""
        if not self._has_worker:
            make_room(self.path)
            self._snapshots.prepare(self.path, sha)

    def open_worker(self, sha: str, tree: str | None = None) -> Path:
        """The worker's files of the last round, cleaned, or new ones; HEAD at `sha`.

        With `tree` the files are those of another commit, staged.

        Raises:
            LoopError: no workspace can be placed; see `Snapshots.place`.
        """
        if not self._reopen(sha, tree):
            self.lasting = None
            self._snapshots.place(make_room(self.path), sha, tree)
        self._note()
        self._snapshots.work_begins()
        self._opened += 1
        self._has_worker = True
        return self.path

    def work_ended(self) -> Closing | None:
        """The agent that had the worker's files has ended; what it left open is being closed."""
        if self.lasting is None:
            return self._snapshots.work_ended()
        return self._snapshots.work_ended() or Closing()

    def files_at(self, sha: str) -> str | None:
        """The commit `sha` if the worker's files, opened there, can be watched from it on.

        Not those that were copied: git has to look at them once, to know them by their times.
        """
        if self.lasting is None or self.touched is None:
            return None
        return sha if self._opened > 1 or self.preparation.key(sha) is None else None

    def _note(self) -> None:
        """Note the worker's files, where that pays: in a job, which takes one round, later."""
        inventory, self.lasting = self.lasting, None
        self.touched = []
        with contextlib.suppress(OSError):
            if inventory is not None:
                self.touched = inventory.renew(self.path)
            elif (
                self._opened == int(self.cloner.git.isolated)
                and can_tell()
                and is_large(self.path, self._large_index)
            ):
                inventory = Inventory(self.path, share=_SHARE)
            if inventory is not None and inventory.watches_files:
                self.lasting = inventory

    def park_worker(self, left: Left) -> None:
        """Keep the worker's files for its next attempt."""
        self._has_worker = False
        try:
            self._left = left
            _prepared(self._parked).write_text(self.preparation.settings, "utf-8")
            self.path.rename(make_room(self._parked))
        except OSError:
            self._discard(self._parked)
            self._discard(self.path)

    def open_fresh(self, sha: str, *, is_first: bool = False) -> Path:
        """A workspace that no agent's code has written to; `is_first` if another is to follow.

        Raises:
            LoopError: it cannot be placed; see `Snapshots.place`.
        """
        self._snapshots.place_once(make_room(self.path), sha, is_first=is_first)
        return self.path

    def close_fresh(self, left: Left | None = None) -> None:
        """Give back a workspace that is used once."""
        del left
        self._snapshots.put_away(self.path)
        self._discard(self.path)

    @contextlib.contextmanager
    def fresh(self, sha: str) -> Iterator[Path]:
        """A workspace for commands, while the worker's is open or not; given back afterwards.

        Raises:
            LoopError: it cannot be placed; see `Snapshots.place`.
        """
        aside = self._parked if self._has_worker else None
        if aside is not None:
            self.path.rename(make_room(aside))
        try:
            yield self.open_fresh(sha, is_first=True)
        finally:
            self._snapshots.put_away(self.path)
            if aside is not None and aside.is_dir():
                aside.rename(make_room(self.path))

    def _reopen(self, sha: str, tree: str | None) -> bool:
        """Whether the worker's files were there, and are clean now."""
        parked = self._parked
        usable = parked.is_dir() and not parked.is_symlink()
        usable = usable and _read(_prepared(parked)) == self.preparation.settings
        if not usable:
            self._discard(parked)
            return False
        try:
            parked.rename(make_room(self.path))
            inner = self._remove_special_files()
            is_same = self._is_as_collected()
            left = self._left
            self.cloner.write_git_folder(self.path, sha, tree, index=left.index if left else None)
            if left is None:
                self.cloner.note_files(self.path, tree or sha)
            is_known = left is not None and left.at == (tree or sha)
            if is_known and is_same and not inner and left is not None and left.is_bare:
                return True
            if not (is_known and self._remove_untracked(inner, is_same=is_same)):
                self.cloner.check_out(self.path, tree or sha)
                self._remove_untracked(inner)
        except (GitFailed, OSError):
            self._discard(self.path)
            return False
        return True

    def _remove_special_files(self) -> list[str]:
        """Remove what git would wait for; the entries called `.git` inside the work tree."""
        lasting = self.lasting
        strange = None if lasting is None else lasting.strange(self.path, READ_BY_GIT)
        inner = remove_special_files(self.path, strange)
        if lasting is not None and strange is not None:
            inner += (f"{self.path}/{folder}.git" for folder in lasting.folders_with(".git"))
        return inner

    def _is_as_collected(self) -> bool:
        """Whether nothing was done to clean files since the worker's work was collected."""
        lasting = self.lasting
        left = self._left
        is_known = (
            left is not None and left.is_clean and lasting is not None and lasting.watches_files
        )
        return is_known and lasting is not None and lasting.is_as_noted(self.path)

    def _remove_untracked(self, inner: Collection[str], *, is_same: bool = False) -> bool:
        """Remove what is neither tracked nor ignored, and repositories inside the work tree.

        `inner` are all entries called `.git`. True if the tracked files are those of the index;
        they are if that `is_same`. Git looks for them through a link in the place of a folder.
        """
        tracked = ("--cached",) if inner else ()
        changed = () if is_same else ("--modified", "--deleted")
        query = ("ls-files", "-t", "-z", *tracked, *changed, "--others")
        options = ("--exclude-standard", "--directory")
        output = self.cloner.git.at(self.path).run(*query, *options, timeout=120).out
        rows: dict[str, list[str]] = {}
        for line in output.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            rows.setdefault(line[:2], []).append(line[2:])
        untracked = [self.path / name for name in rows.pop("? ", ())]
        hides_folder = any(path.is_symlink() for path in untracked)
        for path in untracked:
            _remove_whole(path)
        folders = _folders(rows.pop("H ", ()))
        for inside in inner:
            if inside.removeprefix(f"{self.path}/").removesuffix("/.git") in folders:
                _remove_whole(Path(inside))
        return not rows and not hides_folder

    def _discard(self, path: Path) -> None:
        remove(path)
        with contextlib.suppress(OSError):
            _prepared(path).unlink(missing_ok=True)


def _remove_whole(path: Path) -> None:
    remove(path)
    if os.path.lexists(path):
        raise OSError(f"{path} cannot be removed")


def _folders(names: Iterable[str]) -> set[str]:
    """The folders, below the root, that these files are in."""
    found: set[str] = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _prepared(path: Path) -> Path:
    return path.with_name(f"{path.name}{PREPARED}")


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return None
