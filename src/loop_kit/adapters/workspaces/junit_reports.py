"""The JUnit reports that a verify command names: those that it has written are read."""

from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.core.checks.junit import MAX_REPORT, failing_tests, report_paths


class JUnitReports:
    """The reports of one command below `root`, as they are before it runs.

    A report that was there already and is not written again is one of the repository.
    """

    def __init__(self, root: Path, command: str) -> None:
        self._root = root
        self._before = {name: _written_at(root / name) for name in report_paths(command)}

    def failing_tests(self) -> tuple[str, ...]:
        """The tests that fail according to what was written since."""
        names: list[str] = []
        for name, before in self._before.items():
            path = self._root / name
            if _written_at(path) != before and path.resolve() == self._root.resolve() / name:
                names += failing_tests(_read(path))
        return tuple(dict.fromkeys(names))


def _read(path: Path) -> bytes:
    try:
        return read_plain(path, MAX_REPORT) or b""
    except (BusFileUnreadable, OSError):
        return b""


def _written_at(path: Path) -> int | None:
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return None
