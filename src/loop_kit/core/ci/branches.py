"""The branches of one loop, under one prefix, so that one branch rule covers them all."""

import re

from loop_kit.core.card.task import check_task_id
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

_NUMBERED = late_pattern(r"(?:issue|pr)-([1-9][0-9]{0,9})")
_RESERVED = late_pattern(r"(?:issue|pr)-[0-9]+", re.ASCII | re.IGNORECASE)


@frozen
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


def number_of(task_id: str) -> int | None:
    """The number of the issue or pull request that a task id was made from; None for any other."""
    found = _NUMBERED.fullmatch(task_id)
    return int(found[1]) if found else None


def is_reserved(task_id: str) -> bool:
    """Whether a task id has the form of those that are made from a number, in any letter case.

    On some disks `Issue-7` is `issue-7`, and people read them as one.
    """
    return bool(_RESERVED.fullmatch(task_id))


def task_of(branch: str, prefix: str) -> str:
    """The task id in the name of a work branch under `prefix`; '' for any other branch."""
    task_id = branch.removeprefix(f"{prefix}/").removesuffix("/work")
    try:
        is_work = Branches(prefix, check_task_id(task_id)).work == branch
    except ValueError:
        return ""
    return task_id if is_work else ""
