"""Starts programs for the tests: `loop` as a fork that has imported everything, others by exec.

Half of the time of a `loop` command is Python starting and importing. This script imports once and
forks for every command: a process of its own with a real pid, in the state of a program that just
started. It is single-threaded, so a fork is safe. Every child gets the default signals, even if
whoever started the tests ignores some.

It reads one byte and four descriptors per program from its standard input: the program's standard
streams, and a socket. The child reads from that socket what to become; the pid and at the end the
exit code are written to it. The server ends when its standard input does.

A test may name a script in `PRELUDE`, whose `install` changes the process before it is `loop`: that
is how storms kill one at a named point, without a word about it in the product.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import tempfile
import time
from typing import Any, NoReturn

USED_LATER = (
    "ctypes",
    "encodings.utf_8_sig",
    "github",
    "markdown_it",
    "pathspec",
    "psutil",
    "requests",
    "rich.console",
    "tenacity",
    "yaml",
)
PRELUDE = "LOOP_TEST_PRELUDE"
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def preload() -> None:
    """Import what any command may use."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"
    import loop_kit

    for found in pkgutil.walk_packages(loop_kit.__path__, "loop_kit."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name in USED_LATER:
        importlib.import_module(name)
    build(importlib.import_module("pydantic").BaseModel)
    gc.collect()
    gc.freeze()


def build(model: Any) -> None:
    """Build the models below this one, which wait for their first use."""
    for each in model.__subclasses__():
        each.model_rebuild()
        build(each)


def serve(control: socket.socket) -> int | None:
    """Fork for every request; in a child the descriptor of its socket, in the server None."""
    sockets: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    while True:
        ready, _, _ = select.select([control, woken], [], [])
        if woken in ready:
            os.read(woken, 512)
            report_ended(sockets)
        if control in ready:
            asked, descriptors, _, _ = socket.recv_fds(control, 1, 4)
            if not asked:
                return None
            pid = os.fork()
            if pid == 0:
                control.detach()
                return adopt(descriptors)
            sockets[pid] = descriptors.pop()
            report(sockets[pid], pid)
            for each in descriptors:
                os.close(each)


def report_ended(sockets: dict[int, int]) -> None:
    """Write the exit codes of the children that ended."""
    while sockets:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        if pid in sockets:
            channel = sockets.pop(pid)
            report(channel, os.waitstatus_to_exitcode(status))
            os.close(channel)


def report(channel: int, number: int) -> None:
    """Write a line to who asked for a program, and may be gone by now."""
    with contextlib.suppress(BrokenPipeError):
        os.write(channel, f"{number}\n".encode())


def adopt(descriptors: list[int]) -> int:
    """Take the streams and the default signals; the socket's descriptor."""
    signal.set_wakeup_fd(-1)
    for number in (*SIGNALS, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    first = max(*descriptors, 2) + 1
    moved = [os.dup2(each, first + at) for at, each in enumerate(descriptors)]
    for at, each in enumerate(moved):
        os.dup2(each, at)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    return 3


def become(channel: int) -> None:
    """Be the program that the socket asks for, up to its first line."""
    with open(channel, encoding="utf-8") as asked:
        request = json.loads(asked.readline())
    argv, environ = request["argv"], request["environ"]
    os.chdir(request["cwd"])
    if not request["warm"]:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(argv[0], argv, environ)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[:] = argv
    tempfile.tempdir = None
    time.tzset()
    prelude = os.environ.pop(PRELUDE, "")
    if prelude:
        runpy.run_path(prelude)["install"]()


def run() -> NoReturn:
    """Run the command, which ends this process."""
    from loop_kit.cli.main import main

    main()


if __name__ == "__main__":
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    preload()
    mine = serve(socket.socket(fileno=0))
    if mine is not None:
        become(mine)
        run()
