"""The one door to other programs: `run` for short commands of ours, `stream` for agents.

Nothing here grows with what a program prints. A line longer than `MAX_LINE` is handed on as chunks
to the transcript and dropped for the parser; the queue between the reading threads and the caller
is short, so that a program that prints faster than we read has to wait.
"""

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from loop_kit.adapters.process_tree import ProcessTree

MAX_LINE = 1024 * 1024
_CHUNK = 64 * 1024
_TICK = 0.25
_BATCH = 64

Source = Literal["stdout", "stderr"]


class CommandTimeout(Exception):
    """A command of ours did not end in time and was killed."""


class OutputTooLong(Exception):
    """A command of ours printed more than the caller can use."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a short command ended and what it printed."""

    code: int
    out: bytes
    err: bytes


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float = 30,
    limit: int = 64 * 1024 * 1024,
    stdout: Path | None = None,
) -> Completed:
    """Run a short command to its end, with at most `limit` bytes of output, or into `stdout`.

    Raises:
        FileNotFoundError: there is no such program.
        CommandTimeout: it ran longer than `timeout` seconds.
        OutputTooLong: it printed more than `limit` bytes.
    """
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        feed: IO[bytes] | int = subprocess.DEVNULL
        if stdin is not None:
            feed = stack.enter_context(tempfile.TemporaryFile())
            feed.write(stdin)
            feed.seek(0)
        sink: IO[bytes] | int = subprocess.PIPE
        if stdout is not None:
            sink = stack.enter_context(stdout.open("wb"))
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=env,
            stdin=feed,
            stdout=sink,
            stderr=errors,
            start_new_session=True,
        )
        out, late = _finish(child, timeout, limit)
        errors.seek(0)
        err = errors.read(_CHUNK)
    if late:
        raise CommandTimeout(f"{' '.join(argv[:3])} took longer than {timeout:g} s")
    if len(out) > limit:
        raise OutputTooLong(f"{' '.join(argv[:3])} printed more than {limit} bytes")
    return Completed(child.returncode, out, err)


def _finish(child: "subprocess.Popen[bytes]", timeout: float, limit: int) -> tuple[bytes, bool]:
    """The output of `child`, and whether it had to be killed for being late."""
    late = threading.Event()

    def expire() -> None:
        late.set()
        _kill_group(child)

    timer = threading.Timer(timeout, expire)
    timer.daemon = True
    timer.start()
    out = b""
    try:
        if child.stdout is not None:
            with child.stdout:
                out = child.stdout.read(limit + 1)
            if len(out) > limit:
                _kill_group(child)
        child.wait()
    except BaseException:
        _kill_group(child)
        child.wait()
        raise
    finally:
        timer.cancel()
    return out, late.is_set()


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    try:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    except (ProcessLookupError, PermissionError):
        return


@dataclass(frozen=True, slots=True)
class Streamed:
    """How a program ended; `timed_out` says in words which of our clocks ended it."""

    exit_code: int
    timed_out: str = ""


class Listener:
    """What to do with a program's output; the base class ignores it."""

    def chunk(self, source: Source, data: bytes) -> None:
        """Raw bytes as they arrive."""

    def line(self, source: Source, line: bytes) -> None:
        """One line of at most `MAX_LINE` bytes, without its end."""

    def tick(self) -> None:
        """Called about four times a second while the program runs."""


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
        """Emit what is there as a line."""
        if self._size and self._size <= self._limit:
            self._emit(b"".join(self._parts).rstrip(b"\r"))
        self._parts, self._size = [], 0

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            self._parts = []
        elif piece:
            self._parts.append(piece)


def stream(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes,
    listener: Listener,
    timeout: float | None = None,
    idle_timeout: float | None = None,
    linger: float = 0,
    settled: Callable[[], bool] = lambda: True,
    grace: float = 5,
) -> Streamed:
    """Run a program that may be hostile, and leave nothing of it alive.

    After a clean end without `settled()`, what it left running gets up to `linger` seconds.

    Raises:
        OSError: the program cannot be started.
    """
    from loop_kit.adapters.process_tree import ProcessTree

    tree = ProcessTree()
    child = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    pipes = _Pipes(child, stdin)
    clock = _Deadlines(timeout, idle_timeout)
    expired = ""
    try:
        while child.poll() is None and not (expired := clock.expired):
            if pipes.deliver(listener):
                clock.heard()
            listener.tick()
        if child.returncode == 0:
            _wait_settled(tree, pipes, listener, settled, linger)
    finally:
        tree.end(grace, keep=child.pid if child.returncode is None else 0)
        child.wait()
        try:
            pipes.drain(listener)
        finally:
            pipes.close()
    return Streamed(child.returncode, expired)


def _wait_settled(
    tree: "ProcessTree",
    pipes: "_Pipes",
    listener: Listener,
    settled: Callable[[], bool],
    seconds: float,
) -> None:
    """Give what a finished program left running its time to settle."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not settled() and tree.alive():
        pipes.deliver(listener)
        listener.tick()


class _Deadlines:
    """Our two clocks: the whole time, and the time since the last byte."""

    def __init__(self, timeout: float | None, idle: float | None) -> None:
        self._started = self._heard = time.monotonic()
        self._timeout = timeout
        self._idle = idle

    def heard(self) -> None:
        """A byte arrived."""
        self._heard = time.monotonic()

    @property
    def expired(self) -> str:
        """Which clock ran out, in words, or ''."""
        now = time.monotonic()
        if self._timeout is not None and now - self._started >= self._timeout:
            return f"timed out after {self._timeout:g} s (--dispatch-timeout)"
        if self._idle is not None and now - self._heard >= self._idle:
            return f"no output for {self._idle:g} s (--idle-timeout)"
        return ""


class _Pipes:
    """Two threads that read and one that writes, with a short queue to the caller."""

    def __init__(self, child: "subprocess.Popen[bytes]", stdin: bytes) -> None:
        self._queue: queue.Queue[tuple[Source, bytes]] = queue.Queue(maxsize=64)
        self._stop = threading.Event()
        self._open = 2
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
        """Hand on what arrives within a tick; whether a byte came."""
        try:
            item = self._queue.get(timeout=_TICK)
        except queue.Empty:
            return False
        heard = self._hand_on(item, listener)
        for _ in range(_BATCH):  # not until it is empty: some print as fast as we read
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            heard = self._hand_on(item, listener) or heard
        return heard

    def drain(self, listener: Listener) -> None:
        """Hand on everything that is still to come, for a program that is gone."""
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

    def _hand_on(self, item: tuple[Source, bytes], listener: Listener) -> bool:
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
            try:
                self._queue.put(item, timeout=_TICK)
            except queue.Full:
                continue
            return

    def _write(self, pipe: IO[bytes], data: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            pipe.write(data)
        with contextlib.suppress(OSError, ValueError):
            pipe.close()
