"""Finds which of some commits brought in a line, by `git blame` over a history of only those.

The history is written for this question, in a temporary repository that borrows the objects: one
commit for each that is asked about, with the same tree, on top of the one before it. So blame reads
no more than these trees, and its answer is the same in a full clone and in a shallow one, and
however the work between two of them was split, merged or rewritten. Nobody's configuration reaches
it: no list of ignored revisions, no attributes, no text conversion.

Of a long row of commits the first and the last count; what another one brought in is answered with
the oldest of the last. So a late round costs what an early one does.

White space does not count (`-w`), and a block that moved inside its file is not new (`-M`): a fix
that indents or sorts code has not written it. Renamed files are followed. Code that moved to
another file is new there, because to search every other file takes too long.

Where a line is plainly from one of the last commits, git is not asked; see `plain_origins`.

Blame has nothing to say about lines that were removed, and a finding about them is on a line beside
them. So lines beside which the last head removed others count as its own.
"""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.commit_pack import CommitPack
from loop_kit.adapters.git.objects import ObjectInfo, Objects, TreeEntry
from loop_kit.adapters.git.plain_origins import (
    FILE_MODES,
    MAX_READ,
    entry_at,
    only_adds,
    plain_origins,
)
from loop_kit.adapters.git.tree_names import is_tree_path
from loop_kit.core.loop.provenance import NOWHERE, Spot
from loop_kit.errors import GitFailed, LoopError
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

MAX_FILES = 20
MAX_HEADS = 24
_MAX_BLOB = 8 * 1024 * 1024
_SECONDS = 30
_SECONDS_PER_FILE = 10
_SHA256_LENGTH = 64
_WHO = "loop-kit <loop-kit@localhost> 0 +0000"
_ALONE = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
}
_CONFIG = "[core]\n\trepositoryformatversion = {}\n\tbare = true\n{}"
_SHA256 = "[extensions]\n\tobjectFormat = sha256\n"
_REMOVAL = late_pattern(rb"^@@ -\d+(?:,\d+)? \+(\d+),0 @@", re.MULTILINE)
_DIFF = ("diff", "--unified=0", "-w", "--no-renames", "--no-color", "--no-ext-diff")
_GROUP = late_pattern(rb"^([0-9a-f]{40,64}) \d+ (\d+) (\d+)$", re.MULTILINE)


@frozen
class _Borrower:
    """The temporary repository: git in it, and where its own objects are."""

    git: Git
    objects: Path
    env: Mapping[str, str]

    def run(self, *args: str) -> bytes:
        """What git prints."""
        return self.git.run(*args, env=self.env, timeout=_SECONDS_PER_FILE).out


@frozen
class _History:
    """The commits that were written: `head` is the last; `answers` has what each one means.

    `trees` are those of the last two that were asked about, or of fewer that are here.
    """

    repository: _Borrower
    objects: Objects
    head: str
    trees: tuple[str, ...]
    answers: Mapping[str, str | None]

    def last_change(self, file: str) -> str | None:
        """The commit that changed a path last."""
        command = ("log", "--format=%H", "--max-count=1", self.head, "--", file)
        return self.answers.get(self.repository.run(*command).decode().strip())

    def origins(self, file: str, lines: Sequence[int], oid: str) -> dict[int, str | None]:
        """The commit that brought in each of the lines of a file."""
        (about,) = self.objects.info([oid])
        if about is None or about.size > _MAX_BLOB:
            return {}
        blame = ("blame", "--incremental", "-w", "-M", self.head, "--", file)
        out = self.repository.run(*blame)
        found: dict[int, str | None] = dict.fromkeys(lines, NOWHERE)
        for commit, start, count in _GROUP.findall(out):
            first = int(start)
            for line in lines:
                if first <= line < first + int(count):
                    found[line] = self.answers.get(commit.decode())
        older = {n for n, sha in found.items() if sha not in {NOWHERE, self.answers[self.head]}}
        if older and self._removed_last(file):
            found |= dict.fromkeys(older & self._beside_removals(file), self.answers[self.head])
        return found

    def _removed_last(self, file: str) -> bool:
        """Whether the last commit may have removed lines of a file that was there before.

        Not where what it added is all that differs, which is seen without asking for a diff.
        """
        entries = [entry_at(self.objects, tree, file) for tree in self.trees]
        if len(entries) < 2 or None in entries or entries[0] == entries[1]:
            return False
        contents = [self.objects.read(entry.oid, "blob", MAX_READ) for entry in entries if entry]
        old, new = (None if raw is None else raw.split(b"\n") for raw in contents)
        return old is None or new is None or not only_adds(old, new)

    def _beside_removals(self, file: str) -> set[int]:
        """The lines of a file between which the last commit removed lines and added none."""
        out = self.repository.run(*_DIFF, *self.trees, "--", file)
        before = {int(line) for line in _REMOVAL.findall(out)}
        return before | {line + 1 for line in before}


def find_origins(
    git: Git,
    obtain: Callable[..., None] | None,
    bases: Sequence[str],
    heads: Sequence[str],
    places: Sequence[Spot],
) -> dict[Spot, str | None]:
    """The commit that brought in each place; see `Repository.origins`.

    `obtain` fetches commits that are not here.

    Raises:
        GitFailed: git cannot read the last of `heads`.
    """
    if len(heads) > MAX_HEADS:
        heads = [heads[0], *heads[1 - MAX_HEADS :]]
    files = dict.fromkeys(place.file for place in places)
    asked = [file for file in files if is_tree_path(file)][:MAX_FILES]
    found: dict[Spot, str | None] = {
        place: None if is_tree_path(place.file) else NOWHERE for place in places
    }
    trees = _trees(git.objects, [*bases, *heads], obtain)
    if heads[-1] not in trees:
        raise GitFailed(
            f"The commit {heads[-1][:10]} is not here.",
            "Fetch it and run again.",
            anchor="commit-missing",
        )
    wanted = [place for place in places if place.file in asked]
    found |= plain_origins(git.objects, bases, heads, trees, wanted)
    if all(found[place] for place in wanted):
        return found
    limited = git.until(time.monotonic() + _SECONDS)
    with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
        is_sha256 = len(heads[-1]) == _SHA256_LENGTH
        borrower = _borrow(limited, git.object_folder, Path(folder), is_sha256=is_sha256)
        head, answers = _write_history(borrower.objects, bases, heads, trees)
        last_two = tuple(trees[sha] for sha in [*bases[:1], *heads][-2:] if sha in trees)
        history = _History(borrower, git.objects, head, last_two, answers)
        for file in asked:
            lines = [place.line for place in places if place.file == file and not found[place]]
            if not lines:
                continue
            found |= _origins_in(history, file, lines, entry_at(git.objects, heads[-1], file))
    return found


def _origins_in(
    history: _History, file: str, lines: Sequence[int | None], entry: TreeEntry | None
) -> dict[Spot, str | None]:
    """The origins in one file; what has no lines counts as a whole."""
    if entry is None:
        return {Spot(file, line): NOWHERE for line in lines}
    numbers = [line for line in lines if line is not None and entry.mode in FILE_MODES]
    found: dict[Spot, str | None] = dict.fromkeys((Spot(file, line) for line in lines), None)
    try:
        if len(numbers) < len(lines):
            found |= dict.fromkeys(found, history.last_change(file))
        if numbers:
            by_line = history.origins(file, numbers, entry.oid)
            found |= {Spot(file, number): by_line.get(number) for number in numbers}
    except GitFailed:
        # An object that is not here, or a file that takes too long, is not known for itself alone.
        return dict.fromkeys(found, None)
    return found


def _trees(
    objects: Objects, commits: Sequence[str], obtain: Callable[..., None] | None
) -> dict[str, str]:
    """The trees of those of the commits that are here, or can be obtained."""
    names = [f"{sha}^{{tree}}" for sha in commits]
    found: list[ObjectInfo | None] = [None] * len(names)
    # In a partial clone git fetches a tree by itself, and ends where it cannot.
    with contextlib.suppress(GitFailed):
        found = objects.info(names)
    missing = [sha for sha, about in zip(commits, found, strict=True) if about is None]
    if missing and obtain:
        with contextlib.suppress(LoopError):
            obtain(*missing)
            found = objects.info(names)
    return {sha: about.oid for sha, about in zip(commits, found, strict=True) if about}


def _borrow(git: Git, objects: str, folder: Path, *, is_sha256: bool) -> _Borrower:
    """A bare repository without commits that can read what is in `objects`."""
    for name in ("objects", "refs"):
        (folder / name).mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/none\n", "utf-8")
    config = _CONFIG.format(int(is_sha256), _SHA256 if is_sha256 else "")
    (folder / "config").write_text(config, "utf-8")
    quoted = objects.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    env = {**_ALONE, "GIT_DIR": str(folder), "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"'}
    return _Borrower(git.at(folder), folder / "objects", env)


def _write_history(
    objects: Path, bases: Sequence[str], heads: Sequence[str], trees: Mapping[str, str]
) -> tuple[str, dict[str, str | None]]:
    """Write a commit for each base and each head that is here; the last, and what each means.

    What comes first after one that is not here may have been brought in by that one.
    """
    pack = CommitPack(is_sha256=len(heads[-1]) == _SHA256_LENGTH)
    roots = [pack.add(_commit(trees[sha], ())) for sha in bases if sha in trees]
    answers: dict[str, str | None] = dict.fromkeys(roots, bases[0])
    chain = roots[:1]
    for before, sha in pairwise((bases[0], *heads)):
        if sha in trees:
            chain = [pack.add(_commit(trees[sha], (*chain, *roots[1:])))]
            answers[chain[0]] = sha if before in trees else None
    pack.write(objects)
    return chain[0], answers


def _commit(tree: str, parents: Sequence[str]) -> bytes:
    headers = [f"tree {tree}", *(f"parent {sha}" for sha in dict.fromkeys(parents))]
    return "\n".join([*headers, f"author {_WHO}", f"committer {_WHO}", "", ""]).encode()
