"""The bus of agent-task-runner in an agent's workspace: `.loop/` as its agents know it.

It is there for one attempt, as copies, and of what is in it afterwards only that attempt's report
is read. An agent's workspace is no safe place: nothing here follows a link or waits for a pipe, and
whatever an earlier attempt put there is removed first. What the repository itself tracks is never
written: to the agent that would be its own change, and to a reviewer a void verdict.
"""

import os
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Role
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import naming_file
from loop_kit.frozen import frozen

Tracked = Callable[[Collection[str]], Collection[str]]
"""Those of some paths that the commit of a workspace has."""


@frozen
class WorkspaceBus:
    """The files that were laid out for one attempt.

    Attributes:
        folder: `.loop/` in the workspace.
        report: The name of the attempt's report.
        tracked: The names that the repository itself has.
        before: The report that the repository tracks, as it was before the attempt.
    """

    folder: Path
    report: str
    tracked: frozenset[str]
    before: bytes | None

    def collect(self) -> bytes | None:
        """The report of the attempt, or None.

        Raises:
            BusFileUnreadable: it is no regular file, or too long.
        """
        if not _is_folder(self.folder):
            return None
        raw = read_plain(self.folder / self.report, bus.MAX_REPORT)
        return None if raw is not None and raw == self.before else raw

    def discard(self) -> None:
        """Remove everything but what the repository tracks, which is as it was."""
        if not _is_folder(self.folder):
            return
        with suppress(OSError):
            self.folder.chmod(0o700)
        for name in bus.IN_WORKSPACE:
            if name not in self.tracked:
                _remove(self.folder / name)
        if self.before is not None:
            self._restore(self.before)
        with suppress(OSError):
            self.folder.rmdir()

    def _restore(self, before: bytes) -> None:
        path = self.folder / self.report
        with suppress(BusFileUnreadable):
            if read_plain(path, bus.MAX_REPORT) == before:
                return
        _remove(path)
        with suppress(OSError), path.open("xb") as stream:
            stream.write(before)


def lay_out(
    workspace: Path, role: Role, files: Mapping[str, bytes | Path], tracked: Tracked
) -> WorkspaceBus | None:
    """`files` in `.loop/` of `workspace`; None where the repository has something else there."""
    folder = workspace / LOOP_DIR
    if not _is_folder(folder):
        if os.path.lexists(folder):
            if tracked((LOOP_DIR,)):
                return None
            _remove(folder)
        folder.mkdir()
    with suppress(OSError):
        folder.chmod(0o755)
    known = _tracked_names(folder, tracked)
    for name in bus.IN_WORKSPACE:
        if name in known:
            continue
        _remove(folder / name)
        content = files.get(name)
        if content is not None:
            _write(folder / name, content)
    report = bus.REPORTS[role.job]
    before = read_plain(folder / report, bus.MAX_REPORT) if report in known else None
    return WorkspaceBus(folder, report, known, before)


def _tracked_names(folder: Path, tracked: Tracked) -> frozenset[str]:
    """The names in `.loop/` that the repository tracks; it is asked only if there are any files."""
    existing = [name for name in bus.IN_WORKSPACE if os.path.lexists(folder / name)]
    paths = tracked([f"{LOOP_DIR}/{name}" for name in existing]) if existing else ()
    return frozenset(path.removeprefix(f"{LOOP_DIR}/") for path in paths)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _write(path: Path, content: bytes | Path) -> None:
    with naming_file(path), path.open("xb") as stream:
        if isinstance(content, bytes):
            stream.write(content)
            return
        with content.open("rb") as source:
            shutil.copyfileobj(source, stream)


def _remove(path: Path) -> None:
    """Remove whatever is at `path`, if it can be removed; a link itself, never its target."""
    if _is_folder(path):
        remove(path)
        return
    with suppress(OSError):
        path.unlink()
