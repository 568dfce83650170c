"""Who runs in an attempt."""

from enum import StrEnum


class Role(StrEnum):
    """The agents of a round; a second reviewer is asked only before an approval."""

    WORKER = "worker"
    REVIEWER = "reviewer"
    SECOND_REVIEWER = "second_reviewer"

    @property
    def job(self) -> "Role":
        """The job that it does: both reviewers do the same, with files of their own."""
        return Role.REVIEWER if self is Role.SECOND_REVIEWER else self

    @property
    def words(self) -> str:
        """Its name in a sentence."""
        return self.value.replace("_", " ")
