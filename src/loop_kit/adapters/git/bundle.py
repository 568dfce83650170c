"""The artifact folder of the three jobs: written by one job, checked and read by a later one.

An agent may have written what is read. It is copied within a size limit before git reads it; git
reads it only if it holds one ref on one known commit; and its objects pass the checks that a
server makes of a push before anything else uses them. (Git itself checks them only from 2.46 on
when it fetches from a bundle.)
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.git.command import (
    CHECK_OBJECTS,
    FETCH,
    Git,
    GitPrintedTooMuch,
    Identity,
)
from loop_kit.adapters.git.merging import is_ancestor
from loop_kit.adapters.git.rewriting import Rewriter, Trailers, no_trailers
from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    open_plain,
    read_plain,
    write_atomically,
)
from loop_kit.core.ci.bundle import (
    COMMITS,
    MAX_COMMITS,
    MAX_COMMITS_BYTES,
    MAX_FILES,
    MAX_HEADER,
    MAX_RECORD,
    RECORD,
    REF,
    BundleInvalid,
    parse_header,
)
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import GitFailed

_PARENT = "refs/loop-kit/bundle-parent"
_BASE = "refs/loop-kit/bundle-base"
_INCOMING = "refs/loop-kit/bundle"
_PARTIAL = r"^(extensions\.partialclone|remote\..*\.promisor)$"
_IMPOSSIBLE = frozenset({"", ".", "..", ".git", "git~1"})
_MAX_LISTING = 8 * 1024 * 1024
_TIMEOUT = 600


def write_bundle(
    git: Git, folder: Path, record: bytes, parent: str, head: str, base_tip: str = ""
) -> None:
    """Write a bundle to `folder`, which is emptied first; `head` is '' or `parent` without work.

    What `base_tip` holds is left out: the reader has it from the server.

    Raises:
        GitFailed: git cannot write it.
    """
    _recreate(folder)
    if head not in {"", parent}:
        git.run("update-ref", REF, head)
        commits = folder / COMMITS
        known = (f"^{sha}" for sha in (parent, base_tip) if sha)
        git.run("bundle", "create", "--quiet", str(commits), REF, *known, timeout=_TIMEOUT)
    write_atomically(folder / RECORD, record)


def discard_bundle(folder: Path) -> None:
    """Remove a bundle, or whatever is in its place."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    remove(folder)


def read_record(folder: Path) -> bytes | None:
    """The record of the bundle in `folder`, or None when there is none.

    Raises:
        BundleInvalid: it is no regular file in a plain folder, or over its size limit.
    """
    if folder.is_symlink():
        raise BundleInvalid(f"{folder.name} is a symbolic link")
    try:
        return read_plain(folder / RECORD, MAX_RECORD)
    except BusFileUnreadable as error:
        raise BundleInvalid(str(error)) from None


def fetch_commits(
    git: Git,
    folder: Path,
    scratch: Path,
    parent: str,
    head: str,
    wip: str = "",
    trailers: Trailers = no_trailers,
    *,
    base_tip: str = "",
) -> None:
    """Fetch the commits from `parent` to `head` into the repository of `git`, after every check.

    `wip` is work in progress on top of `parent` that was pushed before. `trailers` gives
    the last lines that a message may have. What `base_tip` holds is here, and may be merged.

    Raises:
        BundleInvalid: there are none, or they are not what a worker's commits can be.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    copy = scratch / COMMITS
    try:
        merged = _copy(folder / COMMITS, copy, parent, head, merges=bool(base_tip))
        if not all(is_ancestor(git, sha, base_tip) for sha in merged):
            raise BundleInvalid(f"{COMMITS} merges what the base branch does not hold")
        known = tuple(filter(None, (parent, base_tip)))
        _fetch(git, copy, scratch, known, head)
        _check_words(git, {*known, wip or parent}, head, trailers)
    except BusFileUnreadable as error:
        raise BundleInvalid(str(error)) from None
    except GitFailed as error:
        git.run("update-ref", "-d", _INCOMING)
        raise BundleInvalid(f"{COMMITS} is refused: {one_line(error.sentence, 300)}") from None
    finally:
        copy.unlink(missing_ok=True)


def _recreate(folder: Path) -> None:
    discard_bundle(folder)
    folder.mkdir(parents=True)


def _copy(source: Path, target: Path, parent: str, head: str, *, merges: bool) -> frozenset[str]:
    """Copy the commits; returns those besides `parent` that they build on."""
    stream = open_plain(source)
    if stream is None:
        raise BundleInvalid(f"{COMMITS} is missing")
    with stream:
        if os.fstat(stream.fileno()).st_size > MAX_COMMITS_BYTES:
            raise BundleInvalid(f"{COMMITS} is longer than {MAX_COMMITS_BYTES} bytes")
        merged = parse_header(stream.read(MAX_HEADER), parent, head, merges=merges)
        stream.seek(0)
        with target.open("wb") as copy:
            _copy_within_limit(stream, copy)
    return merged


def _copy_within_limit(stream: BinaryIO, copy: BinaryIO) -> None:
    left = MAX_COMMITS_BYTES
    while piece := stream.read(min(1024 * 1024, left + 1)):
        left -= len(piece)
        if left < 0:
            raise BundleInvalid(f"{COMMITS} grows while it is read")
        copy.write(piece)


def _fetch(git: Git, copy: Path, scratch: Path, known: Sequence[str], head: str) -> None:
    # Git wants the commits that a bundle builds on to be in its history, not only in its objects.
    for name, sha in zip((_PARENT, _BASE), known, strict=False):
        git.run("update-ref", name, sha)
    parent = known[0]
    git.run(
        *FETCH,
        *("--no-auto-maintenance", str(copy), f"+{REF}:{_INCOMING}"),
        env=CHECK_OBJECTS,
        timeout=_TIMEOUT,
    )
    if git.text("rev-parse", "--verify", f"{_INCOMING}^{{commit}}") != head:
        raise BundleInvalid(f"{COMMITS} does not hold the commit that {RECORD} names")
    if git.run("merge-base", "--is-ancestor", parent, head, ok=(0, 1)).code:
        raise BundleInvalid(f"{head[:10]} does not build on {parent[:10]}")
    _check_commits(git, known, head)
    _check_objects(git, scratch, known, head)


def _check_words(git: Git, known: set[str], head: str, trailers: Trailers) -> None:
    """Refuse commits that act by their words: the agents' job has rewritten its worker's."""
    if Rewriter(git, Identity(), time.time(), trailers).rewritten(head, known) != head:
        raise BundleInvalid("its commits are not as the agents' job writes them")


def _check_commits(git: Git, known: Sequence[str], head: str) -> None:
    new, limit = (head, "--not", *known), f"--max-count={MAX_COMMITS + 1}"
    if int(git.text("rev-list", "--count", limit, *new)) > MAX_COMMITS:
        raise BundleInvalid(f"it holds more than {MAX_COMMITS} commits")
    listing = ("log", "--format=", "--name-only", "--no-renames", "--no-ext-diff", "-z", "-c")
    try:
        names = git.run(*listing, *new, "--", limit=_MAX_LISTING).out
    except GitPrintedTooMuch:
        raise BundleInvalid(f"it changes more than {MAX_FILES} files") from None
    paths = names.split(b"\0")[:-1]
    if len(paths) > MAX_FILES:
        raise BundleInvalid(f"it changes more than {MAX_FILES} files")
    for path in paths:
        _check_path(path.decode("utf-8", "surrogateescape"))


def _check_path(path: str) -> None:
    """Refuse a path that no checkout could hold; git only warns of some of them."""
    parts = path.split("/")
    if _IMPOSSIBLE.intersection(part.lower() for part in parts):
        name = one_line(str(PurePosixPath(path)), 100)
        raise BundleInvalid(f"it holds a file that no repository can have: {name}")


def _check_objects(git: Git, scratch: Path, known: Sequence[str], head: str) -> None:
    """Have git check every new object, as a server does with a push.

    In a partial checkout git cannot check that each object exists: it would fetch the missing ones
    one by one. There the fetch has made sure that nothing is missing.
    """
    pack = scratch / "check.pack"
    wanted = "".join((f"{head}\n", *(f"^{sha}\n" for sha in known))).encode()
    partial = git.run("config", "--get-regexp", _PARTIAL, ok=(0, 1)).code == 0
    try:
        git.run("pack-objects", "--quiet", "--revs", "--stdout", stdin=wanted, stdout=pack)
        check = "--fsck-objects" if partial else "--strict"
        git.run("index-pack", check, str(pack), timeout=_TIMEOUT)
    finally:
        for left in (pack, pack.with_suffix(".idx"), pack.with_suffix(".rev")):
            left.unlink(missing_ok=True)
