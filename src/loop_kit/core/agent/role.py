"""Who runs in an attempt."""

from enum import StrEnum


class Role(StrEnum):
    """The two agents of a round."""

    WORKER = "worker"
    REVIEWER = "reviewer"
