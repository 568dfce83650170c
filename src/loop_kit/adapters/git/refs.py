"""Moves refs of one repository through a git process that stays.

Each move is a transaction of its own: its answer comes when it is done, and a lock is held by
nobody in between. Git ends when it refuses one.
"""

from collections.abc import Callable
from io import BufferedReader

from loop_kit.adapters.process.dialogue import Dialogue, DialogueEnded, read_line

_COMMAND = ("update-ref", "-m", "loop-kit: work", "--stdin")
_DONE = b"commit: ok"


class Refs:
    """The refs of one repository; `start` starts git there."""

    def __init__(self, start: Callable[..., Dialogue], timeout: float) -> None:
        self._start = start
        self._timeout = timeout
        self._started: Dialogue | None = None

    def move(self, ref: str, sha: str, old: str | None = None) -> bool:
        """Whether the ref is at `sha` now; not if it is elsewhere than at `old`, '' for nowhere.

        Why not is not known here: the caller asks git.
        """
        expected = "" if old is None else f" {old or '0' * len(sha)}"
        return self._change(f"update {ref} {sha}{expected}")

    def remove(self, ref: str) -> bool:
        """Whether the ref is not there now."""
        return self._change(f"delete {ref}")

    def _change(self, command: str) -> bool:
        words = ("start", "option no-deref", command, "commit")
        question = "".join(f"{word}\n" for word in words).encode("utf-8", "surrogateescape")
        dialogue = self._started or self._start(*_COMMAND)
        self._started = dialogue
        try:
            with dialogue.ask(question, self._timeout) as answers:
                return _is_done(answers)
        except DialogueEnded:
            self._started = None
            return False


def _is_done(answers: BufferedReader) -> bool:
    while read_line(answers) != _DONE:
        pass
    return True
