"""Standard output and error that end no command: what they do not take is dropped.

A reader may leave, the disk behind a redirection be full, a terminal hang up or know no UTF-8. The
work of a command does not depend on that, so only this module handles it: it replaces both streams
before a command runs, and reports at the end whether something was lost. A descriptor that was
closed is opened to nothing, else the next file that is opened would get what is printed.

Every command starts here: no heavy imports.
"""

import contextlib
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class StandardStreams:
    """Both streams of this process, as they are from `install` on."""

    def __init__(self, output: "_TolerantRaw | None") -> None:
        self._output = output

    @classmethod
    def install(cls) -> "StandardStreams":
        """Replace `sys.stdout` and `sys.stderr`; one that is no file of the system stays."""
        _open_closed_descriptors()
        sys.stdout, output = _tolerant(sys.stdout, 1)
        sys.stderr, _ = _tolerant(sys.stderr, 2)
        return cls(output)

    def lost(self) -> OSError | None:
        """Why a part of the standard output was not written; None if all of it was."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        return self._output.lost if self._output else None


class _TolerantRaw(io.RawIOBase):
    """Writes to a file of the system, and drops what that does not take."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self.lost: OSError | None = None

    def write(self, data: "ReadableBuffer") -> int:
        """Write all of `data`, or what can be written of it; waits for a slow reader."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                count = self._raw.write(left)
                if count is None:
                    select.select([], [self._raw], [])
                else:
                    left = left[count:]
        except OSError as error:
            self.lost = self.lost or error
        return size

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._raw.isatty()


def _open_closed_descriptors() -> None:
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _tolerant(stream: TextIO | None, descriptor: int) -> tuple[TextIO, _TolerantRaw | None]:
    if stream is None:
        return _text(_TolerantRaw(io.FileIO(descriptor, "w", closefd=False)), "utf-8"), None
    binary = getattr(stream, "buffer", None)
    raw = getattr(binary, "raw", binary)
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.RawIOBase):
        return stream, None
    tolerant = _TolerantRaw(raw)
    return _text(tolerant, stream.encoding, line_buffering=stream.line_buffering), tolerant


def _text(raw: _TolerantRaw, encoding: str, *, line_buffering: bool = False) -> TextIO:
    """A text stream that can print every character, as its code where `encoding` has none."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=line_buffering,
    )
