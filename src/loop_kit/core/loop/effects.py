"""What to do next: the effects that a state asks for, in the imperative."""

from loop_kit.core.loop.base_branch import CompareBase
from loop_kit.core.loop.checks_read import ReadChecks
from loop_kit.core.loop.state import OutboxItem, Outcome, Reason, Role, Session
from loop_kit.frozen import frozen


@frozen
class Prepare:
    """Prepare a workspace at `sha` on this machine, before anything is spent."""

    sha: str


@frozen
class Verify:
    """Run the verify commands: at the base before anything is spent, or at a head not seen yet."""

    sha: str
    at_base: bool


@frozen
class RunAgent:
    """Run one attempt; wait `delay` seconds first; `feedback` quotes why the last one failed.

    `session` is the one to resume; `rotated` says that there was one, too old.
    An attempt that is `claimed` is recorded as started already.
    """

    role: Role
    round: int
    attempt: int
    delay: float = 0
    feedback: str = ""
    repairs_report: bool = False
    work_sha: str = ""
    session: Session | None = None
    rotated: bool = False
    claimed: bool = False


@frozen
class SkipSecondReview:
    """Do without the second review, because of `why`."""

    why: str


@frozen
class SkipPass:
    """Do without the further pass that is due, because of `why`."""

    why: str


@frozen
class Claim:
    """Record the start of this attempt and make it durable, with the lease, before anything long.

    Whoever comments or comes second meanwhile finds a loop that a run is working on.
    """

    attempt: RunAgent


@frozen
class Publish:
    """Make these posts exist; look first for one that another run may have made."""

    items: tuple[OutboxItem, ...]


@frozen
class Stop:
    """End the loop with this outcome; `error` says why in a sentence."""

    outcome: Outcome
    error: str
    reasons: tuple[Reason, ...] = ()


@frozen
class HandOver:
    """Release the lease, and ask for the job that runs the round `continue_to`, if there is one."""

    continue_to: int | None


Effect = (
    Publish
    | Stop
    | SkipSecondReview
    | SkipPass
    | ReadChecks
    | Claim
    | Prepare
    | CompareBase
    | Verify
    | RunAgent
)
