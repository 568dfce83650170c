"""A log that a run can do without: what was paid for is worth more than a line about it."""

from collections.abc import Callable
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import RotatingFile


class OptionalLog:
    """A rotating file; where it cannot be written, `warn` gets one sentence and the run continues.

    Each write is tried, since there may be room again.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._file = RotatingFile(path)
        self._warn = warn
        self._has_warned = False

    def append(self, data: bytes) -> None:
        """Add `data`, or lose it."""
        try:
            self._file.append(data)
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                self._warn(
                    f"{self._path} cannot be written ({error.strerror}): the run continues without"
                    " it. Make room on the disk, or move what is in the way."
                )
