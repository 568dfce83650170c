"""Waits until files are closed that nothing holds but messages nobody can receive.

A program can send an open file through a socket, and that socket through itself, and end. The file
stays open until the kernel looks for such messages, which is when a socket is closed while there
are any; what was written to it is reported only then. So sockets are closed here, and a pipe that
was sent the same way says when the kernel has looked. It closes what it found in batches, each the
last found first: when the third pipe is closed, all is that was found with the first.
"""

import os

_BATCHES = 3
_MOST = 5000
"""Milliseconds for what takes one or two."""


def close_undelivered() -> None:
    """Let the kernel close what no program holds any more.

    Raises:
        OSError: it did not.
    """
    import select
    import socket

    for _ in range(_BATCHES):
        reading, writing = os.pipe()
        try:
            _send_to_nobody(writing)
            for end in socket.socketpair():
                end.close()
            waiting = select.poll()
            waiting.register(reading)
            if not waiting.poll(_MOST):
                raise OSError("the system does not close what nobody holds")
        finally:
            os.close(reading)


def _send_to_nobody(writing: int) -> None:
    import socket

    one, other = socket.socketpair()
    with one, other:
        try:
            socket.send_fds(one, [b"x"], [writing, one.fileno(), other.fileno()])
        finally:
            os.close(writing)
