"""The branches of one loop, under one prefix, so that one branch rule covers them all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches of one loop; `own_work` is the head of the pull request that it works on."""

    prefix: str
    task_id: str
    own_work: str = ""

    @property
    def work(self) -> str:
        """The worker's commits; the pull request's head."""
        return self.own_work or f"{self.prefix}/{self.task_id}/work"

    @property
    def state(self) -> str:
        """The orphan branch that holds the file bus."""
        return f"{self.prefix}/{self.task_id}/state"
