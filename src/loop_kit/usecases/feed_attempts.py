"""The attempts of agents that the feed records, by task and role.

This module is read by a command that must start fast: it imports nothing heavy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loop_kit.adapters.loop_dir.feed_file import events

ATTEMPT_EVENT = "dispatch_phase_metrics"
ANY_ROLE = "all"


@dataclass(slots=True)
class FeedAttempts:
    """The matching events of the feed, counted while they are read once."""

    logs: Path
    task_id: str
    role: str
    count: int = 0

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for data in events(self.logs, ATTEMPT_EVENT):
            of_task = not self.task_id or data.get("task_id") == self.task_id
            if of_task and (self.role == ANY_ROLE or data.get("role") == self.role):
                self.count += 1
                yield data
