"""Searches commits for secrets before they are pushed, by the git that reads objects anyway.

Searched is what a push would send: each commit as it is, with its message and the names in it, the
paths that it changes, and the files that it brings, binary ones too. Files are read in pieces. What
a file had before the commit, or one that the commit removes, is not new: if something is found, the
versions before are searched too.
"""

from collections.abc import Iterable, Iterator, Sequence

from loop_kit.adapters.git.objects import Objects
from loop_kit.adapters.git.raw_log import RawChange, RawCommit
from loop_kit.adapters.git.tree_names import is_path_on_one_line
from loop_kit.core.card.scope import Violation
from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.scanner import Leak, scan

_MAX_BYTES = 1024 * 1024 * 1024
_MAX_BEFORE = 64 * 1024 * 1024
_MAX_FOUND = 20


class LeakSearch:
    """One search; of the same content that several commits bring, the first is searched."""

    def __init__(self, objects: Objects, forms: Forms) -> None:
        self._objects = objects
        self._forms = forms
        self._searched: set[str] = set()
        self._left = _MAX_BYTES

    def find(self, commits: Sequence[RawCommit]) -> tuple[Violation, ...]:
        """Every secret in these commits, newest first, as what may not be pushed."""
        found: dict[tuple[str, str], Violation] = {}
        for commit in reversed(commits):
            for path, why in self._find(commit):
                found.setdefault((path, why), Violation(kind="secret", path=path, why=why))
                if len(found) == _MAX_FOUND:
                    return tuple(found.values())
        return tuple(found.values())

    def _find(self, commit: RawCommit) -> Iterator[tuple[str, str]]:
        for leak in scan(self._forms, self._objects.stream(commit.sha)):
            yield f"the commit {commit.sha[:10]}", f"holds {leak}, in its message or in a name"
        for change in commit.changes:
            in_path = scan(self._forms, [_bytes(change.path)])
            path = _printable(change.path)
            if in_path:
                path = f"a path in the commit {commit.sha[:10]}"
                yield from ((path, f"holds {leak}") for leak in in_path)
            if change.is_blob and change.oid not in self._searched:
                self._searched.add(change.oid)
                yield from self._find_in_file(commit, change, path)

    def _find_in_file(
        self, commit: RawCommit, change: RawChange, path: str
    ) -> Iterator[tuple[str, str]]:
        (about,) = self._objects.info([change.oid])
        self._left -= about.size if about else 0
        if self._left < 0:
            yield path, f"is too much to be searched for secrets (over {_MAX_BYTES} bytes in all)"
            return
        leaks = scan(self._forms, self._objects.stream(change.oid))
        before = self._digests_before(commit, change) if leaks else frozenset()
        for leak in leaks:
            if leak.digest not in before:
                yield f"{path}:{leak.line}", f"holds {leak}"

    def _digests_before(self, commit: RawCommit, change: RawChange) -> frozenset[bytes]:
        """What the file, and those that the commit removes, held before it."""
        removed = (c.path for c in commit.changes if not c.oid.strip("0"))
        leaks = (
            leak
            for parent in (f"{commit.sha}^", *((commit.base,) if commit.base else ()))
            for path in (change.path, *removed)
            for leak in self._before(parent, path)
        )
        return frozenset(leak.digest for leak in leaks)

    def _before(self, parent: str, path: str) -> Iterable[Leak]:
        if not is_path_on_one_line(path):
            return ()
        (about,) = self._objects.info([f"{parent}:{path}"])
        if about is None or about.kind != "blob" or about.size > _MAX_BEFORE:
            return ()
        return scan(self._forms, self._objects.stream(about.oid))


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _printable(path: str) -> str:
    return _bytes(path).decode("utf-8", "backslashreplace")
