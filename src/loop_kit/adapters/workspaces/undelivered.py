"""Waits until files are closed that nothing holds but messages nobody can receive.

A program can send an open file through a socket, and that socket through itself, and end. The file
stays open until the kernel looks for such messages, which is when a socket is closed while there
are any; what was written to it is reported only then. So sockets are closed here, and a pipe that
was sent the same way says when the kernel has looked. It closes what it found in batches, each the
last found first: when the third pipe is closed, all is that was found with the first. The kernel
takes its time for each, so this is begun when a program has ended and waited for when it matters.
"""

import os
import threading

_BATCHES = 3
_MOST = 5000
"""Milliseconds for what takes one or two."""


class Closing:
    """Lets the kernel close what no program holds any more when this is made."""

    def __init__(self) -> None:
        """Begin."""
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._close, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until all is closed.

        Raises:
            OSError: the kernel did not.
        """
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _close(self) -> None:
        try:
            _close_undelivered()
        except OSError as error:
            self._failure = error


def _close_undelivered() -> None:
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
