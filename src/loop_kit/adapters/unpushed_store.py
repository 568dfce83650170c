"""The store of a job that may only read: what it records goes into a bundle, not onto a branch."""

from collections.abc import Mapping

from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import Event
from loop_kit.core.loop.state import LoopState
from loop_kit.ports import Store


class UnpushedStore:
    """Reads through another store, and keeps everything that is saved in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def work_tip(self) -> str:
        """Where the work branch was when the state was loaded."""
        return self._store.work_tip

    def load(self) -> LoopState | None:
        """The recorded state, or None when there is no loop yet."""
        return self._store.load()

    def read(self, name: str) -> bytes | None:
        """A bus file as last saved, or None."""
        return self._store.read(name)

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Keep one transition."""
        self._store.save(state, event, files)

    def sync(self, work_sha: str = "") -> None:
        """Nothing is made durable; another job does that."""

    def commands(self) -> tuple[Command, ...]:
        """None: the job that holds the branches reads them."""
        return ()

    def keep_aside(self, work_sha: str) -> str:
        """Nothing is pushed, so nothing is kept elsewhere than in the repository itself."""
        return work_sha
