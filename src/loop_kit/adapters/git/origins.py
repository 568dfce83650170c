"""Finds which of some commits brought in a line, by `git blame` over a history of only those.

The history is written for this question, in a temporary repository that borrows the objects: one
commit for each that is asked about, with the same tree, on top of the one before it. So blame reads
no more than these trees, and its answer is the same in a full clone and in a shallow one, and
however the work between two of them was split, merged or rewritten. Nobody's configuration reaches
it: no list of ignored revisions, no attributes, no text conversion.

White space does not count (`-w`), and a block that moved inside its file is not new (`-M`): a fix
that indents or sorts code has not written it. Renamed files are followed. Code that moved to
another file is new there, because to search every other file takes too long.
"""

import contextlib
import hashlib
import os
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.core.loop.provenance import NOWHERE, Spot
from loop_kit.errors import GitFailed, LoopError

MAX_FILES = 20
_MAX_BLOB = 8 * 1024 * 1024
_SECONDS = 30
_SECONDS_PER_FILE = 10
_SHA256_LENGTH = 64
_FILE_MODES = frozenset({"100644", "100755"})
_WHO = "loop-kit <loop-kit@localhost> 0 +0000"
_ALONE = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
}
_CONFIG = "[core]\n\trepositoryformatversion = {}\n\tbare = true\n{}"
_SHA256 = "[extensions]\n\tobjectFormat = sha256\n"
_GROUP = re.compile(rb"^([0-9a-f]{40,64}) \d+ (\d+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Borrower:
    """The temporary repository: git in it, and where its own objects are."""

    git: Git
    objects: Path
    env: Mapping[str, str]

    def run(self, *args: str, stdin: bytes | None = None, timeout: float | None = None) -> bytes:
        """What git prints."""
        return self.git.run(*args, stdin=stdin, env=self.env, timeout=timeout).out


@dataclass(frozen=True, slots=True)
class _History:
    """The commits that were written: `head` is the last; `answers` has what each one means."""

    repository: _Borrower
    head: str
    answers: Mapping[str, str | None]

    def last_change(self, file: str) -> str | None:
        """The commit that changed a path last."""
        command = ("log", "--format=%H", "--max-count=1", self.head, "--", file)
        return self.answers.get(self.repository.run(*command).decode().strip())

    def origins(self, file: str, lines: Sequence[int]) -> dict[int, str | None]:
        """The commit that brought in each of the lines of a file."""
        blame = ("blame", "--incremental", "-w", "-M", self.head, "--", file)
        out = self.repository.run(*blame, timeout=_SECONDS_PER_FILE)
        found: dict[int, str | None] = dict.fromkeys(lines, NOWHERE)
        for commit, start, count in _GROUP.findall(out):
            first = int(start)
            for line in lines:
                if first <= line < first + int(count):
                    found[line] = self.answers.get(commit.decode())
        return found


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
    files = dict.fromkeys(place.file for place in places)
    asked = [file for file in files if is_tree_path(file)]
    found: dict[Spot, str | None] = {
        place: None if is_tree_path(place.file) else NOWHERE for place in places
    }
    git = git.until(time.monotonic() + _SECONDS)
    objects = git.text("rev-parse", "--path-format=absolute", "--git-path", "objects")
    with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
        borrower = _borrow(git, Path(folder), objects, is_sha256=len(heads[-1]) == _SHA256_LENGTH)
        entries = _entries(borrower, heads[-1], asked[:MAX_FILES])
        commits = [*bases, *heads]
        sizes, trees = _objects(borrower, commits, entries.values())
        missing = [sha for sha in commits if sha not in trees]
        if missing and obtain:
            with contextlib.suppress(LoopError):
                obtain(*missing)
            sizes, trees = _objects(borrower, commits, entries.values())
        history = _write_history(borrower, bases, heads, trees)
        for file in asked[:MAX_FILES]:
            mode, oid = entries.get(file, ("", ""))
            lines = [place.line for place in places if place.file == file]
            found |= _origins_in(history, file, lines, mode, sizes.get(oid, _MAX_BLOB + 1))
    return found


def _origins_in(
    history: _History, file: str, lines: Sequence[int | None], mode: str, size: int
) -> dict[Spot, str | None]:
    """The origins in one file; what has no lines counts as a whole."""
    if not mode:
        return {Spot(file, line): NOWHERE for line in lines}
    numbers = [line for line in lines if line is not None and mode in _FILE_MODES]
    found: dict[Spot, str | None] = dict.fromkeys((Spot(file, line) for line in lines), None)
    try:
        if len(numbers) < len(lines):
            found |= dict.fromkeys(found, history.last_change(file))
        if numbers:
            by_line = history.origins(file, numbers) if size <= _MAX_BLOB else {}
            found |= {Spot(file, number): by_line.get(number) for number in numbers}
    except GitFailed:
        # An object that is not here, or a file that takes too long, is not known for itself alone.
        return dict.fromkeys(found, None)
    return found


def _borrow(git: Git, folder: Path, objects: str, *, is_sha256: bool) -> _Borrower:
    """A bare repository without commits that can read those of another one."""
    for name in ("objects", "refs"):
        (folder / name).mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/none\n", "utf-8")
    config = _CONFIG.format(int(is_sha256), _SHA256 if is_sha256 else "")
    (folder / "config").write_text(config, "utf-8")
    quoted = objects.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    env = {**_ALONE, "GIT_DIR": str(folder), "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"'}
    return _Borrower(git.at(folder), folder / "objects", env)


def _entries(borrower: _Borrower, head: str, files: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The mode and the object of those of `files` that a commit has."""
    listing = borrower.run("ls-tree", "-z", "--full-tree", head, "--", *files) if files else b""
    rows = listing.decode("utf-8", "surrogateescape").split("\0")[:-1]
    parts = (row.partition("\t") for row in rows)
    return {path: (about.split(" ")[0], about.split(" ")[2]) for about, _, path in parts}


def _objects(
    borrower: _Borrower, commits: Sequence[str], entries: Collection[tuple[str, str]]
) -> tuple[dict[str, int], dict[str, str]]:
    """The sizes of the files, by object, and the trees of the commits; only of what is here."""
    blobs = sorted({oid for mode, oid in entries if mode in _FILE_MODES})
    names = [*blobs, *(f"{sha}^{{tree}}" for sha in commits)]
    batch = ("cat-file", "--batch-check=%(objectname) %(objectsize)")
    out = borrower.run(*batch, stdin="".join(f"{name}\n" for name in names).encode()).decode()
    rows = [line.split(" ") for line in out.splitlines()]
    sizes = {oid: int(row[1]) for oid, row in zip(blobs, rows, strict=False) if row[1].isdigit()}
    pairs = zip(commits, rows[len(blobs) :], strict=True)
    return sizes, {sha: row[0] for sha, row in pairs if row[1].isdigit()}


def _write_history(
    borrower: _Borrower, bases: Sequence[str], heads: Sequence[str], trees: Mapping[str, str]
) -> _History:
    """Write a commit for each base and each head that is here.

    What comes first after one that is not here may have been brought in by that one.
    """
    roots = [_write_commit(borrower.objects, trees[sha], ()) for sha in bases if sha in trees]
    answers: dict[str, str | None] = dict.fromkeys(roots, bases[0])
    chain = roots[:1]
    for before, sha in pairwise((bases[0], *heads)):
        if sha in trees:
            chain = [_write_commit(borrower.objects, trees[sha], (*chain, *roots[1:]))]
            answers[chain[0]] = sha if before in trees else None
    return _History(borrower, chain[0], answers)


def _write_commit(objects: Path, tree: str, parents: Sequence[str]) -> str:
    """Write a commit as git stores it; returns its id."""
    headers = [f"tree {tree}", *(f"parent {sha}" for sha in dict.fromkeys(parents))]
    body = "\n".join([*headers, f"author {_WHO}", f"committer {_WHO}", "", ""]).encode()
    raw = b"commit %d\0" % len(body) + body
    kind = hashlib.sha256 if len(tree) == _SHA256_LENGTH else hashlib.sha1
    oid = kind(raw, usedforsecurity=False).hexdigest()
    (objects / oid[:2]).mkdir(exist_ok=True)
    (objects / oid[:2] / oid[2:]).write_bytes(zlib.compress(raw))
    return oid


def is_tree_path(path: str) -> bool:
    """Whether `path` can name something in a commit."""
    return not {"", ".", ".."} & set(path.split("/")) and "\0" not in path
