"""Lists and reads the files of a commit through the git process that stays.

A round asks for a few files in a few folders, and a program of git for each question costs more
than all answers. What would take many questions to read is left to git, and so are links.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import takewhile

from loop_kit.adapters.git.history import TREE, NotPlain
from loop_kit.adapters.git.objects import Objects, TreeEntry
from loop_kit.adapters.git.tree_names import TreeNames, is_tree_path
from loop_kit.adapters.git.trees import Trees

_MAX_TREES = 64
_LINK = "120000"
_NOTHING = TreeEntry("000000", "")


class TreeFiles:
    """The files of one commit."""

    def __init__(self, objects: Objects, names: TreeNames, sha: str) -> None:
        self._objects = objects
        self._lister = names
        self._root = f"{sha}^{{tree}}"
        self._trees = Trees(objects, _MAX_TREES)

    def names(self, below: Collection[str]) -> Iterator[str]:
        """The paths of all files, in git's order; if given only those in or at the paths `below`.

        Raises:
            NotPlain: there is a link on the way to one of `below`, or a folder is not here.
        """
        outer = ""
        for folder in sorted(f"{path}/" for path in below or [""]):
            if outer and folder.startswith(outer):
                continue
            outer = folder
            path = folder[:-1]
            entry = self._entry(path) if path else self._top()
            if entry.mode == TREE:
                yield from (f"{path and folder}{name}" for name in self._lister.list(entry.oid))
            elif entry is not _NOTHING:
                yield path

    def read(self, paths: Sequence[str], limit: int) -> Mapping[str, bytes]:
        """The contents of those of `paths` that are files of at most `limit` bytes.

        Raises:
            NotPlain: there is a link on the way to one of them, or an object is not here.
        """
        entries = {path: self._entry(path) for path in paths}
        oids = {path: entry.oid for path, entry in entries.items() if entry.mode[:2] == "10"}
        if None in self._objects.info(list(oids.values())):
            raise NotPlain
        found = {path: self._objects.read(oid, "blob", limit) for path, oid in oids.items()}
        return {path: content for path, content in found.items() if content is not None}

    def _top(self) -> TreeEntry:
        (about,) = self._objects.info([self._root])
        if about is None:
            raise NotPlain
        return TreeEntry(TREE, about.oid)

    def _entry(self, path: str) -> TreeEntry:
        if not is_tree_path(path):
            raise NotPlain
        entry = TreeEntry(TREE, self._root)
        for name in path.split("/"):
            inside = self._trees.read(entry.oid) if entry.mode == TREE else {}
            entry = inside.get(name, _NOTHING)
            if entry.mode == _LINK:
                raise NotPlain
        return entry


def literal_folder(pattern: str) -> str:
    """The folder or file that holds every match of `pattern`; '' for the whole tree."""
    rooted = "/" in pattern.rstrip("/")
    parts = pattern.strip("/").split("/") if rooted else []
    literal = list(takewhile(lambda part: part and not set(part) & set("*?[\\"), parts))
    return "/".join(literal) if not pattern.startswith("!") and ".." not in literal else ""
