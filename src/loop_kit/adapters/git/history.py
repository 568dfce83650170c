"""Reads a plain line of commits from their objects, as `git log --raw` prints it.

What is not plain is left to git: merges, roots, other encodings, and more than a round brings.
"""

from collections.abc import Iterator

from loop_kit.adapters.git.objects import Objects, TreeEntry
from loop_kit.adapters.git.raw_log import RawChange, RawCommit
from loop_kit.frozen import frozen

_MAX_COMMITS = 20
_MAX_TREES = 200
_MAX_COMMIT = 1024 * 1024
TREE = "040000"
_NOTHING = TreeEntry("000000", "")
_SPACE = b" \t\r\n"


class NotPlain(Exception):
    """Git has to be asked."""


@frozen
class _Commit:
    tree: str
    parents: tuple[str, ...]
    subject: str


class History:
    """Reads lines of commits from the objects of one repository."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._trees = 0

    def line(self, parent: str, head: str) -> list[RawCommit]:
        """The commits from `head` down to `parent`, which is not among them.

        Raises:
            NotPlain: it is not a line of commits, or a long one.
        """
        found: list[RawCommit] = []
        self._trees = 0
        sha, commit = head, self._commit(head)
        while sha != parent:
            if len(commit.parents) != 1 or len(found) == _MAX_COMMITS:
                raise NotPlain
            before = self._commit(commit.parents[0])
            changes = list(self._changes(before.tree, commit.tree, ""))
            found.append(RawCommit(sha, 1, commit.subject, changes))
            sha, commit = commit.parents[0], before
        return found

    def between(self, parent: str, head: str) -> RawCommit:
        """What `head` changes of `parent`, as if it were one commit on top of it.

        Raises:
            NotPlain: one of them is not here, or there is too much to compare.
        """
        self._trees = 0
        before, after = self._commit(parent), self._commit(head)
        return RawCommit(head, 1, "", list(self._changes(before.tree, after.tree, "")))

    def _commit(self, sha: str) -> _Commit:
        raw = self._objects.read(sha, "commit", _MAX_COMMIT)
        if raw is None:
            raise NotPlain
        head, _, message = raw.partition(b"\n\n")
        fields = [line.partition(b" ")[::2] for line in head.split(b"\n")]
        names = {name for name, _ in fields}
        if b"encoding" in names or b"\0" in raw or fields[0][0] != b"tree":
            raise NotPlain
        parents = tuple(value.decode() for name, value in fields if name == b"parent")
        return _Commit(fields[0][1].decode(), parents, _subject(message))

    def _changes(self, before: str, after: str, prefix: str) -> Iterator[RawChange]:
        old, new = self._tree(before), self._tree(after)
        differing = {key for key in {*old, *new} if _differ(old.get(key), new.get(key))}
        for key in sorted(differing, key=lambda key: key.encode("utf-8", "surrogateescape")):
            was, now = old.get(key, _NOTHING), new.get(key, _NOTHING)
            if key.endswith("/"):
                yield from self._changes(was.oid, now.oid, prefix + key)
            else:
                yield RawChange(was.mode, now.mode, now.oid or "0" * len(was.oid), prefix + key)

    def _tree(self, oid: str) -> dict[str, TreeEntry]:
        """The entries of a tree in git's order: a folder's name has a slash at its end."""
        self._trees += 1
        entries = self._objects.tree(oid) if oid else {}
        if entries is None or self._trees > _MAX_TREES:
            raise NotPlain
        return {f"{n}/" if e.mode == TREE else n: e for n, e in entries.items()}


def _differ(one: TreeEntry | None, other: TreeEntry | None) -> bool:
    """As `!=` says: a folder of many files has many entries that are compared."""
    if one is None or other is None:
        return one is not other
    return one.oid != other.oid or one.mode != other.mode


def _subject(message: bytes) -> str:
    """The first paragraph of a message on one line."""
    lines: list[bytes] = []
    for line in (line.rstrip(_SPACE) for line in message.split(b"\n")):
        if line:
            lines.append(line)
        elif lines:
            break
    return b" ".join(lines).decode("utf-8", "surrogateescape")
