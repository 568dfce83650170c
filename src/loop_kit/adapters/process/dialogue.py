"""A program that stays and answers questions until its standard input is closed.

So it ends with this process, whatever ends that. A question whose answer was not read to its end
ends the program: the next answer would be taken for this one. A round asks dozens of questions,
so where a pipe can be waited for with a deadline, none of them starts a thread that watches it.
"""

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from io import BufferedReader, RawIOBase
from typing import IO, cast

from loop_kit.adapters.process.timed import HAS_POLL, TimedPipe, watched


class DialogueEnded(Exception):
    """The program ended before it had answered, or was ended because it took too long."""


class Dialogue:
    """Asks one running program; for one thread at a time."""

    def __init__(
        self,
        questions: IO[bytes],
        answers: BufferedReader,
        kill: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        """`kill` ends the program at once; `end` closes its pipes and waits for it."""
        self._questions = questions
        self._pipe = TimedPipe(cast("RawIOBase", answers.raw)) if HAS_POLL else None
        timed = None if self._pipe is None else cast("BufferedReader", BufferedReader(self._pipe))
        self._answers = timed or answers
        self._kill = kill
        self._turn = threading.Lock()
        self._finalizer = weakref.finalize(self, end)

    @contextlib.contextmanager
    def ask(self, question: bytes, timeout: float) -> Iterator[BufferedReader]:
        """The answer as a stream, of which all that belongs to the answer has to be read.

        A question has to fit into a pipe, and so has what is answered while it is asked.

        Raises:
            DialogueEnded: the program has ended, or did not answer within `timeout` seconds.
        """
        end = time.monotonic() + timeout
        with self._turn, watched(end, self._kill):
            if self._pipe is not None:
                self._pipe.end = end
            try:
                self._questions.write(question)
                self._questions.flush()
                yield self._answers
            except BaseException as error:
                self._kill()
                self.close()
                if isinstance(error, OSError | ValueError | EOFError):
                    raise DialogueEnded from None
                raise

    def close(self) -> None:
        """End the program, if it has not ended."""
        self._finalizer()


def read_line(answers: BufferedReader, limit: int = 64 * 1024) -> bytes:
    """One line of an answer without its end.

    Raises:
        EOFError: the program has ended, or the line is longer.
    """
    line = answers.readline(limit)
    if not line.endswith(b"\n"):
        raise EOFError
    return line[:-1]


def read_exactly(answers: BufferedReader, size: int) -> bytes:
    """That many bytes of an answer.

    Raises:
        EOFError: the program has ended.
    """
    content = answers.read(size)
    if len(content) < size:
        raise EOFError
    return content
