"""The attempts of agents, by task and role: their phases by the feed, what they took by the state.

This module is read by a command that must start fast: it imports nothing heavy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loop_kit.adapters.loop_dir.feed_file import events, feed_exists, feed_path
from loop_kit.adapters.loop_dir.loop_folder import loop_folder, repository_root
from loop_kit.core.loop.overview import Spending, spending
from loop_kit.usecases.status import read_state_fields

ATTEMPT_EVENT = "dispatch_phase_metrics"
ANY_ROLE = "all"


@dataclass(slots=True)
class FeedAttempts:
    """The matching events of the feed, counted while they are read once."""

    logs: Path
    task_id: str
    role: str
    count: int = 0

    @property
    def path(self) -> Path:
        """The newest file of the feed."""
        return feed_path(self.logs)

    @property
    def feed_exists(self) -> bool:
        """Whether there is a feed."""
        return feed_exists(self.logs)

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for data in events(self.logs, ATTEMPT_EVENT):
            of_task = not self.task_id or data.get("task_id") == self.task_id
            if of_task and (self.role == ANY_ROLE or data.get("role") == self.role):
                self.count += 1
                yield data


def feed_attempts(cwd: Path, loop_dir: str, task_id: str, role: str) -> FeedAttempts:
    """The attempts of the task, '' for all, and of the role, `ANY_ROLE` for both."""
    logs = loop_folder(repository_root(cwd), loop_dir) / "logs"
    return FeedAttempts(logs, task_id, role)


def spending_by_round(cwd: Path, loop_dir: str, task_id: str, role: str) -> list[Spending]:
    """What each round of the loop took, if it is of that task; a damaged state has no rounds."""
    state = read_state_fields(loop_folder(repository_root(cwd), loop_dir) / "state.json")[0]
    if task_id and state.get("task_id") != task_id:
        return []
    return [each for each in spending(state) if role in {ANY_ROLE, each.role}]
