"""What becomes of an attempt that failed: tried again, sent back once, or the loop's outcome."""

from collections.abc import Mapping

from loop_kit.core.messages import Failure
from loop_kit.core.state import Outcome, Role

RETRIED = {Failure.TRANSIENT}
FORGETTING = {Failure.PERMANENT, Failure.TIMEOUT, Failure.VOID_VERDICT, Failure.HISTORY}
"""After these the conversation is not taken up again: it may be what is broken."""
REPAIRED = {
    Failure.NO_REPORT,
    Failure.INVALID_REPORT,
    Failure.SCOPE,
    Failure.PROTECTED_PATH,
    Failure.VOID_VERDICT,
    Failure.HISTORY,
}

OUTCOMES: Mapping[tuple[Role, Failure], Outcome] = {
    (Role.WORKER, Failure.TRANSIENT): Outcome.WORKER_DISPATCH_FAILED,
    (Role.WORKER, Failure.PERMANENT): Outcome.WORKER_DISPATCH_FAILED,
    (Role.WORKER, Failure.TIMEOUT): Outcome.WORKER_TIMEOUT,
    (Role.WORKER, Failure.NO_REPORT): Outcome.WORKER_DISPATCH_FAILED,
    (Role.WORKER, Failure.INVALID_REPORT): Outcome.INVALID_WORK_REPORT,
    (Role.WORKER, Failure.NOOP): Outcome.WORKER_NOOP,
    (Role.WORKER, Failure.HISTORY): Outcome.GIT_COMPARE_FAILED,
    (Role.WORKER, Failure.SCOPE): Outcome.NEEDS_HUMAN,
    (Role.WORKER, Failure.PROTECTED_PATH): Outcome.NEEDS_HUMAN,
    (Role.REVIEWER, Failure.TRANSIENT): Outcome.REVIEWER_DISPATCH_FAILED,
    (Role.REVIEWER, Failure.PERMANENT): Outcome.REVIEWER_DISPATCH_FAILED,
    (Role.REVIEWER, Failure.TIMEOUT): Outcome.REVIEWER_TIMEOUT,
    (Role.REVIEWER, Failure.NO_REPORT): Outcome.REVIEWER_DISPATCH_FAILED,
    (Role.REVIEWER, Failure.INVALID_REPORT): Outcome.INVALID_REVIEW_REPORT,
    (Role.REVIEWER, Failure.VOID_VERDICT): Outcome.INVALID_REVIEW_REPORT,
}
