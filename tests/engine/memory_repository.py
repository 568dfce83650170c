"""Commits, workspaces and verification without git: the fakes for three ports."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pathspec import GitIgnoreSpec

from loop_kit.core.card.leftovers import (
    explain_left,
    explain_unfinished,
    has_conflict,
    sort_leftovers,
)
from loop_kit.core.card.scope import Change, Commit, Violation
from loop_kit.core.loop.provenance import NOWHERE, Spot
from loop_kit.core.loop.state import CommandResult, Role, Verification
from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.scanner import scan
from loop_kit.errors import StateRefused
from loop_kit.ports import (
    Collected,
    Confinement,
    Diff,
    Fingerprint,
    SandboxUnavailable,
    SetupFailed,
    Span,
)

Tree = Mapping[str, bytes]


@dataclass(frozen=True)
class MemoryCommit:
    """One commit: its whole tree, and where it came from."""

    parent: str
    tree: Tree
    subject: str


class MemoryRepository:
    """Commits in a dict; linear histories are all it knows."""

    def __init__(self) -> None:
        self.commits: dict[str, MemoryCommit] = {}

    def commit(self, parent: str, tree: Tree, subject: str) -> str:
        whole = json.dumps([parent, subject, sorted((k, v.hex()) for k, v in tree.items())])
        sha = hashlib.sha1(whole.encode()).hexdigest()
        self.commits[sha] = MemoryCommit(parent, dict(tree), subject)
        return sha

    def line(self, sha: str) -> list[str]:
        """`sha` and its ancestors, newest first."""
        found = []
        while sha:
            found.append(sha)
            sha = self.commits[sha].parent
        return found

    def read(self, sha: str, path: str) -> bytes | None:
        return self.commits[sha].tree.get(path)

    def read_many(self, sha: str, paths: Sequence[str]) -> Mapping[str, bytes]:
        tree = self.commits[sha].tree
        return {path: tree[path] for path in paths if path in tree}

    def top(self, sha: str) -> tuple[str, ...]:
        return tuple(sorted({path.partition("/")[0] for path in self.commits[sha].tree}))

    def existing(self, shas: Sequence[str], paths: Collection[str]) -> frozenset[str]:
        return frozenset(paths) & {path for sha in shas for path in self.commits[sha].tree}

    def matching_files(self, sha: str, patterns: Sequence[str], limit: int) -> tuple[str, ...]:
        fitting = GitIgnoreSpec.from_lines(patterns).match_files(sorted(self.commits[sha].tree))
        return tuple(fitting)[:limit]

    def span(self, parent: str, head: str, base_tip: str = "") -> Span:
        del base_tip
        known = set(self.line(parent))
        fresh = [sha for sha in self.line(head) if sha not in known]
        return Span(
            descends=parent in self.line(head),
            same_tree=self.commits[parent].tree == self.commits[head].tree,
            commits=tuple(self._commit(sha, self.commits[sha].parent) for sha in fresh),
        )

    def leaks(
        self, parent: str, head: str, forms: Forms, base_tip: str = ""
    ) -> tuple[Violation, ...]:
        del base_tip
        known = set(self.line(parent))
        found = []
        for sha in reversed([sha for sha in self.line(head) if sha not in known]):
            commit = self.commits[sha]
            before = self.commits[commit.parent].tree
            fresh = {p: raw for p, raw in commit.tree.items() if before.get(p) != raw}
            for path, raw in fresh.items():
                found += [(f"{path}:{leak.line}", f"holds {leak}") for leak in scan(forms, [raw])]
        return tuple(Violation(kind="secret", path=path, why=why) for path, why in found)

    def net_change(self, parent: str, head: str) -> Commit:
        return self._commit(head, parent)

    def diff(self, base: str, head: str, limit: int, patch: Path) -> Diff:
        changed = self._changed(base, head)
        new = self.commits[head].tree
        old = self.commits[base].tree
        text = b"".join(_patch(path, old.get(path), new.get(path)) for path in changed)
        truncated = len(text) > limit
        if truncated:
            patch.write_bytes(text)
        return Diff(
            text=text[:limit].decode(errors="replace"),
            truncated=truncated,
            patch=patch if truncated else None,
            files=len(changed),
            lines_added=sum(new.get(path, b"").count(b"\n") for path in changed),
            lines_deleted=0,
            paths=tuple(changed),
            changed_lines=tuple(new.get(path, b"").count(b"\n") for path in changed),
        )

    def origins(
        self, bases: Sequence[str], heads: Sequence[str], places: Sequence[Spot]
    ) -> Mapping[Spot, str | None]:
        return {place: self._origin(bases, heads, place) for place in places}

    def _origin(self, bases: Sequence[str], heads: Sequence[str], place: Spot) -> str | None:
        trees = {sha: self.commits[sha].tree for sha in (*bases, *heads)}
        now = trees[heads[-1]].get(place.file)
        if now is None or (place.line and not 0 < place.line <= len(now.splitlines())):
            return NOWHERE
        line = place.line and place.line - 1
        before = trees[(bases[0], *heads)[-2]].get(place.file)
        if line is not None and _is_beside_removal(before, now, line):
            return heads[-1]
        for older, newer in reversed(list(pairwise((bases[0], *heads)))):
            new = trees[newer].get(place.file)
            if line is None:
                if trees[older].get(place.file) != new:
                    return newer
                continue
            for base in bases[1:]:
                if _older_line(trees[base].get(place.file), new, line) is not None:
                    return bases[0]
            line = _older_line(trees[older].get(place.file), new, line)
            if line is None:
                return newer
        return bases[0]

    def _commit(self, sha: str, parent: str) -> Commit:
        subject = f"{sha[:7]} {self.commits[sha].subject}"
        changes = tuple(Change(path=path) for path in self._changed(parent, sha))
        return Commit(sha=sha, subject=subject, parents=int(bool(parent)), changes=changes)

    def _changed(self, old: str, new: str) -> list[str]:
        before = self.commits[old].tree if old else {}
        after = self.commits[new].tree
        names = sorted({*before, *after})
        return [name for name in names if before.get(name) != after.get(name)]


def _older_line(old: bytes | None, new: bytes | None, line: int) -> int | None:
    """Where `line` of `new` is in `old`, white space aside."""
    sides = [[b"".join(row.split()) for row in (side or b"").splitlines()] for side in (old, new)]
    for block in difflib.SequenceMatcher(None, *sides, autojunk=False).get_matching_blocks():
        if block.b <= line < block.b + block.size:
            return block.a + line - block.b
    return None


def _is_beside_removal(old: bytes | None, new: bytes, line: int) -> bool:
    sides = [[b"".join(row.split()) for row in (side or b"").splitlines()] for side in (old, new)]
    matcher = difflib.SequenceMatcher(None, *sides, autojunk=False)
    removals = [at for tag, _, _, at, _ in matcher.get_opcodes() if tag == "delete"]
    return any(line in {at - 1, at} for at in removals)


def _patch(path: str, old: bytes | None, new: bytes | None) -> bytes:
    """The change of one file as git shows it."""
    lines = [
        (side or b"").decode(errors="replace").splitlines(keepends=True) for side in (old, new)
    ]
    names = ["/dev/null" if side is None else f"{n}/{path}" for n, side in (("a", old), ("b", new))]
    body = "".join(difflib.unified_diff(*lines, *names))
    return f"diff --git a/{path} b/{path}\n{body}".encode()


class MemoryWorkspace:
    """The files of one agent: a head, and a tree that may differ from it."""

    def __init__(self, repository: MemoryRepository, path: Path, sha: str, tree: Tree) -> None:
        self.path = path
        self.environment: Mapping[str, str] = {}
        self.head = sha
        self.files = dict(tree)
        self.closed = False
        self._start = sha
        self._repository = repository

    def commit(self, subject: str) -> str:
        """Commit everything, as an agent does."""
        self.head = self._repository.commit(self.head, self.files, subject)
        return self.head

    def collect(
        self, message: str, named: str | None = None, trailers: Sequence[str] = ()
    ) -> Collected:
        notes: tuple[str, ...] = ()
        if self.head == self._start and named in self._repository.commits and named != self.head:
            notes = (f"The commit {named[:10]} counts.",)
            changed = self._uncommitted()
            self.head = named
            self.files = {**self._repository.commits[named].tree, **changed}
        own, tracked = self.head, self._repository.commits[self.head].tree
        left = sort_leftovers({*self.files} - {*tracked}, tracked)
        for path in {*self.files} - {*tracked} - {*left.taken}:
            del self.files[path]
        conflicts = [path for path, content in self._uncommitted().items() if has_conflict(content)]
        if self.files != tracked:
            self.commit(message)
        notes += explain_left(left, ())
        return Collected(self.head, own, notes, explain_unfinished(None, conflicts, None))

    def _uncommitted(self) -> Tree:
        tracked = self._repository.commits[self.head].tree
        return {path: raw for path, raw in self.files.items() if tracked.get(path) != raw}

    def agent_ended(self) -> None:
        return

    def fingerprint(self) -> Fingerprint:
        tracked = self._repository.commits[self.head].tree
        kept = (b"%r\0%s\0" % (self.files.get(name), name.encode()) for name in sorted(tracked))
        return Fingerprint(f"{self.head}\tHEAD".encode(), files=b"".join(kept))

    def tracked(self, paths: Collection[str]) -> frozenset[str]:
        del paths
        return frozenset()

    def close(self) -> None:
        self.closed = True


class MemoryWorkspaces:
    """Workspaces at made-up paths; `at` finds one again, as an agent's working directory."""

    def __init__(self, repository: MemoryRepository) -> None:
        self._repository = repository
        self.opened: list[MemoryWorkspace] = []
        self.prepared: list[str] = []
        self.merged: list[str] = []
        self.broken: SetupFailed | None = None

    def prepare(self, sha: str) -> None:
        self.prepared.append(sha)
        if self.broken is not None:
            raise self.broken

    def open(
        self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "", merges: str = ""
    ) -> MemoryWorkspace:
        self.merged.append(merges)
        sha = wip_sha or sha
        if sha not in self._repository.commits:
            raise StateRefused(f"{sha} is not here.", "Fetch it.")
        tree = self._repository.commits[work_sha or sha].tree
        path = Path(f"/workspace/{role.value}-{len(self.opened) + 1}")
        self.opened.append(MemoryWorkspace(self._repository, path, sha, tree))
        return self.opened[-1]

    def at(self, path: Path) -> MemoryWorkspace:
        return next(workspace for workspace in self.opened if workspace.path == path)


class FakeSandbox:
    """Confines nobody; a test says what it answers, None for a run that starts no program."""

    def __init__(self, answer: Confinement | SandboxUnavailable | None = None) -> None:
        self.answer = answer

    def confinement(self) -> Confinement | None:
        if isinstance(self.answer, SandboxUnavailable):
            raise self.answer
        return self.answer


class FakeVerifier:
    """Commands named `ok` pass, `missing` is not found, whatever else is a path that must exist."""

    def __init__(self, repository: MemoryRepository) -> None:
        self._repository = repository
        self.verified: list[str] = []
        self.tail = ""

    def verify(self, sha: str, commands: Sequence[str], timeout: float) -> Verification:
        self.verified.append(sha)
        results = tuple(
            CommandResult(command=command, exit_code=self._code(sha, command), tail=self.tail)
            for command in commands
        )
        return Verification(sha=sha, results=results)

    def _code(self, sha: str, command: str) -> int:
        if command in {"ok", "missing"}:
            return 127 if command == "missing" else 0
        return 0 if self._repository.read(sha, command) is not None else 1
