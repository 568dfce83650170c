"""Reads objects of one repository, and writes commits, through git processes that stay.

One reads: it knows what an object is and how large, and has the content of what is small enough.
Before git 2.36 it takes two that answer one of both questions each. They are configured by what git
has read when they were started; new packs they find by themselves. One that has ended, whoever
ended it, is started again once.

What an object is never changes, and a round asks of most objects several times. So answers about
names that begin with a whole id are kept, and so is the content of small objects.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from loop_kit.adapters.process.dialogue import Dialogue, DialogueEnded, read_exactly, read_line
from loop_kit.errors import GitFailed
from loop_kit.frozen import frozen

_FORM = "%(objectname) %(objecttype) %(objectsize)"
_INFO, _CONTENT = "info", "contents"
_BOTH = ("cat-file", f"--batch-command={_FORM}")
_EACH = {
    _INFO: ("cat-file", f"--batch-check={_FORM}"),
    _CONTENT: ("cat-file", f"--batch={_FORM}"),
}
DURABLE = (
    *("-c", "core.fsync=committed", "-c", "core.fsyncMethod=batch"),
    *("-c", "core.fsyncObjectFiles=true"),
)
"""What is written is on the disk before git answers or ends: alone it would not wait for that."""
_WRITE = (*DURABLE, "hash-object", "-t", "commit", "-w", "--no-filters", "--stdin-paths")
T = TypeVar("T")
_PIPE = 4096
"""A pipe takes so many bytes at least: git can stop to read while it answers."""
_PIECE = 64 * 1024
_MAX_TREE = 16 * 1024 * 1024
_LASTING = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})([:^].*)?", re.DOTALL)
_KEPT_ANSWERS = 512
_KEPT_TREES = 32
_KEPT_CONTENTS = 64
_SMALL = 16 * 1024


@frozen
class ObjectInfo:
    """What git knows of an object without reading it."""

    oid: str
    kind: str
    size: int


@frozen
class TreeEntry:
    """What one name in a tree is."""

    mode: str
    oid: str


class Objects:
    """The objects of one repository; `start` starts git there."""

    def __init__(self, start: Callable[..., Dialogue], timeout: float) -> None:
        self._start = start
        self._timeout = timeout
        self._started: dict[tuple[str, ...], Dialogue] = {}
        self._is_old: bool | None = None
        self._infos: dict[str, ObjectInfo] = {}
        self._contents: dict[str, bytes] = {}
        self._trees: dict[str, Mapping[str, TreeEntry]] = {}

    def info(self, names: Sequence[str]) -> list[ObjectInfo | None]:
        """What each of `names` is (`SHA`, `SHA:path`, `SHA^{tree}`); None if there is none."""
        unknown = [name for name in names if name and name not in self._infos]
        answers = (_info(answer) for batch in _batches(unknown) for answer in self._answers(batch))
        found = dict(zip(unknown, answers, strict=True))
        known = [found[name] if name in found else self._infos.get(name) for name in names]
        _keep(self._infos, _KEPT_ANSWERS, {n: i for n, i in found.items() if i and _lasts(n)})
        return known

    def read(self, name: str, kind: str, limit: int) -> bytes | None:
        """The content of an object of that kind; None if there is none, or it is over `limit`."""
        (about,) = self.info([name])
        if about is None or about.kind != kind or about.size > limit:
            return None
        return self._content(about.oid)

    def tree(self, name: str) -> Mapping[str, TreeEntry] | None:
        """The entries of a tree; None if there is no tree, or it is too large."""
        (about,) = self.info([name])
        if about is None or about.kind != "tree" or about.size > _MAX_TREE:
            return None
        entries = self._trees.get(about.oid)
        if entries is None:
            entries = dict(_entries(self._content(about.oid), len(about.oid) // 2))
            if about.size <= _SMALL:
                _keep(self._trees, _KEPT_TREES, {about.oid: entries})
        return entries

    def stream(self, oid: str) -> Iterator[bytes]:
        """The content of an object in pieces, however large it is; ask nothing else meanwhile.

        Raises:
            GitFailed: git ended, or the object is not here.
        """
        self.info([oid])
        command, start = self._way(_CONTENT)
        dialogue = self._started.get(command) or self._start(*command)
        self._started[command] = dialogue
        try:
            with dialogue.ask(start + _line(oid), self._timeout * 4) as answers:
                left = _size(read_line(answers))
                while left:
                    piece = read_exactly(answers, min(left, _PIECE))
                    left -= len(piece)
                    yield piece
                read_exactly(answers, 1)
        except DialogueEnded:
            self._started.pop(command, None)
            raise GitFailed(f"git could not read the object {oid[:10]}.", "Run it again.") from None

    def write_commit(self, path: Path) -> str:
        """Make an object of the commit in a file whose path has no line end; its id.

        Raises:
            GitFailed: it is malformed, or the disk is full.
        """
        return self._ask(_WRITE, _line(str(path)), read_line).decode("ascii", "replace")

    def _answers(self, names: Sequence[str]) -> list[bytes]:
        return self._ask_for(_INFO, names, lambda out: [read_line(out) for _ in names])

    def _content(self, oid: str) -> bytes:
        content = self._contents.get(oid)
        if content is None:
            content = self._ask_for(_CONTENT, [oid], _read_content)
            if len(content) <= _SMALL:
                _keep(self._contents, _KEPT_CONTENTS, {oid: content})
        return content

    def _ask_for(self, what: str, names: Sequence[str], read: Callable[[BufferedReader], T]) -> T:
        """Ask of each of the objects; the first answer shows whether one git answers everything."""
        try:
            command, start = self._way(what)
            answer = self._ask(command, b"".join(start + _line(name) for name in names), read)
        except GitFailed:
            if self._is_old is not None:
                raise
            self._is_old = True
            return self._ask_for(what, names, read)
        self._is_old = self._is_old or False
        return answer

    def _way(self, what: str) -> tuple[tuple[str, ...], bytes]:
        """The command that answers this question, and what the question begins with."""
        return (_EACH[what], b"") if self._is_old else (_BOTH, f"{what} ".encode())

    def _ask(
        self, command: tuple[str, ...], question: bytes, read: Callable[[BufferedReader], T]
    ) -> T:
        for _ in range(2):
            dialogue = self._started.get(command) or self._start(*command)
            self._started[command] = dialogue
            try:
                with dialogue.ask(question, self._timeout) as answers:
                    return read(answers)
            except DialogueEnded:
                del self._started[command]
        name = next(word for word in command if "-" in word and word[0] != "-")
        raise GitFailed(f"`git {name}` ended before it had answered.", "Run it again.")


def _lasts(name: str) -> bool:
    """Whether what is called by this name is the same for ever."""
    return _LASTING.fullmatch(name) is not None


def _keep(kept: dict[str, T], most: int, found: Mapping[str, T]) -> None:
    if len(kept) + len(found) > most:
        kept.clear()
    kept.update(found)


def _line(name: str) -> bytes:
    return f"{name}\n".encode("utf-8", "surrogateescape")


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    batch: list[str] = []
    size = 0
    for name in names:
        length = len(_INFO) + 1 + len(_line(name))
        if batch and size + length > _PIPE:
            yield batch
            batch, size = [], 0
        batch.append(name)
        size += length
    if batch:
        yield batch


def _info(answer: bytes) -> ObjectInfo | None:
    oid, _, about = answer.decode("utf-8", "surrogateescape").partition(" ")
    kind, _, size = about.partition(" ")
    return ObjectInfo(oid, kind, int(size)) if size.isdigit() else None


def _read_content(answers: BufferedReader) -> bytes:
    size = _size(read_line(answers))
    return read_exactly(answers, size + 1)[:size]


def _size(answer: bytes) -> int:
    """The size of an object whose content follows; a ValueError where it is not here."""
    return int(answer.rpartition(b" ")[2])


def _entries(raw: bytes, width: int) -> Iterator[tuple[str, TreeEntry]]:
    at = 0
    while at < len(raw):
        end = raw.index(b"\0", at)
        mode, _, name = raw[at:end].partition(b" ")
        at = end + 1 + width
        yield (
            name.decode("utf-8", "surrogateescape"),
            TreeEntry(_mode(mode), raw[end + 1 : at].hex()),
        )


def _mode(raw: bytes) -> str:
    """A mode as git shows it; of a file only whether it can be run counts."""
    mode = raw.decode("ascii", "replace").zfill(6)
    if not mode.startswith("10"):
        return mode
    return "100755" if int(mode, 8) & 0o100 else "100644"
