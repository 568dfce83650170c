"""What a loop remembers of the checks of its heads."""

from loop_kit.core.checks.reading import MAX_NAMES
from loop_kit.core.loop.verification import Sha
from loop_kit.core.record import ExtensibleRecord


class ChecksStatus(ExtensibleRecord):
    """The checks that were seen, and the wait of an approval for them.

    Attributes:
        seen: The names of the checks of the head before: they are expected on this one.
        named: The names of the checks of this head so far, to be expected on the next one.
        named_sha: This head.
        excused: The expected names that stopped the loop for a person: they are not expected again.
        sha: The head whose checks are, or were, waited for.
        start_by: Until when an expected check may be started.
        deadline: When the wait is over.
        triggers: Whether the token of the job that began to wait for this head starts checks.
        reruns: How many workflow runs were run again.
        rerun: Those that the last reading of this head asks to be run again.
        note: Why an approval counts without checks.
        passed: How many passed at the approval.
    """

    seen: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    named_sha: Sha = ""
    excused: tuple[str, ...] = ()
    sha: Sha = ""
    start_by: str = ""
    deadline: str = ""
    triggers: bool = True
    reruns: int = 0
    rerun: tuple[int, ...] = ()
    note: str = ""
    passed: int = 0

    def expected_on(self, sha: str) -> tuple[str, ...]:
        """The names of the checks of the newest head before `sha` that had some."""
        return self.seen if sha == self.named_sha else self.named or self.seen

    def with_names(self, sha: str, names: tuple[str, ...]) -> "ChecksStatus":
        """The status after these were read on `sha`; a new head replaces what is expected."""
        before = self.named if sha == self.named_sha else ()
        named = tuple(dict.fromkeys((*before, *names)))[-MAX_NAMES:]
        changes = {"seen": self.expected_on(sha), "named": named, "named_sha": sha}
        return self.model_copy(update=changes)
