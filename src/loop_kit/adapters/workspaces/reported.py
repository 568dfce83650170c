"""Says from what was reported of a worker's files that all of them are those of its commit.

They were those of a commit when the worker began, and all that is done to a file is reported. So
only what was reported, and what its commits changed, can differ from the last one: that is compared
by content, and the index brought up to date there. Of what is new git says whether the files in the
folders say that it is ignored; what the user or the repository ignores beside them counts as left.
Git looks at all files instead where it is not as plain: something differs or was left, a file
changed that says how git treats others, or there is more than a look at all would cost.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.files.special_files import READ_BY_GIT
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.history import TREE, History, NotPlain
from loop_kit.adapters.git.objects import Objects, TreeEntry
from loop_kit.adapters.git.trees import Trees
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, open_plain
from loop_kit.adapters.workspaces.marks import now
from loop_kit.adapters.workspaces.own_index import File, OwnIndex
from loop_kit.errors import GitFailed

_MOST = 40
_MOST_SEEN = 400
_MAX_WORDS = 32 * 1024
_SHA1_LENGTH = 40
_CHUNK = 1024 * 1024
_LINK = "120000"
_MODES = {"100644": 0, "100755": stat.S_IXUSR}


class Reported:
    """Compares files of the workspace at `path` with one commit."""

    def __init__(self, git: Git, git_dir: Path, path: Path, hidden: Iterable[str]) -> None:
        """`git_dir` is the loop's repository; what fits the patterns `hidden` was there before."""
        self._git = git
        self._git_dir = git_dir
        self._path = path
        self._hidden = [f"--exclude={pattern}" for pattern in hidden]

    def index_at(
        self, head: str, old: str, index: OwnIndex, touched: Sequence[str]
    ) -> OwnIndex | None:
        """The index of `head`, if all files are certainly those of it; None if git has to look.

        `index` and the files were those of `old`, and only what is `touched` can differ since.
        """
        objects = self._git.objects
        try:
            changed = History(objects).between(old, head).changes if old != head else []
            if any(_is_strange(c.old_mode, c.new_mode) for c in changed):
                return None
            trees = Trees(objects)
            tree = trees.root(head)
            since = now(self._path)
            look = _Look(objects, trees, tree, self._path)
            for path in {*(change.path for change in changed), *touched}:
                look.at(path)
            if look.new and not self._ignores(look.new):
                return None
            gone = {change.path: None for change in changed if change.path not in look.found}
            files = gone | look.found
            if len(files) > _MOST:
                return None
            return index.at_tree(files, trees, tree, since)
        except (NotPlain, BusFileUnreadable, GitFailed, OSError):
            return None

    def _ignores(self, paths: Sequence[str]) -> bool:
        """Whether there is nothing at these paths but what git ignores."""
        if sum(len(os.fsencode(path)) + 1 for path in paths) > _MAX_WORDS:
            return False
        nothing = self._path.with_name(f"{self._path.name}.nothing")
        remove(nothing)
        env = {
            "GIT_DIR": str(self._git_dir),
            "GIT_WORK_TREE": str(self._path),
            "GIT_INDEX_FILE": str(nothing),
            "GIT_LITERAL_PATHSPECS": "1",
        }
        command = ("ls-files", "-z", "--others", "--directory")
        rules = ("--exclude-per-directory=.gitignore", *self._hidden)
        done = self._git.at(self._path).run(*command, *rules, "--", *paths, env=env, timeout=120)
        return not done.out


class _Look:
    """What was found at paths that are compared with a tree.

    Attributes:
        found: The files that are as in the tree, each as it was before it was compared.
        new: What is there, but not in the tree.
    """

    def __init__(self, objects: Objects, trees: Trees, tree: str, root: Path) -> None:
        self._objects = objects
        self._trees = trees
        self._tree = tree
        self._root = root
        self._seen: set[str] = set()
        self.found: dict[str, File] = {}
        self.new: list[str] = []

    def at(self, path: str) -> None:
        """Compare what is at a path.

        Raises:
            NotPlain: it differs, or git has to look for another reason.
            OSError: it cannot be read.
        """
        if path in self._seen:
            return
        self._seen.add(path)
        if len(self._seen) > _MOST_SEEN or not READ_BY_GIT.isdisjoint(path.split("/")):
            raise NotPlain
        entry, about = self._trees.entry(self._tree, path), _about(self._root / path)
        if entry is None:
            if about is not None:
                self.new.append(path)
        elif about is None:
            raise NotPlain
        elif entry.mode == TREE:
            if not stat.S_ISDIR(about.st_mode):
                raise NotPlain
            names = {*os.listdir(self._root / path), *self._trees.read(entry.oid)}  # noqa: PTH208
            for name in names:
                self.at(f"{path}/{name}")
        else:
            self._require_same(path, entry, about)

    def _require_same(self, path: str, entry: TreeEntry, about: os.stat_result) -> None:
        file = self._root / path
        (wanted,) = self._objects.info([entry.oid])
        if wanted is None or wanted.size != about.st_size:
            raise NotPlain
        if entry.mode == _LINK and stat.S_ISLNK(about.st_mode):
            target = os.readlink(os.fsencode(file))  # noqa: PTH115
            oid: str | None = _hash(len(entry.oid), len(target), (target,))
        elif entry.mode in _MODES and stat.S_ISREG(about.st_mode):
            is_same_mode = about.st_mode & stat.S_IXUSR == _MODES[entry.mode]
            oid = blob_id(file, entry.oid, about.st_size) if is_same_mode else None
        else:
            oid = None
        if oid != entry.oid:
            raise NotPlain
        self.found[path] = entry.mode, entry.oid, about


def _is_strange(*modes: str) -> bool:
    """Whether one is neither nothing nor a file or link."""
    return any(mode not in {*_MODES, _LINK, "000000"} for mode in modes)


def _about(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def blob_id(path: Path, like: str, size: int) -> str | None:
    """The id, of the kind of `like`, of a file of that size; None if it is none of that size.

    Raises:
        BusFileUnreadable: it is no plain file.
        OSError: it cannot be read.
    """
    stream = open_plain(path)
    if stream is None:
        return None
    with stream:
        if os.fstat(stream.fileno()).st_size != size:
            return None
        pieces = (stream.read(min(_CHUNK, size - at)) for at in range(0, size, _CHUNK))
        return _hash(len(like), size, pieces)


def _hash(length: int, size: int, pieces: Iterable[bytes]) -> str:
    kind = hashlib.sha1 if length == _SHA1_LENGTH else hashlib.sha256
    whole = kind(b"blob %d\0" % size)
    for piece in pieces:
        whole.update(piece)
    return whole.hexdigest()
