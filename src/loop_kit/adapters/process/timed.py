"""Waits for a program no longer than until a moment, without a thread that watches it."""

import contextlib
import io
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HAS_POLL = hasattr(select, "poll")
"""Whether a pipe can be waited for with a deadline: not on Windows."""


class Child(Protocol):
    """A started program, as far as its end goes."""

    pid: int

    def wait(self, timeout: float | None) -> int:
        """Its exit code."""
        ...


class TimedPipe(io.RawIOBase):
    """The reading end of a pipe on which nobody waits longer than until `end`."""

    def __init__(self, pipe: io.RawIOBase, end: float = 0) -> None:
        self.end = end
        self._pipe = pipe
        self._poll = select.poll()
        self._poll.register(pipe.fileno(), select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        if not self._poll.poll(_milliseconds(self.end)):
            raise TimeoutError
        return self._pipe.readinto(buffer)


@contextlib.contextmanager
def watched(end: float, kill: Callable[[], None]) -> Iterator[None]:
    """Kill a program at that moment, where its pipe can not be waited for with a deadline."""
    if HAS_POLL:
        yield
        return
    timer = threading.Timer(max(0.0, end - time.monotonic()), kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def wait_until(child: Child, end: float) -> None:
    """Wait for the end of a program, which the system tells where it can.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    await_end(child.pid, end)
    child.wait(max(0.0, end - time.monotonic()))


def await_end(pid: int, end: float) -> bool | None:
    """Whether a program ends until that moment; None, at once, where the system does not tell."""
    try:
        number = os.pidfd_open(pid)
    except (OSError, AttributeError):
        return None
    try:
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(_milliseconds(end)))
    finally:
        os.close(number)


def _milliseconds(end: float) -> float:
    return max(0.0, end - time.monotonic()) * 1000
