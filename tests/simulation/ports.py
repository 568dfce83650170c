"""Ports that cost nothing: what the engine asks for, without disk, git, network or time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.engine.memory_repository import MemoryCommit, MemoryRepository, Tree
from tests.fakes import FakeClock
from tests.simulation.world import Change

from loop_kit.core.agent.activity import Activity
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import (
    Event,
)
from loop_kit.core.loop.provenance import NOWHERE, Spot
from loop_kit.core.loop.state import CommandResult, LoopState, Role, Verification
from loop_kit.ports import Diff


class QuickRepository(MemoryRepository):
    """Commits without hashes, and diffs that are counted and not written."""

    def commit(self, parent: str, tree: Tree, subject: str) -> str:
        sha = f"{len(self.commits) + 1:040x}"
        self.commits[sha] = MemoryCommit(parent, dict(tree), subject)
        return sha

    def diff(self, base: str, head: str, limit: int, patch: Path) -> Diff:
        del limit, patch
        changed = self._changed(base, head)
        old, new = (sum(self._lines(sha, path) for path in changed) for sha in (base, head))
        return Diff(
            text=f"{new} lines",
            truncated=False,
            patch=None,
            files=len(changed),
            lines_added=new,
            lines_deleted=old,
            paths=tuple(changed),
            changed_lines=tuple(
                self._lines(head, path) - self._lines(base, path) for path in changed
            ),
        )

    def origins(
        self, bases: Sequence[str], heads: Sequence[str], places: Sequence[Spot]
    ) -> Mapping[Spot, str | None]:
        return {place: self._origin(bases[0], heads, place) for place in places}

    def _origin(self, base: str, heads: Sequence[str], place: Spot) -> str | None:
        """The first head that has the file: each round writes files of its own."""
        if self._lines(heads[-1], place.file) < (place.line or 1):
            return NOWHERE
        return next(sha for sha in (base, *heads) if place.file in self.commits[sha].tree)

    def _lines(self, sha: str, path: str) -> int:
        return self.commits[sha].tree.get(path, b"").count(b"\n")


class QuickStore:
    """Keeps the bus and the newest state; nothing is ever read back from bytes."""

    work_tip = ""

    def __init__(self) -> None:
        self.state: LoopState | None = None
        self.files: dict[str, bytes] = {}

    def load(self) -> LoopState | None:
        return self.state

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        del event
        self.state = state
        for name, content in (files or {}).items():
            if content is None:
                self.files.pop(name, None)
            else:
                self.files[name] = content

    def sync(self, work_sha: str = "") -> None:
        """Nothing is lost here."""

    def limit_time(self, seconds: float) -> None:
        """Nothing takes time here."""

    def commands(self) -> tuple[Command, ...]:
        return ()

    def keep_aside(self, work_sha: str) -> str:
        return ""

    def pack_work(self, work_sha: str, known: str) -> bytes | None:
        return None

    def holds(self, work_sha: str, known: str) -> bool:
        return True


class Tests:
    """Verify commands that find the production bugs that they can find."""

    __test__ = False

    def __init__(self, change: Change) -> None:
        self._change = change

    def verify(self, sha: str, commands: Sequence[str], timeout: float) -> Verification:
        failed = int(bool(self._change.lines) and self._change.fails_tests())
        results = tuple(CommandResult(command=each, exit_code=failed) for each in commands)
        return Verification(sha=sha, results=results)


class Silence:
    """Reports nothing."""

    def note(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...

    def fail(self, message: str) -> None: ...

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None: ...

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None: ...

    def activity(self, role: Role, activity: Activity) -> None: ...

    def output(self, role: Role, line: str) -> None: ...

    def end_attempt(self, role: Role, seconds: float, note: str) -> None: ...


class StoppedClock(FakeClock):
    """The same moment for ever."""

    def now(self) -> str:
        return "2030-01-01T00:00:00Z"
