"""Reads trees for one question that concerns several of them, each once."""

from collections.abc import Mapping

from loop_kit.adapters.git.history import TREE, NotPlain
from loop_kit.adapters.git.objects import Objects, TreeEntry

_MOST = 300
"""More than a round changes."""


class Trees:
    """Trees of one repository."""

    def __init__(self, objects: Objects, most: int = _MOST) -> None:
        """No more than `most` are read."""
        self._objects = objects
        self._most = most
        self._trees: dict[str, Mapping[str, TreeEntry]] = {}

    def read(self, oid: str) -> Mapping[str, TreeEntry]:
        """The entries of a tree, by its id or another name of it.

        Raises:
            NotPlain: it is not here, or too many were read.
        """
        found = self._trees.get(oid)
        if found is None:
            found = self._objects.tree(oid) if len(self._trees) < self._most else None
            if found is None:
                raise NotPlain
            self._trees[oid] = found
        return found

    def entry(self, tree: str, path: str) -> TreeEntry | None:
        """What is at a path of a tree.

        Raises:
            NotPlain: a folder on the way is not here, or too many were read.
        """
        entry: TreeEntry | None = TreeEntry(TREE, tree)
        for name in path.split("/"):
            entry = self.read(entry.oid).get(name) if entry and entry.mode == TREE else None
        return entry

    def root(self, commit: str) -> str:
        """The id of the tree of a commit.

        Raises:
            NotPlain: it is not here.
        """
        (about,) = self._objects.info([f"{commit}^{{tree}}"])
        if about is None:
            raise NotPlain
        return about.oid
