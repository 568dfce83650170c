"""What a workspace held before an agent had it, so that only what differs afterwards costs work.

Where every file and folder can be watched (see `writes`), only folders that something was done to,
or to a file in them, are looked at: of the others nothing can differ. Elsewhere all are. A file
counts as untouched if nothing was reported of it and it is the same inode with the same time of its
last change: no program can set that time, and a write, rename, link, mode or attribute sets it.
Where files are not watched and one changed so shortly before it was noted that a later write could
have the same time, it is not trusted. A folder counts as untouched if it is the same one with the
same mode and no rules of access that new files inherit; its own time is set back.
"""

import contextlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.workspaces.marks import (
    GIT,
    UNSEEN,
    UNTRUSTED,
    Named,
    Times,
    entries_of,
    folder_mark,
    is_open,
    is_same,
    mark_of,
    now,
    times_at,
    times_of,
)
from loop_kit.adapters.workspaces.writes import Writes, has_mounts, parent, require_reports

_CAN_TELL = hasattr(os, "listxattr")
"""Linux: elsewhere there is no such time, or no way to ask for the rules of a folder."""
_CLOCK_STEP = 20_000_000
"""Nanoseconds by which two writes must be apart to have different times for certain: two of the
longest ticks by which Linux counts."""
_EVER = 1 << 63
_MODE = 0xFFFF
LARGE_INDEX = 1_000_000
"""Bytes of the index of about ten thousand files."""

_Names = dict[str, int]


class Inventory:
    """The entries below a folder, but for its `.git`, as they were when it was made.

    Attributes:
        watches_files: Whether all is reported that is done to a file, and others need no look.
        is_clean: Whether it was compared since it was noted, and nothing was new or different.
    """

    def __init__(self, root: Path, *, in_files: bool = True, share: float = 0.5) -> None:
        """Note everything below `root`; without `in_files` no file is watched by itself.

        Of what a user may watch no more than `share` is used.

        Raises:
            OSError: a folder cannot be read, or writes to it are not reported.
        """
        self._root = folder_mark(root.lstat())
        self._may_watch_files = in_files
        self._share = share
        self._note(root)

    def _note(self, root: Path) -> None:
        if self._may_watch_files:
            with contextlib.suppress(OSError):
                require_reports(root.with_name(f"{root.name}.trial"))
                self._begin(root, in_files=True)
                return
        self._begin(root, in_files=False)

    def _begin(self, root: Path, *, in_files: bool) -> None:
        self._folders: dict[str, _Names] = {}
        self._times: dict[str, Times] = {}
        self._suspects: dict[str, set[str] | None] = {}
        self.watches_files = in_files
        self._writes = Writes(in_files=in_files, share=self._share)
        self.is_clean = False
        self._list(root, "", self._latest(root))

    def renew(self, root: Path) -> list[str] | None:
        """Note what has changed since all was as noted: only folders that changed are listed.

        Returns the entries that are gone, new, or not certainly as they were noted before; None
        where that is not known. Of a folder that is new or another only its own name is given.

        Raises:
            OSError: a folder cannot be read, or writes to it are not reported.
        """
        self.is_clean = False
        if not self.watches_files:
            self._renew_changed(root)
            return None
        try:
            self._require_place(root)
            touched = self._writes.taken()
        except OSError:
            self._note(root)
            return None
        self._suspect(touched.names)
        suspects, self._suspects = self._suspects, {}
        others = {*touched.files}
        for folder in sorted(suspects):
            if folder in self._folders:
                before, only = self._folders[folder], suspects[folder]
                self._list(root, folder, self._latest(root), only)
                after = self._folders[folder]
                others.update(folder + name for name in _differing(before, after, only))
        self._distrust(touched.files)
        return sorted(others)

    def _renew_changed(self, root: Path) -> None:
        self._writes.forget()
        latest = self._latest(root)
        for folder in sorted(self._folders):
            times = times_at(root / folder)
            if times is None:
                self._drop(folder)
            elif folder not in self._folders:
                continue
            elif times != self._times.get(folder) or times[0] > latest:
                self._list(root, folder, latest)

    def _latest(self, root: Path) -> int:
        """When a file may have changed last so that any later change of it is noticed."""
        return _EVER if self.watches_files else now(root) - _CLOCK_STEP

    def _list(
        self, root: Path, folder: str, latest: int, names: Collection[str] | None = None
    ) -> None:
        try:
            self._list_below(root, folder, latest, names)
        except OSError:
            self._writes.give_up()
            raise

    def _list_below(
        self, root: Path, folder: str, latest: int, only: Collection[str] | None
    ) -> None:
        waiting = [(folder, only)]
        while waiting:
            folder, only = waiting.pop()
            self._writes.watch_folder(f"{root}/{folder}", folder)
            self._times[folder] = times_of(os.lstat(f"{root}/{folder}"))
            before = self._folders.get(folder, {})
            names = {} if only is None else {n: m for n, m in before.items() if n not in only}
            self._folders[folder] = names
            for entry in entries_of(root, folder, only):
                if self.watches_files and entry.is_file(follow_symlinks=False):
                    self._writes.watch_file(entry.path, folder + entry.name)
                    names[entry.name] = UNSEEN
                    continue
                seen = entry.stat(follow_symlinks=False)
                names[entry.name] = mark_of(seen, latest)
                if stat.S_ISDIR(seen.st_mode) and names[entry.name] != before.get(entry.name):
                    waiting.append((f"{folder}{entry.name}/", None))
            for name, mark in before.items():
                if names.get(name) != mark:
                    self._drop(f"{folder}{name}/")
            if UNTRUSTED in names.values():
                untrusted = [name for name, mark in names.items() if mark == UNTRUSTED]
                self._suspect({folder: untrusted})

    def _drop(self, folder: str) -> None:
        """Note nothing of a folder, and of those inside, any more."""
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            waiting += (f"{folder}{name}/" for name in self._folders.pop(folder, ()))

    def folders_with(self, name: str) -> Iterator[str]:
        """The folders in which this name was noted, each as the start of a path."""
        return (folder for folder, names in self._folders.items() if name in names)

    def is_as_noted(self, root: Path) -> bool:
        """Whether certainly nothing is new, gone or another."""
        with contextlib.suppress(OSError):
            return not self.changed(root) and self.is_clean
        return False

    def changed(self, root: Path) -> list[str]:
        """The entries that are gone or not certainly as they were; what is new does not count.

        Of a folder that is not as it was only its own name is given.

        Raises:
            OSError: a folder cannot be read.
        """
        return list(self._differences(root, removes=False))

    def strange(self, root: Path, linked: Collection[str]) -> list[str] | None:
        """The entries that are new or others than noted; None if all have to be looked at.

        Links of the names `linked` count, too: what they lead to may be another.
        """
        if not self.watches_files:
            return None
        try:
            self._take_reports(root)
            found = [
                folder + entry.name
                for folder in self._suspects
                if self._is_in_place(root, folder)
                for entry in self._compare(root, folder)[1]
            ]
        except OSError:
            return None
        return found + [
            folder + name
            for name in linked
            for folder in self.folders_with(name)
            if stat.S_ISLNK(self._folders[folder][name] & _MODE)
        ]

    def restore(self, root: Path) -> list[str]:
        """Remove all that is not certainly as it was; the names that are missing since.

        Raises:
            OSError: something cannot be removed, or `root` is not the folder that it was.
        """
        return list(self._differences(root, removes=True))

    def _differences(self, root: Path, *, removes: bool) -> Iterator[str]:
        self._take_reports(root)
        self.is_clean = True
        waiting = sorted(self._suspects, reverse=True) if self.watches_files else [""]
        while waiting:
            folder = waiting.pop()
            if self.watches_files and not self._is_in_place(root, folder):
                continue
            times = times_of(os.lstat(f"{root}/{folder}"))
            missing, others, folders = self._compare(root, folder)
            if not self.watches_files:
                waiting += folders
            for entry in others if removes else ():
                remove(Path(entry.path))
                if os.path.lexists(entry.path):
                    raise OSError(f"{entry.path} cannot be removed")
            self.is_clean = self.is_clean and not missing and not others
            if removes:
                self._set_back(root, folder, times)
            yield from (folder + name for name in missing)

    def _compare(
        self, root: Path, folder: str
    ) -> tuple[Iterable[str], list["os.DirEntry[str] | Named"], list[str]]:
        """What is missing in a folder, what is new or another there, and the folders inside."""
        missing, others, folders = {**self._folders[folder]}, [], []
        only = self._suspects.get(folder) if self.watches_files else None
        if only is not None:
            missing = {name: missing[name] for name in only if name in missing}
        for entry in entries_of(root, folder, only):
            seen = entry.stat(follow_symlinks=False)
            was = missing.get(entry.name)
            if was is None or not is_same(was, seen, entry.path):
                others.append(entry)
                continue
            del missing[entry.name]
            if stat.S_ISDIR(seen.st_mode):
                folders.append(f"{folder}{entry.name}/")
        return missing, others, folders

    def _take_reports(self, root: Path) -> None:
        self._require_place(root)
        touched = self._writes.taken()
        self._suspect(touched.names)
        self._distrust(touched.files)

    def _require_place(self, root: Path) -> None:
        if folder_mark(root.lstat()) != self._root or not is_open(str(root)):
            raise OSError(f"{root} is not the folder that it was")
        if self.watches_files and has_mounts(root):
            raise OSError(f"something is mounted in {root}")

    def _suspect(self, names: Mapping[str, Iterable[str] | None]) -> None:
        """Look at these names in folders later, at None at all."""
        for folder, inner in names.items():
            known = self._suspects.setdefault(folder, set())
            is_all = known is None or inner is None
            self._suspects[folder] = None if is_all else {*(known or ()), *(inner or ())}

    def _distrust(self, files: Iterable[str]) -> None:
        for file in files:
            folder = parent(file)
            name = file[len(folder) :]
            if name in self._folders.get(folder, ()):
                self._folders[folder][name] = UNTRUSTED
                self._suspect({folder: (name,)})

    def _is_in_place(self, root: Path, folder: str) -> bool:
        """Whether a folder, and each that it is in, is the noted one and no link elsewhere."""
        while folder:
            outer = parent(folder)
            name = folder[len(outer) : -1]
            try:
                about = os.lstat(f"{root}/{folder}".removesuffix("/"))
            except OSError:
                return False
            if self._folders.get(outer, {}).get(name) != folder_mark(about):
                return False
            folder = outer
        return True

    def _set_back(self, root: Path, folder: str, times: Times) -> None:
        """Give a folder that was changed its time again, which anybody could have set."""
        if times != self._times[folder]:
            listed = self._times[folder][1]
            os.utime(f"{root}/{folder}", ns=(listed, listed), follow_symlinks=False)


def is_large(root: Path, index: int) -> bool:
    """Whether so many files are tracked, their index being larger, that looking at each is slow."""
    return (root / GIT / "index").stat().st_size > index


def can_tell() -> bool:
    """Whether this system says of a file that nobody has written to it."""
    return _CAN_TELL


def _differing(before: _Names, after: _Names, only: Collection[str] | None) -> Iterator[str]:
    """The names that may be others than before, among `only` some if those are given."""
    for name in {*before, *after}.intersection(only) if only is not None else {*before, *after}:
        mark = after.get(name)
        if mark != before.get(name) or mark in {UNTRUSTED, UNSEEN}:
            yield name
