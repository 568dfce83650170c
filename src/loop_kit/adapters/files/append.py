"""Appends to a file whole or not at all, since a reader may stop at half a line."""

import contextlib
import os
from io import FileIO


def append_whole(stream: FileIO, *parts: bytes) -> None:
    """Append `parts` to an unbuffered file; if they do not fit, leave the file as it was.

    Raises:
        OSError: they do not fit, for instance on a full disk.
    """
    size = stream.seek(0, os.SEEK_END) if stream.seekable() else 0
    try:
        for data in parts:
            written = stream.write(data)
            while written < len(data):
                written += stream.write(data[written:])
    except OSError:
        with contextlib.suppress(OSError):
            stream.truncate(size)
        raise
