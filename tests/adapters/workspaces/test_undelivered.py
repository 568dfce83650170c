"""What only a message to nobody holds is closed before a workspace is used again."""

from __future__ import annotations

import os
import select
import socket

from loop_kit.adapters.workspaces.undelivered import Closing


def send_to_nobody(*descriptors: int) -> None:
    """Leave these open in a message that is in the socket which it was sent through."""
    one, other = socket.socketpair()
    with one, other:
        socket.send_fds(one, [b"x"], [*descriptors, one.fileno(), other.fileno()])


def is_closed(reading: int) -> bool:
    waiting = select.poll()
    waiting.register(reading)
    return bool(waiting.poll(0))


def test_a_pipe_that_only_a_message_holds_is_closed_once_that_was_waited_for() -> None:
    reading, writing = os.pipe()
    send_to_nobody(writing)
    os.close(writing)
    assert not is_closed(reading)

    Closing().wait()

    assert is_closed(reading)
    os.close(reading)
