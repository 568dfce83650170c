"""Everything that an agent prints, in a log without secrets."""

from collections.abc import Callable, Sequence
from pathlib import Path

from loop_kit.adapters.loop_dir.bounded_file import BoundedFile
from loop_kit.adapters.loop_dir.optional_log import OptionalLog
from loop_kit.core.secrets.redaction import StreamRedactor
from loop_kit.ports import Assignment


class Transcript:
    """All output of an agent, in a rotating log, without `secrets`."""

    def __init__(
        self,
        path: Path,
        secrets: Sequence[str] = (),
        warn: Callable[[str], None] = lambda _: None,
        copy: Path | None = None,
    ) -> None:
        """The output alone, without what is added here, goes to `copy` too."""
        self._file = OptionalLog(path, warn)
        self._copy = BoundedFile(copy) if copy else None
        self._buffer = bytearray()
        self._redactor = StreamRedactor(secrets)

    def begin(self, assignment: Assignment, argv: Sequence[str]) -> None:
        """Write what is started."""
        head = f"role: {assignment.role.value}\nround: {assignment.round}\n"
        head += f"attempt: {assignment.attempt}\n"
        header = f"{'=' * 72}\n{head}cmd={' '.join(argv)}\n{'-' * 72}\n".encode(errors="replace")
        self._file.append(self._redactor.feed(header) + self._redactor.end())

    def add(self, data: bytes) -> None:
        """Add raw output; it is written in pieces of 64 KiB."""
        self._buffer += data
        if len(self._buffer) >= 64 * 1024:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        if self._buffer:
            self._write(self._redactor.feed(bytes(self._buffer)))
            self._buffer.clear()

    def _write(self, data: bytes) -> None:
        self._file.append(data)
        if self._copy is not None:
            self._copy.append(data)

    def end(self, code: int, session_id: str) -> None:
        """Write how it ended."""
        self.flush()
        self._write(self._redactor.end())
        session = f"session_id={session_id}\n" if session_id else ""
        self._file.append(f"\n{'-' * 72}\nreturncode: {code}\n{session}".encode())
