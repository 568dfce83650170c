"""The folder of one task's workspaces, for as long as one run uses it.

    <root>/<repository>/<task>.lock     held by the run that uses the folder
    <root>/<repository>/<task>/         its workspaces, and a marker that says that we made it

The system frees the lock when a process ends, however it ends. Whoever holds it may remove the
folder, and looks afterwards whether the file it has locked is still the one at that path: removing
takes the lock file too. The folder itself is locked as well, where the system can lock folders: a
lock file that is gone lets nobody in. A second run of the same task, in another work tree of the
repository, uses a folder of its own. A run that did not end in order leaves a marker that says so:
the next run in this repository removes what it left, but for the worker's files of its own task.
"""

import contextlib
import json
import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import Place
from loop_kit.adapters.loop_dir.loop_lock import try_lock
from loop_kit.adapters.workspaces.root import (
    make_own,
    repository_key,
    task_folder,
    usable_root,
)
from loop_kit.adapters.workspaces.takeover import incoming_ref
from loop_kit.adapters.workspaces.workplace import OPENED, PARKED, PREPARED
from loop_kit.core.command_words import quoted
from loop_kit.errors import BadSetting
from loop_kit.frozen import frozen

_MARKER = "loop-kit.json"
_MAX_MARKER = 64 * 1024
_MAX_RUNS = 9
_KEPT = frozenset({PARKED, f"{PARKED}{PREPARED}", _MARKER})


@frozen
class Marker:
    """Who made a folder of workspaces.

    Attributes:
        repository: The git directory that the clones borrow from.
        state: The file with the state of the loop; "" in a job.
        resumable: Whether its run ended in order and the loop can be resumed.
    """

    task_id: str
    repository: str
    state: str
    resumable: bool = False


class Space:
    """Where the workspaces of the task of this run are; nothing is made before it is needed."""

    def __init__(
        self, git: Git, place: Place, roots: Sequence[Path], state: Path | None = None
    ) -> None:
        self._git = git
        self._place = place
        self._roots = roots
        self._state = state
        self._named = ""
        self._task_id = ""
        self._path: Path | None = None
        self._lock = Lock()

    def select(self, named_root: str, task_id: str) -> None:
        """Choose the task, and the root that the settings name, "" for the default."""
        self._named, self._task_id = named_root, task_id

    def check(self) -> None:
        """Check the root that the settings name, before anything is recorded.

        Raises:
            BadSetting: it cannot be used.
        """
        if self._named:
            usable_root(self._named, self._roots, self._place)

    @property
    def path(self) -> Path:
        """The folder, made and locked now if this is its first use, or if it was removed since.

        Raises:
            BadSetting: the root cannot be used; nothing was spent.
        """
        if self._path is not None and not self._path.is_dir():
            self._lock.release()
            self._path = None
        if self._path is None:
            root = usable_root(self._named, self._roots, self._place)
            key = repository_key(self._git, self._place.git_dir)
            self._path = self._take(task_folder(root, key, self._task_id))
        return self._path

    def close(self, *, resumable: bool = False) -> str:
        """End the use: remove the folder, or keep the worker's files for `--resume`.

        Returns a sentence and a remedy where something cannot be removed, else ''.
        """
        if self._path is None:
            return ""
        left = ""
        marker = replace(self._marker, resumable=True)
        if resumable and self._path.is_dir():
            _clear(self._path)
            _write_marker(self._path, marker)
            self._lock.release()
        else:
            if not _remove_locked(self._path, self._lock, self._marker):
                left = " ".join(not_removed([self._path]))
            remove_refs(self._git, [incoming_ref(self._path / OPENED)])
        self._path = None
        return left

    @property
    def _marker(self) -> Marker:
        repository = str(self._place.git_dir)
        return Marker(self._task_id, repository, str(self._state or ""))

    def _take(self, wanted: Path) -> Path:
        make_own(wanted.parent)
        for number in range(1, _MAX_RUNS + 1):
            folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}~{number}")
            lock = Lock.of(folder)
            if lock is None:
                continue
            if self._clean(folder):
                self._lock = lock
                lock.add_folder(folder)
                return folder
            lock.release()
        raise BadSetting(
            f"{_MAX_RUNS} folders of {self._task_id} in {wanted.parent} are in use, or cannot be"
            " emptied.",
            "Wait for a run to end, run `loop clean`, or name another --workspace-root.",
            anchor="workspace-root",
        )

    def _clean(self, folder: Path) -> bool:
        """Make the folder ours, without what an earlier run left, and remove what crashed runs did.

        Whether that is possible: an agent may have left what only its owner can remove.

        Raises:
            BadSetting: a folder that we did not make is in its place.
        """
        if not _is_entered(folder):
            return False
        make_own(folder)
        before = read_marker(folder)
        if before is None and any(folder.iterdir()):
            raise BadSetting(
                f"{folder} is no folder that loop-kit made.",
                "Move it away, and run again.",
                anchor="workspace-root",
            )
        is_same = before is None or replace(before, resumable=False) == self._marker
        if not _clear(folder, keeps=_KEPT if is_same else frozenset({_MARKER})):
            return False
        _write_marker(folder, self._marker)
        for other, marker in folders_below(folder.parent):
            if not marker.resumable and remove_unused(other):
                remove_refs(self._git, [incoming_ref(other / OPENED)])
        return True


def folders_below(repository: Path) -> Iterator[tuple[Path, Marker]]:
    """The folders of workspaces that were made for a repository."""
    for folder in _folders(repository):
        marker = read_marker(folder) if _is_entered(folder) else None
        if marker is not None:
            yield folder, marker


def closed_folders(repository: Path) -> tuple[Path, ...]:
    """Those that cannot be entered, and so not be removed either."""
    if os.path.lexists(repository) and not _is_entered(repository):
        return (repository,)
    return tuple(folder for folder in _folders(repository) if not _is_entered(folder))


def not_removed(folders: Sequence[Path]) -> tuple[str, str]:
    """The sentence and the remedy about folders in which something cannot be removed."""
    if os.name == "nt":
        names = " ".join(quoted(str(folder), windows=True) for folder in folders)
        return (
            f"Something in {names} cannot be removed: a program has it open, or it is protected.",
            f"End what uses it, then remove it: `rmdir /s /q {names}`.",
        )
    names = shlex.join(map(str, folders))
    return (
        f"Something in {names} cannot be removed: it is another user's, or protected.",
        f"Remove it as its owner or as root: `chattr -R -f -i {names}; rm -rf -- {names}`.",
    )


def _folders(repository: Path) -> list[Path]:
    if not (_is_entered(repository) and repository.is_dir()):
        return []
    with os.scandir(repository) as entries:
        return sorted(Path(each.path) for each in entries if each.is_dir(follow_symlinks=False))


def _is_entered(folder: Path) -> bool:
    """Whether a folder is one that can be listed and entered, after its owner's rights are back."""
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(folder.lstat().st_mode):
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                folder.chmod(0o700)
            return os.access(folder, os.R_OK | os.X_OK)
    return not os.path.lexists(folder)


def read_marker(folder: Path) -> Marker | None:
    """Who made the folder; None where we did not."""
    path = folder / _MARKER
    try:
        if folder.is_symlink() or path.is_symlink() or path.stat().st_size > _MAX_MARKER:
            return None
        return Marker(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def remove_unused(folder: Path) -> bool | None:
    """Remove a folder of workspaces; whether it is gone, None while a run is using it."""
    marker, lock = read_marker(folder), Lock.of(folder)
    return None if lock is None else _remove_locked(folder, lock, marker)


def remove_refs(git: Git, refs: Iterable[str]) -> None:
    """Remove refs that keep what nobody needs any more."""
    for ref in refs:
        git.refs.remove(ref)


def _write_marker(folder: Path, marker: Marker) -> None:
    (folder / _MARKER).write_text(json.dumps(vars(marker)), "utf-8")


def _clear(folder: Path, keeps: frozenset[str] = _KEPT) -> bool:
    """Remove everything but what `keeps` names; whether that was possible."""
    entries = [entry for entry in folder.iterdir() if entry.name not in keeps]
    for entry in entries:
        remove(entry)
    return not any(map(os.path.lexists, entries))


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


class Lock:
    """The lock of a folder of workspaces: open files that hold it until they are closed."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []

    @classmethod
    def of(cls, folder: Path) -> "Lock | None":
        """The lock of `folder`, which need not exist; None while another run holds it.

        Raises:
            BadSetting: files cannot be locked there.
        """
        lock, path = cls(), _lock_path(folder)
        try:
            while lock.add(path, os.O_RDWR | os.O_CREAT):
                if lock.is_at(path) and lock.add_folder(folder):
                    return lock
                if lock.is_at(path):
                    break
                lock.release()
        except OSError as error:
            lock.release()
            raise BadSetting(
                f"{path} cannot be locked: {error.strerror}.",
                "Name a folder on a disk with locks with --workspace-root.",
                anchor="workspace-root",
            ) from None
        lock.release()
        return None

    def is_at(self, path: Path) -> bool:
        """Whether the first file of this lock is still at its path."""
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self._descriptors[0]), path.lstat())
        return False

    def add(self, path: Path, flags: int) -> bool:
        """Lock one file or folder too; whether it was free."""
        descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
        self._descriptors.append(descriptor)
        return try_lock(descriptor)

    def add_folder(self, folder: Path) -> bool:
        """Lock the folder itself, where there is one and it can be locked; whether it was free."""
        if os.name == "nt" or not (_is_entered(folder) and folder.is_dir()):
            return True
        return self.add(folder, os.O_RDONLY | os.O_DIRECTORY)

    def release(self) -> None:
        """Free what is held."""
        while self._descriptors:
            os.close(self._descriptors.pop())


def _remove_locked(folder: Path, lock: Lock, marker: Marker | None) -> bool:
    """Remove a folder and its lock, and the repository's folder with the last of them.

    Whether it is gone; what is left of it has its marker, so that it can be removed later.
    """
    remove(folder)
    is_gone = not os.path.lexists(folder)
    if not is_gone and marker is not None:
        with contextlib.suppress(OSError):
            _write_marker(folder, marker)
    if os.name == "nt":  # an open file cannot be removed there
        lock.release()
    with contextlib.suppress(OSError):
        _lock_path(folder).unlink(missing_ok=True)
        folder.parent.rmdir()
    lock.release()
    return is_gone
