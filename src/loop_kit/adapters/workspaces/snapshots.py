"""Makes workspaces in which no agent has written: a plain clone, or a copy of a prepared snapshot.

Measured on 10 and on 50,000 files: git writes the files of a commit as fast as they can be copied,
so without a preparation there is no snapshot. With one, a snapshot is made once for each state of
the manifests and lock files, at the very path where workspaces are opened, for environments hold
absolute paths; then it is moved aside, updated to the wanted commit (only files that differ) and
copied. What its set-up commands did to tracked files and to `.git` is undone.

`place` is the one door: an overlay can take the place of the copy behind it. What is used once is
made from what was used before, where nobody has written to it; see `spare`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from loop_kit.adapters.files.removal import make_room, remove
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.copying import (
    Copier,
    FreeSpace,
    free_space,
    require_space,
    size_of,
)
from loop_kit.adapters.workspaces.inventory import LARGE_INDEX, Inventory, is_large
from loop_kit.adapters.workspaces.own_index import OwnIndex, read_index
from loop_kit.adapters.workspaces.spare import Spare
from loop_kit.adapters.workspaces.undelivered import Closing
from loop_kit.frozen import frozen
from loop_kit.ports import SetupFailed

_AT_ONCE = 3
"""How many workspaces a round has on the disk: the worker's, one beside it, and a snapshot."""

_SPECIAL = frozenset("\\*?[#! ")


class Preparation(Protocol):
    """Makes a clone usable: untracked files that are included, and set-up commands."""

    @property
    def settings(self) -> str:
        """A digest of what is asked for, whatever the commit."""
        ...

    def key(self, sha: str) -> str | None:
        """A digest of what the preparation depends on at a commit; None if nothing is prepared."""
        ...

    def source(self, sha: str) -> str:
        """The commit at which a workspace for `sha` is prepared; it has the same key."""
        ...

    def check(self, sha: str) -> None:
        """Check what can be known before a workspace is prepared.

        Raises:
            SetupFailed: agents would work on other code.
        """
        ...

    def check_commands(self, commands: Sequence[str], environ: Mapping[str, str]) -> None:
        """Check which environments verify commands name.

        Raises:
            SetupFailed: they would be run on other code.
        """
        ...

    def prepare(self, path: Path, sha: str) -> None:
        """Prepare the clone of `sha` at `path`.

        Raises:
            SetupFailed: a command failed, or a file cannot be included.
        """
        ...

    def failure(self, sha: str) -> SetupFailed | None:
        """Why the workspace for `sha` is not prepared as asked: what agents changed broke it."""
        ...

    def environment(self, path: Path, sha: str, *, trusts_work: bool) -> Mapping[str, str]:
        """The variables for what was prepared at `path`, for whoever works there.

        Without `trusts_work` what agents may have brought does not count.
        """
        ...


@frozen
class _Snapshot:
    """A prepared folder at one commit, and an index of its tracked files."""

    path: Path
    index: OwnIndex
    sha: str
    size: int


class Snapshots:
    """Places workspaces that no agent's code has written to."""

    def __init__(
        self,
        cloner: Cloner,
        preparation: Preparation,
        free: FreeSpace = free_space,
        *,
        large_index: int = LARGE_INDEX,
    ) -> None:
        """An index of so many bytes lists so many files that writing them all takes long."""
        self.cloner = cloner
        self.preparation = preparation
        self._free = free
        self._large_index = large_index
        self._copier = Copier()
        self._snapshots: dict[str, _Snapshot] = {}
        self._spare = Spare(cloner, large_index=large_index)
        self._is_used = False

    @property
    def inventory(self) -> Inventory | None:
        """What the workspace held that was placed for one use, before it was used."""
        return self._spare.inventory

    def prepare(self, path: Path, sha: str) -> None:
        """Make sure that workspaces for `sha` can be placed at `path`: nobody is paid before.

        Raises:
            SetupFailed: the preparation failed.
            DiskRefused: there is no room for what a round needs.
        """
        self._require_space(_AT_ONCE, sha)
        self.preparation.check(sha)
        key = self.preparation.key(sha)
        if key is not None:
            snapshot = self._snapshot(key, path, sha)
            self._require_space(_AT_ONCE - 1, sha, snapshot)

    def place(self, path: Path, sha: str, tree: str | None = None) -> None:
        """A new workspace at `path`, on a branch at `sha`, with the files of `tree` or `sha`.

        Raises:
            SetupFailed: the preparation failed; its manifests or lock files have changed.
            DiskRefused: there is no room.
            GitFailed: the commit is not in the repository.
        """
        key = self.preparation.key(sha)
        if key is None:
            self._require_space(1, sha)
            self.cloner.clone(path.name, sha, tree)
            return
        snapshot = self._snapshot(key, path, sha)
        self._require_space(1, sha, snapshot)
        make_room(path)
        try:
            self._copier.copy(snapshot.path, path, {".git"})
            self.cloner.write_git_folder(path, sha, tree, index=snapshot.index)
            if tree not in {None, sha}:
                self._refresh(path)
                self.cloner.check_out(path, tree or sha)
        except BaseException:
            remove(path)
            raise

    def place_once(self, path: Path, sha: str, *, is_first: bool) -> None:
        """A new workspace at `path` that is used once; made from the last, where that is safe.

        What it holds is noted only where a next use is certain, as it is if this one `is_first`, or
        likely, as it is from the second use on: a run of one round has nothing of it. In a large
        repository the next would write all files again, so there the first is noted, too, but not
        in a job, which takes one round.

        Raises:
            LoopError: it cannot be placed; see `place`.
        """
        key = self.preparation.key(sha)
        prepared = None if key is None else self._snapshot(key, path, sha).path
        if not self._spare.reopen(path, sha, key, prepared):
            self.place(path, sha)
            if key is not None:
                self._refresh(path)
            is_long = not self.cloner.git.isolated and is_large(path, self._large_index)
            if is_first or self._is_used or is_long:
                self._spare.note(path, sha, key)
        self._is_used = True

    def work_begins(self) -> None:
        """An agent has the worker's files from here on."""
        self._spare.work_begins()

    def work_ended(self) -> Closing | None:
        """It has ended: what it left open is being closed from here on, where that matters."""
        return self._spare.work_ended()

    def put_away(self, path: Path) -> None:
        """Keep what was placed for one use for the next, or remove it."""
        self._spare.keep(path)

    def _snapshot(self, key: str, path: Path, sha: str) -> _Snapshot:
        """The snapshot for `key`, at `sha`."""
        snapshot = self._snapshots.get(key)
        if snapshot is None or not snapshot.path.is_dir():
            snapshot = self._make(key, path, self.preparation.source(sha))
        if snapshot.sha != sha:
            index = self._check_out(snapshot.path, sha, snapshot.index)
            if self._changes_attributes(snapshot.sha, sha):
                index = self._check_out(snapshot.path, sha, None)
            snapshot = replace(snapshot, sha=sha, index=index)
        self._snapshots[key] = snapshot
        return snapshot

    def _make(self, key: str, path: Path, sha: str) -> _Snapshot:
        target = self.cloner.folder / f"snapshot-{key[:12]}"
        self.cloner.clone(path.name, sha)
        try:
            index = read_index(path / ".git" / "index")
            self.preparation.prepare(path, sha)
            _require_folder(path)
            index = self._check_out(path, sha, index)
            self.cloner.hidden = tuple(sorted({*self.cloner.hidden, *self._visible(path)}))
            path.rename(make_room(target))
        except BaseException:
            remove(path)
            raise
        return _Snapshot(target, index, sha, size_of(target))

    def _changes_attributes(self, old: str, new: str) -> bool:
        """Whether git may write a file otherwise at another commit although its content is same."""
        query = ("diff-tree", "-r", "--name-only", "-z", old, new)
        return b".gitattributes\0" in self.cloner.git.run(*query, timeout=120).out

    def _check_out(self, path: Path, sha: str, index: OwnIndex | None) -> OwnIndex:
        """Give a snapshot its tracked files at `sha`, with a `.git` that set-up never had.

        Those that differ from an `index` are written, without one all; the index that then is.
        """
        self.cloner.write_git_folder(path, sha, index=index)
        self.cloner.check_out(path, sha)
        return read_index(path / ".git" / "index")

    def _refresh(self, path: Path) -> None:
        """Let git see that the files of a copy are those of its index."""
        self.cloner.git.at(path).run("update-index", "-q", "--refresh", ok=(0, 1), timeout=600)

    def _visible(self, path: Path) -> Iterator[str]:
        """Patterns for what the preparation left that git does not ignore."""
        command = ("ls-files", "-z", "--others", "--exclude-standard", "--directory")
        output = self.cloner.git.at(path).run(*command, timeout=120).out
        for name in output.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            if "\n" not in name:
                yield "/" + "".join(f"\\{c}" if c in _SPECIAL else c for c in name)

    def _require_space(self, count: int, sha: str, snapshot: _Snapshot | None = None) -> None:
        def needed() -> int:
            return count * (snapshot.size if snapshot else self._tree_size(sha))

        require_space(self.cloner.folder, needed, self._free)

    def _tree_size(self, sha: str) -> int:
        """Bytes of all files of a commit."""
        listing = self.cloner.git.run("ls-tree", "-r", "-l", "-z", sha, timeout=120).out
        rows = (line.partition(b"\t")[0].split() for line in listing.split(b"\0")[:-1])
        return sum(int(row[3]) for row in rows if row[3] != b"-")


def _require_folder(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        raise SetupFailed(
            "A workspace could not be prepared: `workspace-setup` removed the workspace itself.",
            "Leave the folder in place in `workspace-setup`: it runs inside it.",
        )
