"""Lets a program in a room without a network reach the proxy that holds the model key.

The room's loopback is its own, and the proxy's socket is in a folder that is bound into it. This
program listens on 127.0.0.1, leaves a child behind that passes every connection on to the socket,
and becomes the program that it is given. The child ends with the program, and the program with the
proxy: some agents wait for ever for a server that is gone.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from loop_kit.adapters.process.room import kernel
from loop_kit.adapters.process.room.builder import execute
from loop_kit.adapters.process.room.unix_socket import connected
from loop_kit.adapters.process.room.upstream import PORT, WATCH

_NO_PROXY = 125
_GRACE_SECONDS = 2.0
_PIECE = 64 * 1024


def main(arguments: Sequence[str]) -> int:
    """Become a program: `arguments` are the proxy's socket, then the program."""
    path, *program = arguments
    try:
        listener = socket.create_server(("127.0.0.1", PORT), backlog=128)
        watch = connected(path)
        watch.sendall(WATCH + b"\r\n\r\n")
    except OSError as error:
        print(f"loop-kit: the model proxy cannot be reached: {error}", file=sys.stderr)
        return _NO_PROXY
    agent = os.getpid()
    if os.fork() == 0:
        return _serve(listener, path, watch, agent)
    return execute(program, os.environ)


def _serve(listener: socket.socket, path: str, watch: socket.socket, agent: int) -> int:
    """Pass connections on for as long as the agent lives and the proxy does."""
    kernel.die_with_parent(signal.SIGKILL)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    threading.Thread(target=_accept, args=(listener, path), daemon=True).start()
    with suppress(OSError):
        watch.recv(1)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(OSError):
            os.kill(agent, number)
        time.sleep(_GRACE_SECONDS)
    return 0


def _accept(listener: socket.socket, path: str) -> None:
    while True:
        with suppress(OSError):
            theirs, _ = listener.accept()
            ours = connected(path)
            for pair in ((theirs, ours), (ours, theirs)):
                threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy one direction until it ends."""
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
