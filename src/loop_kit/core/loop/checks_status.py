"""What a loop remembers of the checks of its heads."""

from loop_kit.core.loop.verification import Sha
from loop_kit.core.record import ExtensibleRecord


class ChecksStatus(ExtensibleRecord):
    """The checks that were seen, and the wait of an approval for them.

    Attributes:
        seen: The names of the checks of every head so far: they are expected on the next one.
        sha: The head whose checks are, or were, waited for.
        start_by: Until when an expected check may be started.
        deadline: When the wait is over.
        reruns: How many workflow runs were run again.
        rerun: Those that the last reading of this head asks to be run again.
        note: Why an approval counts without checks.
        passed: How many passed at the approval.
    """

    seen: tuple[str, ...] = ()
    sha: Sha = ""
    start_by: str = ""
    deadline: str = ""
    reruns: int = 0
    rerun: tuple[int, ...] = ()
    note: str = ""
    passed: int = 0
