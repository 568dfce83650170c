"""The archived files of a task's rounds, and restoring one of them.

A command that must start fast uses it: it imports nothing heavy.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import loop_folder, repository_root, write_atomically
from loop_kit.adapters.loop_dir.loop_lock import exclusive
from loop_kit.errors import LoopError
from loop_kit.frozen import frozen

_ROUND_FILE = re.compile(r"r\d+_(.+)")
_EARLIER_RUN = re.compile(r"runs/[0-9TZ:-]+/")


@frozen
class Archive:
    """The archive of one task in the loop's folder `loop`."""

    loop: Path
    folder: Path

    def files(self) -> Sequence[str]:
        """The names of the archived files, relative to the archive."""
        files = (path for path in self.folder.rglob("*") if not path.is_dir())
        return sorted(path.relative_to(self.folder).as_posix() for path in files)

    def restore(self, name: str) -> tuple[Path, Path]:
        """Copy the archived file `name` to its place in the loop's folder.

        Returns:
            The archived file and the restored one.

        Raises:
            LoopError: there is no such file in the archive, or a loop is running.
        """
        file = name if name.endswith((".json", ".txt")) else f"{name}.json"
        source = self.folder / file
        earlier = _EARLIER_RUN.match(file)
        file = file[earlier.end() :] if earlier else file
        if Path(file).name != file or file in {"", ".", ".."}:
            raise LoopError(
                f"{name!r} escapes the archive of the task.",
                "Name a file that it lists.",
                anchor="archive-name",
            )
        is_plain = source.is_file() and not source.is_symlink()
        if not (is_plain and source.resolve().is_relative_to(self.folder.resolve())):
            raise LoopError(
                f"{source} does not exist.",
                "Name a file that `loop archive` lists.",
                anchor="archive-name",
            )
        of_round = _ROUND_FILE.fullmatch(file)
        target = self.loop / (of_round.group(1) if of_round else file)
        with exclusive(self.loop / "lock"):
            write_atomically(target, source.read_bytes())
        return source, target


def archive_of(cwd: Path, loop_dir: str, task_id: str) -> Archive:
    """The archive of the task `task_id`, which may not exist.

    Raises:
        LoopError: the task id is a path.
    """
    loop = loop_folder(repository_root(cwd), loop_dir)
    if ".." in task_id or "/" in task_id or "\\" in task_id:
        raise LoopError(
            f"The task id {task_id!r} is a path traversal.",
            "Give a plain task id.",
            anchor="task-id-invalid",
        )
    return Archive(loop, loop / "archive" / task_id)


def archived_tasks(cwd: Path, loop_dir: str) -> Sequence[str]:
    """The ids of the tasks that have an archive."""
    folder = loop_folder(repository_root(cwd), loop_dir) / "archive"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ()
