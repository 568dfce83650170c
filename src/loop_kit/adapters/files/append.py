"""Appends to a file whole or not at all, since a reader may stop at half a line."""

import contextlib
import os
from io import FileIO


def append_whole(stream: FileIO, data: bytes) -> None:
    """Append `data` to an unbuffered file; if it does not fit, leave the file as it was.

    Raises:
        OSError: it does not fit, for instance on a full disk.
    """
    size = stream.seek(0, os.SEEK_END) if stream.seekable() else 0
    try:
        written = stream.write(data)
        while written < len(data):
            written += stream.write(data[written:])
    except OSError:
        with contextlib.suppress(OSError):
            stream.truncate(size)
        raise
