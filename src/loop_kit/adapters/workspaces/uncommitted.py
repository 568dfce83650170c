"""Stages what an agent left uncommitted in its clone, in an index that the agent never had.

Git runs with the loop's repository and that index; of the clone it sees the files, and the agent's
own index as a list of names. A path that git refuses is reported, and the others are staged.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.objects import DURABLE
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.adapters.workspaces.agent_index import has_resolved, holds_tree, index_content
from loop_kit.adapters.workspaces.reported import blob_id
from loop_kit.core.card.leftovers import Leftovers, has_conflict, sort_leftovers
from loop_kit.core.card.scope import GITLINK
from loop_kit.errors import GitFailed
from loop_kit.frozen import frozen

_PLAIN = (
    *("-c", "core.sparseCheckout=false", "-c", "core.safecrlf=false"),
    *("-c", "reset.quiet=false"),
)
"""A clone has all files, the user's warnings about line ends do not stop the loop, and what differs
is listed."""

_FILE = "100"
_MODIFIED = "M\t"
_MAX_FILE = 8 * 1024 * 1024


@frozen
class Change:
    """One path that differs from a commit, with its modes and object ids."""

    path: str
    status: str
    old_mode: str
    mode: str
    old_oid: str
    oid: str

    @property
    def entry(self) -> bytes:
        """The line with which `update-index` stages it."""
        return f"{self.mode} {self.oid}\t{self.path}\0".encode("utf-8", "surrogateescape")

    @property
    def old_entry(self) -> bytes:
        """The line with which `update-index` takes it back."""
        return f"{self.old_mode} {self.old_oid}\t{self.path}\0".encode("utf-8", "surrogateescape")


@frozen
class Staged:
    """What was staged, and what was not.

    Attributes:
        changes: The differences from the commit, staged.
        leftovers: The new files as they were sorted.
        refused: The paths that git did not take.
        unresolved: The files in which conflicts are left.
        is_clean: Whether the files are those of the commit.
    """

    changes: tuple[Change, ...]
    leftovers: Leftovers
    refused: tuple[str, ...]
    unresolved: tuple[str, ...]
    is_clean: bool = False


AS_COMMITTED = Staged((), Leftovers(), (), (), is_clean=True)
"""Nothing is left."""


class Uncommitted:
    """The uncommitted work in one clone."""

    def __init__(
        self,
        git: Git,
        git_dir: Path,
        path: Path,
        index: Path,
        limit: int,
        hidden: Sequence[str] = (),
    ) -> None:
        """`git_dir` is the loop's repository, `path` the clone, `index` the private index.

        What fits the patterns `hidden` was there before the agent.
        """
        self._git = git.at(git_dir)
        self._objects = git.objects
        self._inside = git.at(path)
        self._path = path
        self._limit = limit
        self._hidden = [f"--exclude={pattern}" for pattern in hidden]
        self._env = {
            "GIT_DIR": str(git_dir),
            "GIT_WORK_TREE": str(path),
            "GIT_INDEX_FILE": str(index),
        }
        self._theirs = {**self._env, "GIT_INDEX_FILE": str(path / ".git" / "index")}

    def stage(
        self,
        head: str,
        before: str,
        suspects: Sequence[str],
        *,
        takes_all: bool,
        merges: bool = False,
    ) -> Staged:
        """Stage what differs from `head`, the agent's own commit; `before` is where it began.

        `suspects` are files in which an earlier attempt left conflicts. With `takes_all` new files
        are staged although they are too many. Where it `merges`, a file without conflict markers is
        resolved, whatever the agent's own index says.
        """
        differing, has_staged = self._reset(head), self.has_staged(head)
        if not (differing or has_staged or suspects or self._has_new()):
            return AS_COMMITTED
        tracked, new = self._listing()
        staged = self._staged_by_agent(head) if has_staged else []
        own = [c for c in staged if c.status == "A" and c.path not in tracked]
        new += [f"{c.path}/" for c in own if c.mode == GITLINK and (self._path / c.path).is_dir()]
        new += [c.path for c in own if _is_file(self._path / c.path)]
        removed = self._count_removed() if self._limit and len(new) > self._limit else 0
        leftovers = sort_leftovers(new, tracked, removed=removed, limit=self._limit)
        wanted = (*leftovers.taken, *(leftovers.excess if takes_all else ()))
        refused = self._add(differing, wanted, tracked)
        changes = self._changes(head) if differing or wanted else ()
        present = {change.path for change in changes}
        refused += [path for path in wanted if path not in present]
        unmerged = [change.path for change in staged if change.status == "U"]
        asked = {*suspects, *unmerged, *self._resolved(), *self._edited(changes)}
        listed = () if merges else unmerged
        unresolved = {*listed, *(path for path in asked if self._has_new_conflict(path, before))}
        return Staged(changes, leftovers, tuple(refused), tuple(sorted(unresolved)))

    def unmerged(self, head: str) -> list[str]:
        """The files that the agent's own index calls unmerged."""
        return [change.path for change in self._staged_by_agent(head) if change.status == "U"]

    def tree(self, head: str, base: str, changes: Sequence[Change]) -> str:
        """The tree of `base` with `changes`, which are staged on top of `head`."""
        if base != head:
            self._git.run("read-tree", "--reset", base, env=self._env, timeout=120)
            entries = b"".join(change.entry for change in changes)
            command = ("update-index", "--replace", "-z", "--index-info")
            self._git.run(*command, stdin=entries, env=self._env)
        return self._git.text(*DURABLE, "write-tree", env=self._env)

    def _reset(self, head: str) -> list[str]:
        """Let the index hold `head`; for each tracked file that differs a letter and its path."""
        reset = ("reset", head, "--", ".")
        out = self._inside.run(*_PLAIN, *reset, env=self._env, timeout=600).out
        return out.decode("utf-8", "surrogateescape").split("\n")[1:-1]

    def has_staged(self, head: str) -> bool:
        """Whether the agent's own index may hold anything else than `head`."""
        (tree,) = self._objects.info([f"{head}^{{tree}}"])
        return tree is None or not holds_tree(self._their_index(), tree.oid)

    def _has_new(self) -> bool:
        new = ("ls-files", "-z", "--others", "--exclude-standard", *self._hidden)
        return bool(self._inside.run(*_PLAIN, *new, env=self._env, timeout=120).out)

    def _their_index(self) -> bytes:
        return index_content(self._path / ".git" / "index")

    def _listing(self) -> tuple[Mapping[str, str], list[str]]:
        """The tracked paths with their modes, and the new ones that are not ignored."""
        command = ("ls-files", "-t", "-z", "--stage", "--others", "--exclude-standard")
        listing = self._inside.run(
            *(*_PLAIN, *command, *self._hidden), env=self._env, timeout=120
        ).out
        tracked, new = {}, []
        for line in listing.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            if line.startswith("? "):
                new.append(line[2:])
            else:
                about, _, path = line.partition("\t")
                tracked[path] = about[2:8]
        return tracked, new

    def _staged_by_agent(self, head: str) -> list[Change]:
        """What the agent's own index has added, and what is unmerged there."""
        with contextlib.suppress(GitFailed):
            command = ("diff-index", "--cached", *_RAW, "--diff-filter=AU", head)
            return list(_parse(self._inside.run(*command, env=self._theirs, timeout=120).out))
        return []

    def _count_removed(self) -> int:
        command = ("ls-files", "--deleted", "-z")
        return self._inside.run(*command, env=self._env, timeout=120).out.count(b"\0")

    def _add(
        self, differing: Sequence[str], new: Sequence[str], tracked: Mapping[str, str]
    ) -> list[str]:
        """Stage the tracked files that differ, and the new ones; those tracked that git refuses.

        One command does it where all that differ are files still. Else another looks what became
        of them.
        """
        changed = [line.removeprefix(_MODIFIED) for line in differing]
        is_plain = all(tracked.get(path, "").startswith(_FILE) for path in changed)
        is_plain = is_plain and all(line.startswith(_MODIFIED) for line in differing)
        if is_plain and not any("\n" in path for path in tracked):
            is_whole = self._add_named((*changed, *new))
        else:
            is_whole = self._add_tracked(tracked)
            self._add_named(new)
        if is_whole or not differing:
            return []
        query = ("diff-files", "--name-only", "-z", "--ignore-submodules=all")
        left = self._inside.run(*query, env=self._env, timeout=120).out
        return left.decode("utf-8", "surrogateescape").split("\0")[:-1]

    def _add_tracked(self, tracked: Mapping[str, str]) -> bool:
        """Stage what is changed or gone; whether git took all of it.

        Submodules are left out: git would look into them with *their* configuration.
        """
        inner = [f":(exclude,top,literal){p}" for p, mode in tracked.items() if mode == GITLINK]
        command = ("add", "--update", "--ignore-errors", "--", ".", *inner)
        words = (*DURABLE, *_PLAIN, *command)
        return self._inside.run(*words, env=self._env, ok=(0, 1), timeout=600).code == 0

    def _add_named(self, paths: Sequence[str]) -> bool:
        """Stage files, also ignored ones; whether git took all of them."""
        if not paths:
            return True
        command = ("add", "--force", "--ignore-errors", "--pathspec-from-file=-")
        done = self._inside.run(
            *(*DURABLE, *_PLAIN, *command, "--pathspec-file-nul"),
            stdin="".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape"),
            env={**self._env, "GIT_LITERAL_PATHSPECS": "1"},
            ok=(0, 1),
            timeout=600,
        )
        return done.code == 0

    def _changes(self, head: str) -> tuple[Change, ...]:
        """What the index has other than `head`, once files that nobody touched are restored.

        A file that was committed with line ends other than its attributes ask for is one that git
        changes by merely adding it.
        """
        command = ("diff-index", "--cached", *_RAW, head)
        rows = list(_parse(self._inside.run(*command, env=self._env, timeout=120).out))
        candidates = [
            row for row in rows if row.old_mode == row.mode and row.mode.startswith(_FILE)
        ]
        same = {row for row in candidates if self._is_same(row)}
        entries = b"".join(row.old_entry for row in same)
        if entries:
            self._inside.run("update-index", "-z", "--index-info", stdin=entries, env=self._env)
        return tuple(row for row in rows if row not in same)

    def _is_same(self, change: Change) -> bool:
        """Whether a file has the very bytes that it had before, whatever git makes of them."""
        (old,) = self._objects.info([change.old_oid])
        if old is None:
            return False
        with contextlib.suppress(BusFileUnreadable, OSError):
            return blob_id(self._path / change.path, change.old_oid, old.size) == change.old_oid
        return False

    def _resolved(self) -> list[str]:
        """The files that were unmerged until the agent called them resolved."""
        with contextlib.suppress(GitFailed):
            if has_resolved(self._their_index()):
                command = ("ls-files", "--resolve-undo", "-z")
                listing = self._inside.run(*command, env=self._theirs, timeout=120).out
                lines = listing.decode("utf-8", "surrogateescape").split("\0")[:-1]
                return [line.partition("\t")[2] for line in lines]
        return []

    def _edited(self, changes: Iterable[Change]) -> Iterator[str]:
        return (c.path for c in changes if c.status == "M" and c.mode.startswith(_FILE))

    def _has_new_conflict(self, path: str, before: str) -> bool:
        """Whether the file has conflict markers that it does not have in the commit `before`."""
        try:
            content = read_plain(self._path / path, _MAX_FILE) or b""
        except (BusFileUnreadable, OSError):
            return False
        return has_conflict(content) and not self.has_conflict(before, path)

    def has_conflict(self, sha: str, path: str) -> bool:
        """Whether the file has conflict markers in the commit `sha`."""
        blob = self._git.run("cat-file", "blob", f"{sha}:{path}", ok=(0, 128), limit=2 * _MAX_FILE)
        return has_conflict(blob.out)


_RAW = ("--raw", "--no-renames", "--no-abbrev", "-z")


def _parse(raw: bytes) -> Iterator[Change]:
    fields = raw.decode("utf-8", "surrogateescape").split("\0")[:-1]
    for about, path in zip(fields[::2], fields[1::2], strict=True):
        old_mode, mode, old_oid, oid, status = about[1:].split()
        yield Change(path, status[:1], old_mode, mode, old_oid, oid)


def _is_file(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())
