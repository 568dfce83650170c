"""The store of a job that may only read: what it records goes into a bundle, not onto a branch."""

from loop_kit.adapters.git_store import GitStore
from loop_kit.core.inbox_command import InboxCommand


class UnpushedStore(GitStore):
    """Reads the state branch, and keeps everything that is saved in memory."""

    def sync(self, work_sha: str = "") -> None:
        """Nothing is made durable; another job does that."""

    def commands(self) -> tuple[InboxCommand, ...]:
        """None: the job that holds the branches reads them."""
        return ()
