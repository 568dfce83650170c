"""The folder of one task's workspaces, for as long as one run uses it."""

from collections.abc import Sequence
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import Place
from loop_kit.adapters.workspaces.root import (
    make_own,
    repository_key,
    task_folder,
    usable_root,
)


class Space:
    """Where the workspaces of the task of this run are; nothing is made before it is needed."""

    def __init__(self, git: Git, place: Place, roots: Sequence[Path]) -> None:
        self._git = git
        self._place = place
        self._roots = roots
        self._named = ""
        self._task_id = ""
        self._path: Path | None = None

    def select(self, named_root: str, task_id: str) -> None:
        """Choose the task, and the root that the settings name, "" for the default."""
        self._named, self._task_id = named_root, task_id

    @property
    def path(self) -> Path:
        """The folder, made now if this is its first use.

        Raises:
            BadSetting: the root cannot be used; nothing was spent.
        """
        if self._path is None:
            root = usable_root(self._named, self._roots, self._place)
            key = repository_key(self._git, self._place.git_dir)
            folder = task_folder(root, key, self._task_id)
            make_own(folder.parent)
            make_own(folder)
            self._path = folder
        return self._path
