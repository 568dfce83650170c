"""What is asked about the checks of a commit, and what was answered."""

from loop_kit.core.checks.reading import Check
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.frozen import frozen


@frozen
class ReadChecks:
    """Read the checks of the recorded head: before its next worker, or before it is approved."""

    sha: str
    is_approval: bool


@frozen
class ChecksRead:
    """The checks of the recorded head that count, as they are at the time `at`.

    Attributes:
        required: The names that the rules of the base branch require.
        triggers: Whether what is pushed with the job's token starts checks.
        start_by: Until when an expected check may be started, if the wait for it begins now.
        deadline: Until when an approval may wait for checks, if the wait begins now.
        unread: Why the checks cannot be read, in words; None where they were.
        ignored: Whether this loop does not ask for them.
        base: The base branch, where a rule asks for its tip and the work does not hold it.
    """

    at: str
    checks: tuple[Check, ...] = ()
    required: tuple[str, ...] = ()
    triggers: bool = True
    start_by: str = ""
    deadline: str = ""
    unread: str | None = None
    ignored: bool = False
    base: BaseCompared | None = None
