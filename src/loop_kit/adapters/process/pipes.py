"""The output of a program, read by threads and passed to the caller piece by piece.

Memory does not grow with what a program prints. A line longer than `MAX_LINE` goes as chunks to the
transcript and is dropped for the parser; the queue between the reading threads and the caller is
short, so that a program that prints faster than it is read has to wait.
"""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import IO, Generic, Literal, Protocol, TypeVar

from loop_kit.adapters.process.timed import await_end

MAX_LINE = 1024 * 1024
_CHUNK = 64 * 1024
_TICK = 0.25
_FIRST_TICK = 0.002
_BATCH = 64

Source = Literal["stdout", "stderr"]
T = TypeVar("T")


class Child(Protocol):
    """A started program, as far as its pipes go."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None


class Listener:
    """What to do with a program's output; the base class ignores it."""

    def chunk(self, source: Source, data: bytes) -> None:
        """Raw bytes as they arrive."""

    def line(self, source: Source, line: bytes) -> None:
        """One line of at most `MAX_LINE` bytes, without its end."""

    def tick(self) -> None:
        """Called about four times a second while the program runs."""

    def enough(self) -> str:
        """Why the program is to be ended now, or ''."""
        return ""


class LineSplitter:
    """Cuts a stream into lines; a line that is too long is dropped whole."""

    def __init__(self, emit: Callable[[bytes], None], limit: int = MAX_LINE) -> None:
        self._emit = emit
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._add(piece)
            self.finish()
        self._add(rest)

    def finish(self) -> None:
        """Emit what is buffered as a line."""
        if self._size and self._size <= self._limit:
            self._emit(b"".join(self._parts).rstrip(b"\r"))
        self._parts, self._size = [], 0

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            self._parts = []
        elif piece:
            self._parts.append(piece)


class ShortQueue(Generic[T]):
    """A queue for at most `size` items, whose reader a signal may interrupt at any point.

    `queue.Queue` keeps its lock for ever where an interrupt comes between two of its lines, and
    every thread waits for it then; what `SimpleQueue` does is one step of the interpreter.
    """

    def __init__(self, size: int) -> None:
        self._items: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._size = size
        self._make_room()

    def put(self, item: T, timeout: float) -> bool:
        """Whether there was room for `item` within `timeout` seconds."""
        try:
            self._room.get(timeout=timeout)
        except queue.Empty:
            return False
        self._items.put(item)
        return True

    def get(self, timeout: float = 0) -> T | None:
        """The next item, if there is one within `timeout` seconds."""
        try:
            item = self._items.get(block=timeout > 0, timeout=timeout or None)
        except queue.Empty:
            return None
        self._make_room()
        return item

    def _make_room(self) -> None:
        """Counted each time, as an interrupt may have come before the last."""
        for _ in range(self._size - self._items.qsize() - self._room.qsize()):
            self._room.put(None)


class Pipes:
    """Two threads that read and one that writes, with a short queue to the caller."""

    def __init__(self, child: Child, stdin: bytes) -> None:
        self._queue = ShortQueue[tuple[Source, bytes]](64)
        self._stop = threading.Event()
        self._open = 2
        self._tick = _FIRST_TICK
        self._has_ended = False
        self._child = child
        self._splitters: dict[Source, LineSplitter] = {}
        threads = [
            threading.Thread(target=self._read, args=(child.stdout, "stdout"), daemon=True),
            threading.Thread(target=self._read, args=(child.stderr, "stderr"), daemon=True),
            threading.Thread(target=self._write, args=(child.stdin, stdin), daemon=True),
        ]
        self._threads = threads
        for thread in threads:
            thread.start()

    @property
    def drained(self) -> bool:
        """Whether both outputs ended and everything was delivered."""
        return self._open == 0

    def deliver(self, listener: Listener) -> bool:
        """Pass on what arrives within a tick; returns whether there was any.

        Ticks begin short, and again after each output: then a program is likely to end. Once it has
        closed its outputs, its end is what is waited for.
        """
        ended = self._await_end() if self.drained and not self._has_ended else None
        item = self._queue.get(timeout=self._tick) if ended is None else None
        if item is None:
            self._tick = min(_TICK, 2 * self._tick)
            return False
        self._tick = _FIRST_TICK
        received = self._pass_on(item, listener)
        for _ in range(_BATCH):  # bounded: a program may print as fast as this reads
            item = self._queue.get()
            if item is None:
                break
            received = self._pass_on(item, listener) or received
        return received

    def _await_end(self) -> bool | None:
        """Whether the program ends within a tick; None where the system does not tell."""
        ended = await_end(self._child.pid, time.monotonic() + self._tick)
        self._has_ended = bool(ended)
        return ended

    def drain(self, listener: Listener) -> None:
        """Pass on the rest of the output of a program that has ended."""
        end = time.monotonic() + 2
        while not self.drained and time.monotonic() < end:
            self.deliver(listener)
        for splitter in self._splitters.values():
            splitter.finish()

    def close(self) -> None:
        """Let the threads end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=2)
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _pass_on(self, item: tuple[Source, bytes], listener: Listener) -> bool:
        source, data = item
        if not data:
            self._open -= 1
            return False
        listener.chunk(source, data)
        if source not in self._splitters:
            self._splitters[source] = LineSplitter(lambda line: listener.line(source, line))
        self._splitters[source].feed(data)
        return True

    def _read(self, pipe: IO[bytes], source: Source) -> None:
        while not self._stop.is_set():
            try:
                data = os.read(pipe.fileno(), _CHUNK)
            except (OSError, ValueError):
                data = b""
            self._put((source, data))
            if not data:
                return

    def _put(self, item: tuple[Source, bytes]) -> None:
        while not self._stop.is_set():
            if self._queue.put(item, timeout=_TICK):
                return

    def _write(self, pipe: IO[bytes], data: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            pipe.write(data)
        with contextlib.suppress(OSError, ValueError):
            pipe.close()
