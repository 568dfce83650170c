"""Keeps a workspace that is used once, so that the next one costs only what differs.

Of what its agent or its commands left nothing reaches the next: every entry that is not certainly
as it was made is removed, `.git` is a new folder, and git writes what is missing or differs. What
remains are files that nobody has written to since git, or the preparation, made them; see
`inventory`. If anything is not as it has to be the workspace is given up, and a new one is made;
so it is where the attributes of git changed, by which it would write the same content otherwise.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.files.removal import make_room, remove
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.copying import Copier
from loop_kit.adapters.workspaces.differing import write_differing
from loop_kit.adapters.workspaces.inventory import LARGE_INDEX, Inventory, can_tell
from loop_kit.adapters.workspaces.own_index import OwnIndex, read_index
from loop_kit.adapters.workspaces.undelivered import Closing
from loop_kit.errors import GitFailed

_NAME = "spare"
_ATTRIBUTES = ".gitattributes"


class Spare:
    """The workspace that was used last, and what it held before it was used."""

    def __init__(
        self, cloner: Cloner, *, in_files: bool = True, large_index: int = LARGE_INDEX
    ) -> None:
        """Without `in_files` no file is watched by itself; see `Inventory`.

        An index of so many bytes is changed where files differ, and not written by git.
        """
        self._large_index = large_index
        self._in_files = in_files
        self._cloner = cloner
        self._copier = Copier()
        self._key: str | None = None
        self._sha = ""
        self._index: OwnIndex | None = None
        self._attributes: Mapping[str, bytes] = {}
        self._closing: Closing | None = None
        self.inventory: Inventory | None = None

    def work_begins(self) -> None:
        """A program runs that can leave files of what is kept open."""
        self._closing = None

    def work_ended(self) -> Closing | None:
        """It has ended, and no other begins before the next use, or that is said."""
        if self.inventory is not None:
            self._closing = Closing()
        return self._closing

    @property
    def _path(self) -> Path:
        return self._cloner.folder / _NAME

    def note(self, path: Path, sha: str, key: str | None) -> None:
        """Note what a workspace holds that was just made at `sha`, prepared as `key` says."""
        self.inventory = None
        if can_tell():
            with contextlib.suppress(OSError):
                self._index = read_index(path / ".git" / "index")
                inventory = Inventory(path, in_files=self._in_files)
                self._attributes = _attributes(path, inventory)
                self.inventory, self._sha, self._key = inventory, sha, key

    def keep(self, path: Path) -> None:
        """Keep of a workspace what it held when it was noted; without a note remove it."""
        if self.inventory is not None:
            with contextlib.suppress(OSError):
                if not self.inventory.is_clean:
                    Closing().wait()
                    self.inventory.restore(path)
                path.rename(make_room(self._path))
                remove(self._path / ".git")
                return
        remove(path)

    def reopen(self, path: Path, sha: str, key: str | None, prepared: Path | None) -> bool:
        """Whether the workspace that was kept is at `path` now and noted, like a new one at `sha`.

        What is missing of a preparation is copied from the folder `prepared`.
        """
        inventory, self.inventory = self.inventory, None
        closing, self._closing = self._closing, None
        if inventory is not None and self._key == key:
            with contextlib.suppress(GitFailed, OSError):
                self._renew(path, sha, inventory, prepared, closing or Closing())
                self.inventory = inventory
                return True
            remove(path)
        remove(self._path)
        return False

    def _renew(
        self,
        path: Path,
        sha: str,
        inventory: Inventory,
        prepared: Path | None,
        closing: Closing,
    ) -> None:
        """Make the workspace like a new one, once none of its files is open.

        Where all that is done to files is reported, they are closed meanwhile: if one is reported
        that way, all is done again.
        """
        kept = self._path
        if kept.is_symlink() or not kept.is_dir():
            raise GitFailed(f"{kept} is not as it was left.", "Run the round again.")
        kept.rename(make_room(path))
        if not inventory.watches_files:
            closing.wait()
        self._restore(path, sha, inventory, prepared)
        closing.wait()
        if inventory.watches_files and inventory.changed(path):
            self._restore(path, sha, inventory, prepared)
        inventory.is_clean = False

    def _restore(self, path: Path, sha: str, inventory: Inventory, prepared: Path | None) -> None:
        missing = inventory.restore(path)
        if prepared is not None:
            self._complete(path, prepared, missing)
        self._index = self._checked_out(path, sha, missing)
        inventory.renew(path)
        self._sha = sha
        if _attributes(path, inventory) != self._attributes:
            raise GitFailed(f"{_ATTRIBUTES} is another.", "Run the round again.")

    def _checked_out(self, path: Path, sha: str, missing: list[str]) -> OwnIndex:
        """Write the files that are missing or differ at `sha`; the index of it."""
        own = self._index
        if own is None:
            raise GitFailed(f"{path} is not as it was left.", "Run the round again.")
        place = path / ".git" / "index"
        is_large = len(own.content) > self._large_index
        self._cloner.write_git_folder(path, sha, index=None if is_large else own)
        if is_large:
            index = write_differing(self._cloner, path, own, self._sha, sha, missing)
            (index or own).write(place)
            if index is not None:
                return index
        if missing or is_large:
            self._cloner.check_out(path, sha)
        elif sha != self._sha:
            self._cloner.check_out_difference(path, self._sha, sha)
        return read_index(place)

    def _complete(self, path: Path, prepared: Path, missing: list[str]) -> None:
        for name in missing:
            source, target = prepared / name, path / name
            if not os.path.lexists(source):
                continue
            if source.is_symlink() or not source.is_dir():
                self._copier.copy_entry(source, target)
            else:
                self._copier.copy(source, target)
            shutil.copystat(source.parent, target.parent)


def _attributes(path: Path, inventory: Inventory) -> Mapping[str, bytes]:
    """The digests of the files by which git decides how to write others, by their folders."""
    files = {folder: path / folder / _ATTRIBUTES for folder in inventory.folders_with(_ATTRIBUTES)}
    return {
        folder: hashlib.sha256(file.read_bytes()).digest()
        for folder, file in files.items()
        if file.is_file() and not file.is_symlink()
    }
