"""Runs programs as a user would: `loop` warm from the fork server, every other by exec.

`Program` has the part of `subprocess.Popen` that tests use, and means the same by it.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

LOOP = Path(sys.executable).parent / "loop"
SERVER = Path(__file__).with_name("fork_server.py")


class Program:
    """A program that was started and may still run."""

    def __init__(
        self, channel: socket.socket, argv: Sequence[str | Path], stdout: IO[str] | None = None
    ) -> None:
        self.argv = [str(word) for word in argv]
        self.stdout = stdout
        self.returncode: int | None = None
        self._channel = channel
        self._lines = channel.makefile("r", encoding="ascii")
        self.pid = int(self._lines.readline() or 0)
        assert self.pid, "the fork server ended: its own output says why"

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit code, or minus the signal that ended it."""
        code = self._ended(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.argv, timeout)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait for the end of the output and of the program; what was not read yet."""
        text = ""
        if self.stdout is not None and not self.stdout.closed:
            text = self._rest(self.stdout, timeout)
            self.stdout.close()
        self.wait(timeout)
        return text, None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._channel], [], [], timeout)[0]:
            self.returncode = int(self._lines.readline())
            self._lines.close()
            self._channel.close()
        return self.returncode

    def _rest(self, stdout: IO[str], timeout: float | None) -> str:
        """Read to the end, in a thread because a pipe cannot be waited for everywhere."""
        found: list[str] = []
        reader = threading.Thread(target=lambda: found.append(stdout.read()), daemon=True)
        reader.start()
        reader.join(timeout)
        if reader.is_alive():
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.argv, timeout)
        return found[0]


class ForkServer:
    """The process that every program of the tests is forked from."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        command = [sys.executable, "-P", str(SERVER)]
        with theirs:
            self._process = subprocess.Popen(
                command, stdin=theirs, stdout=subprocess.DEVNULL, env=environ
            )

    def stop(self) -> None:
        self._control.close()
        self._process.wait()

    def start(
        self,
        argv: Sequence[str | Path],
        cwd: Path,
        env: Mapping[str, str],
        streams: Sequence[int],
    ) -> socket.socket:
        """Start a program on three descriptors; the socket that gets its pid and its exit code."""
        words = [str(word) for word in argv]
        warm = words[0] == str(LOOP) and not any(name.startswith("PYTHON") for name in env)
        request = {"argv": words, "environ": dict(env), "cwd": str(cwd), "warm": warm}
        mine, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"+"], [*streams, theirs.fileno()])
        mine.sendall(json.dumps(request).encode() + b"\n")
        return mine


@cache
def fork_server() -> ForkServer:
    """The one of this process."""
    server = ForkServer()
    atexit.register(server.stop)
    return server


def start(
    argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: IO[bytes] | None = None
) -> Program:
    """Start a program and leave it running; both its output streams go to `log`, or to a pipe."""
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        if log is not None:
            streams = (nothing.fileno(), log.fileno(), log.fileno())
            return Program(fork_server().start(argv, cwd, env, streams), argv)
        reading, writing = os.pipe()
        channel = fork_server().start(argv, cwd, env, (nothing.fileno(), writing, writing))
        os.close(writing)
        return Program(channel, argv, os.fdopen(reading, encoding="utf-8", errors="replace"))


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    stdin: bytes = b"",
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; what it printed, decoded."""
    if not hasattr(os, "fork"):
        return _run_by_exec(argv, cwd, env, timeout, stdin)
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        streams = (given.fileno(), out.fileno(), err.fileno())
        program = Program(fork_server().start(argv, cwd, env, streams), argv)
        try:
            code = program.wait(timeout)
        except BaseException:
            program.kill()
            program.wait()
            raise
        printed = []
        for stream in (out, err):
            stream.seek(0)
            with io.TextIOWrapper(stream, encoding="utf-8", errors="replace") as text:
                printed.append(text.read())
        return subprocess.CompletedProcess(program.argv, code, *printed)


def _run_by_exec(
    argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str], timeout: float, stdin: bytes
) -> subprocess.CompletedProcess[str]:
    """Where processes cannot be forked; there `loop` is a file of another name."""
    words = [str(word) for word in argv]
    command = [sys.executable, "-P", "-m", "loop_kit"] if words[0] == str(LOOP) else words[:1]
    basics = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP") if name in os.environ}
    done = subprocess.run(
        [*command, *words[1:]],
        cwd=cwd,
        env={**basics, "PYTHONUTF8": "1", **env},
        capture_output=True,
        timeout=timeout,
        check=False,
        input=stdin,
    )
    out, err = (raw.decode("utf-8").replace("\r\n", "\n") for raw in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(argv, done.returncode, out, err)
