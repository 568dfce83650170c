"""Connects to a socket in the file system wherever that is.

An address holds at most 107 bytes (`sun_path` in unix(7)), and temporary folders can be deeper.
"""

import os
import socket

_LONGEST = 107


def connected(path: str, seconds: float | None = None) -> socket.socket:
    """A connection to the socket at `path`, which waits for `seconds` at most, or without a bound.

    Raises:
        OSError: nobody listens there.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    try:
        if len(os.fsencode(path)) > _LONGEST:
            _connect_below(*os.path.split(path), connection)
        else:
            connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _connect_below(folder: str, name: str, connection: socket.socket) -> None:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{descriptor}/{name}")
    finally:
        os.close(descriptor)
