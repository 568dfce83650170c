"""The only module that starts programs: `run` for short commands, `stream` for agents."""

import contextlib
import errno
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from loop_kit.adapters.process.dialogue import Dialogue
from loop_kit.adapters.process.namespace import Bare, Namespace
from loop_kit.adapters.process.pipes import LineSplitter, Listener, Pipes, Source
from loop_kit.adapters.process.programs import find_program, started_by
from loop_kit.adapters.process.timed import HAS_POLL, TimedPipe, wait_until, watched
from loop_kit.frozen import frozen

if TYPE_CHECKING:
    from loop_kit.adapters.process.tree import ProcessTree

_CHUNK = 64 * 1024
_COMMAND_GRACE = 0.5


class CommandTimeout(Exception):
    """A short command did not end in time and was killed."""


class OutputTooLong(Exception):
    """A short command printed more than the caller can use."""


@frozen
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
    stdin: bytes | Path | None = None,
    timeout: float = 30,
    limit: int = 64 * 1024 * 1024,
    stdout: Path | None = None,
) -> Completed:
    """Run a short command to its end, with at most `limit` bytes of output, or into `stdout`.

    It reads the bytes or the file `stdin`.

    Raises:
        FileNotFoundError: there is no such program.
        CommandTimeout: it ran longer than `timeout` seconds.
        OutputTooLong: it printed more than `limit` bytes.
    """
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(_scratch())
        feed: IO[bytes] | int = subprocess.DEVNULL
        if isinstance(stdin, Path):
            feed = stack.enter_context(stdin.open("rb"))
        elif stdin is not None:
            feed = stack.enter_context(_scratch())
            feed.write(stdin)
            feed.seek(0)
        sink: IO[bytes] | int = subprocess.PIPE
        if stdout is not None:
            sink = stack.enter_context(stdout.open("wb"))
        child = subprocess.Popen(
            started_by([_program(argv[0], env), *argv[1:]]),
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


def start_dialogue(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Dialogue:
    """Start a program that answers what it is asked; what it prints of errors is not read.

    Raises:
        FileNotFoundError: there is no such program.
    """
    child = subprocess.Popen(
        [_program(argv[0], env), *argv[1:]],
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    questions, answers = cast("IO[bytes]", child.stdin), cast("BufferedReader", child.stdout)
    return Dialogue(questions, answers, partial(_kill_group, child), partial(_hang_up, child))


def _hang_up(child: "subprocess.Popen[bytes]") -> None:
    """Close the pipes of a program, at which it ends, and wait for it."""
    for pipe in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()
    _await(child)


def _scratch() -> IO[bytes]:
    """A file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("loop-kit"), "w+b")
    return cast("IO[bytes]", tempfile.TemporaryFile())


def _finish(child: "subprocess.Popen[bytes]", timeout: float, limit: int) -> tuple[bytes, bool]:
    """The output of `child`, and whether it was killed because it took too long."""
    end = time.monotonic() + timeout
    out = b""
    try:
        if child.stdout is not None:
            with child.stdout as pipe, watched(end, partial(_kill_group, child)):
                raw = cast("RawIOBase", cast("BufferedReader", pipe).raw)
                out = (BufferedReader(TimedPipe(raw, end)) if HAS_POLL else pipe).read(limit + 1)
            if len(out) > limit:
                _kill_group(child)
        wait_until(child, end)
    except (TimeoutError, subprocess.TimeoutExpired):
        _kill_group(child)
        child.wait()
        return out, True
    except BaseException:
        _end_group(child)
        raise
    return out, not HAS_POLL and time.monotonic() >= end


def _end_group(child: "subprocess.Popen[bytes]") -> None:
    """End an interrupted command; git removes its lock files if it is asked to end."""
    _signal_group(child, signal.SIGTERM)
    _await(child)


def _await(child: "subprocess.Popen[bytes]") -> None:
    """Wait for a program that is about to end, and kill it if it does not."""
    try:
        child.wait(_COMMAND_GRACE)
    except subprocess.TimeoutExpired:
        _kill_group(child)
        child.wait()


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    _signal_group(child, getattr(signal, "SIGKILL", signal.SIGTERM))


def _signal_group(child: "subprocess.Popen[bytes]", number: int) -> None:
    try:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, number)
        else:
            child.kill()
    except (ProcessLookupError, PermissionError):
        return


@frozen
class Streamed:
    """How a program ended; `timed_out` is the reason, in words, if it was ended by this process."""

    exit_code: int
    timed_out: str = ""


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
    grace: float = 3,
    box: Bare | None = None,
) -> Streamed:
    """Run a program that may be hostile, and leave none of its processes alive.

    After exit code 0 without `settled()`, what it left running gets up to `linger` seconds; what is
    ended gets `grace` seconds from SIGTERM on, for a job that is cancelled has 10 s in all. `box`
    is what it runs in; it is used up by this.

    Raises:
        OSError: the program cannot be started.
    """
    from loop_kit.adapters.process.tree import ProcessTree

    argv = [_program(argv[0], env), *argv[1:]]
    tree = ProcessTree()
    box = box or Bare()
    child = _start(box, argv, cwd, env)
    pipes = Pipes(child, stdin)
    clock = _Deadlines(timeout, idle_timeout)
    expired = ""
    try:
        while _code(box, child) is None and not (expired := clock.expired or listener.enough()):
            if pipes.deliver(listener):
                clock.restart_idle()
            listener.tick()
        end = time.monotonic() + (linger if _code(box, child) == 0 else 0)
        while time.monotonic() < end and not settled() and tree.alive(box.helpers(child.pid)):
            pipes.deliver(listener)
            listener.tick()
    finally:
        code = _end(box, tree, child, grace)
        try:
            pipes.drain(listener)
        finally:
            pipes.close()
    return Streamed(code, expired)


def _program(name: str, env: Mapping[str, str] | None) -> str:
    """The path of a program, which is never looked for in the working directory."""
    found = find_program(name, os.environ if env is None else env)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "No such program", name)
    return found


def _start(
    box: Bare, argv: Sequence[str], cwd: Path, env: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            started_by(box.argv(argv)),
            cwd=cwd,
            env=box.environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except BaseException:
        box.release()
        box.close()
        raise


def _end(box: Bare, tree: "ProcessTree", child: "subprocess.Popen[bytes]", grace: float) -> int:
    """End every process that is left, and return the program's exit code."""
    box.release()
    tree.end(grace, keep=child.pid if child.returncode is None else 0)
    child.wait()
    code = box.exit_code()
    box.close()
    return child.returncode if code is None else code


def _code(box: Bare, child: "subprocess.Popen[bytes]") -> int | None:
    code = box.exit_code()
    return child.poll() if code is None else code


def namespace_if_allowed() -> Bare:
    """A process namespace for one program, or where this user may make none, no box."""
    return Namespace() if is_namespace_allowed() else Bare()


@cache
def is_namespace_allowed() -> bool:
    """Whether this user may make a process namespace here; tried once per process."""
    trial = Namespace.trial()
    try:
        return bool(trial) and run(trial, timeout=5).code == 0
    except (OSError, CommandTimeout):
        return False


class _Deadlines:
    """The two deadlines: for the whole time, and for the time since the last output."""

    def __init__(self, timeout: float | None, idle: float | None) -> None:
        self._began = self._last_output = time.monotonic()
        self._timeout = timeout
        self._idle = idle

    def restart_idle(self) -> None:
        """Restart the deadline for output."""
        self._last_output = time.monotonic()

    @property
    def expired(self) -> str:
        """Which deadline has passed, in words, or ''."""
        now = time.monotonic()
        if self._timeout is not None and now - self._began >= self._timeout:
            return f"timed out after {self._timeout:g} s (--dispatch-timeout)"
        if self._idle is not None and now - self._last_output >= self._idle:
            return f"no output for {self._idle:g} s (--idle-timeout)"
        return ""


__all__ = [
    "CommandTimeout",
    "Completed",
    "Dialogue",
    "LineSplitter",
    "Listener",
    "OutputTooLong",
    "Source",
    "Streamed",
    "is_namespace_allowed",
    "namespace_if_allowed",
    "run",
    "start_dialogue",
    "stream",
]
