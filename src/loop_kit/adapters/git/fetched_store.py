"""The store of a local loop that may have been fetched from CI, where people push to its branch.

As in a job, commits that a person pushed stop the loop once, and starting it again accepts them.
Commits that exist only on this machine are no such push: an agent may have made them before its
run was killed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from loop_kit.adapters.git.ancestry import builds_on, tip_of
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.loop_dir.file_store import FileStore
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import LoopState

if TYPE_CHECKING:
    from loop_kit.core.ci.fetched import FetchedLoop


class FetchedStore(FileStore):
    """Keeps one loop in a folder, and knows the tip of its work in CI."""

    def __init__(
        self,
        folder: Path,
        git: Git,
        *,
        keep_card: Callable[[], bool] = bool,
        keep_work: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(folder, keep_card=keep_card, keep_work=keep_work)
        self._where = folder
        self._git = git

    @property
    def work_tip(self) -> str:
        """The tip that people have pushed the work of a fetched loop to; '' if they have not."""
        state = self.load()
        if state is None or not state.publishes:
            return ""
        if "human_push" in state.reasons:
            return tip_of(self._git, state.work_branch) or ""
        return self._fetched_tip(state)

    def holds(self, work_sha: str, known: str) -> bool:
        """Whether the commits, which a job could not push, are in this repository."""
        del known
        return self._git.has(work_sha)

    @property
    def fetched_tip(self) -> str:
        """Where the work was in CI when this loop was fetched; '' if it was not."""
        record = self._record()
        return record.work_tip if record is not None else ""

    def _fetched_tip(self, state: LoopState) -> str:
        """The work as it was fetched, if it is ahead of what the loop recorded; else ''."""
        record = self._record()
        if record is None or record.task_id != state.task_id or not record.work_tip:
            return ""
        left, there = state.branch_tip, record.work_tip
        return there if left != there and builds_on(self._git, left, there) else ""

    def _record(self) -> "FetchedLoop | None":
        """What was fetched into this folder; most loops began on this machine."""
        if not (self._where / bus.FETCHED).exists():
            return None
        from loop_kit.adapters.git.fetched_loop import load_record

        return load_record(self._where)
