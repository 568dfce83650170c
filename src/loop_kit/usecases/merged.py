"""Whether a task is merged, as the forge has it: one request."""

from loop_kit.core.ci.branches import Branches
from loop_kit.ports.forge import Forge

_MAX_DIGITS = 9


def is_task_merged(forge: Forge, branch_prefix: str, task_id: str) -> bool:
    """Whether the pull request of a task is merged.

    A task that began with a pull request (`pr-<n>`) has that one; the pull request of any other
    task is the newest one of its work branch.
    """
    kind, _, number = task_id.partition("-")
    if kind == "pr" and number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS:
        return is_pull_merged(forge, int(number))
    pull = forge.newest_pull(Branches(branch_prefix, task_id).work)
    return pull is not None and pull.merged


def is_pull_merged(forge: Forge, number: int) -> bool:
    """Whether the pull request of that number is merged."""
    return bool(forge.open_status(None, number).pull_merged)
