"""Writes diffs of commits to files through a git process that stays.

Git repeats a line that names no tree as it is. One that nobody can know before is therefore the end
of a diff, whatever is in it. The process has no index, or git would read files of the work tree
that are as the index has them instead of what is in a commit.
"""

import secrets
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.process.dialogue import Dialogue, DialogueEnded, read_line

_TIMEOUT = 120
_CHUNK = 64 * 1024


class Patches:
    """The diffs of one repository, as git prints them with `options`."""

    def __init__(self, git: Git, options: Sequence[str]) -> None:
        self._start = git.starter(GIT_INDEX_FILE=f"no-index-{secrets.token_hex(20)}")
        self._objects = git.objects
        self._options = options
        self._started: Dialogue | None = None

    def write(self, base: str, head: str, patch: Path) -> bool:
        """Whether the diff of two commits is in `patch` now; why not is not known here."""
        trees = self._objects.info([f"{base}^{{tree}}", f"{head}^{{tree}}"])
        pair = " ".join(tree.oid for tree in trees if tree).encode()
        if None in trees:
            return False
        end = unknown_line()
        dialogue = self._started or self._start("diff-tree", "--stdin", "-r", *self._options)
        self._started = dialogue
        try:
            with dialogue.ask(b"%s\n%s" % (pair, end), _TIMEOUT) as answers:
                if read_line(answers) != pair:
                    raise EOFError
                with patch.open("wb") as out:
                    out.writelines(pieces_until(answers, end))
        except DialogueEnded:
            self._started = None
            return False
        return True


def unknown_line() -> bytes:
    """A line that nobody can know before, for the end of an answer."""
    return f"end of diff {secrets.token_hex(20)}\n".encode()


def pieces_until(answers: BufferedReader, end: bytes) -> Iterator[bytes]:
    """An answer up to `end`, after which git waits for the next question.

    Raises:
        EOFError: git has ended before.
    """
    pending = b""
    while not pending.endswith(end):
        yield pending[: -len(end)]
        piece = answers.read1(_CHUNK)
        if not piece:
            raise EOFError
        pending = pending[-len(end) :] + piece
    yield pending[: -len(end)]
