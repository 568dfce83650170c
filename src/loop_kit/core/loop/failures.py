"""What becomes of an attempt that failed: tried again, sent back once, or the loop's outcome."""

from collections.abc import Mapping

from loop_kit.core.agent.diagnosis import UNFINISHED, Problem, ProblemKind, remedy
from loop_kit.core.loop.messages import (
    Failure,
)
from loop_kit.core.loop.policy import backoff
from loop_kit.core.loop.state import LoopState, Outcome, Role

RETRIED = {Failure.TRANSIENT}
DROPS_SESSION = {
    *(Failure.PERMANENT, Failure.TIMEOUT, Failure.VOID_VERDICT, Failure.HISTORY),
    Failure.TAMPERED,
}
"""After these the session is not resumed: it may be what is broken."""
REPAIRED = {
    Failure.NO_REPORT,
    Failure.INVALID_REPORT,
    Failure.SCOPE,
    Failure.PROTECTED_PATH,
    Failure.SECRET,
    Failure.VOID_VERDICT,
    Failure.HISTORY,
    Failure.UNFINISHED,
}

OUTCOMES: Mapping[tuple[Role, Failure], Outcome] = {
    (Role.WORKER, Failure.TRANSIENT): Outcome.WORKER_DISPATCH_FAILED,
    (Role.WORKER, Failure.PERMANENT): Outcome.WORKER_DISPATCH_FAILED,
    (Role.WORKER, Failure.DEFERRED): Outcome.WORKER_DISPATCH_FAILED,
    (Role.WORKER, Failure.BUDGET): Outcome.NEEDS_HUMAN,
    (Role.WORKER, Failure.TIMEOUT): Outcome.WORKER_TIMEOUT,
    (Role.WORKER, Failure.NO_REPORT): Outcome.WORKER_DISPATCH_FAILED,
    (Role.WORKER, Failure.INVALID_REPORT): Outcome.INVALID_WORK_REPORT,
    (Role.WORKER, Failure.NOOP): Outcome.WORKER_NOOP,
    (Role.WORKER, Failure.HISTORY): Outcome.GIT_COMPARE_FAILED,
    (Role.WORKER, Failure.UNFINISHED): Outcome.GIT_COMPARE_FAILED,
    (Role.WORKER, Failure.SCOPE): Outcome.NEEDS_HUMAN,
    (Role.WORKER, Failure.PROTECTED_PATH): Outcome.NEEDS_HUMAN,
    (Role.WORKER, Failure.TAMPERED): Outcome.NEEDS_HUMAN,
    (Role.WORKER, Failure.SECRET): Outcome.NEEDS_HUMAN,
    (Role.REVIEWER, Failure.TRANSIENT): Outcome.REVIEWER_DISPATCH_FAILED,
    (Role.REVIEWER, Failure.PERMANENT): Outcome.REVIEWER_DISPATCH_FAILED,
    (Role.REVIEWER, Failure.DEFERRED): Outcome.REVIEWER_DISPATCH_FAILED,
    (Role.REVIEWER, Failure.BUDGET): Outcome.NEEDS_HUMAN,
    (Role.REVIEWER, Failure.TIMEOUT): Outcome.REVIEWER_TIMEOUT,
    (Role.REVIEWER, Failure.NO_REPORT): Outcome.REVIEWER_DISPATCH_FAILED,
    (Role.REVIEWER, Failure.INVALID_REPORT): Outcome.INVALID_REVIEW_REPORT,
    (Role.REVIEWER, Failure.VOID_VERDICT): Outcome.INVALID_REVIEW_REPORT,
    (Role.REVIEWER, Failure.TAMPERED): Outcome.NEEDS_HUMAN,
}


def process_failure(
    exit_code: int, timed_out: str, problem: Problem | None, *, resumed: bool
) -> Failure | None:
    """The failure of the agent's own process, which left no report that can be used.

    None when the process is not to blame, or did not finish what it can be asked to finish; then
    what the report lacks is the failure. `resumed` says that it resumed a session: one that is
    unknown or has become too long is replaced by a new one.
    """
    kind = problem.kind if problem else None
    if resumed and kind is ProblemKind.INVALID_SESSION:
        return Failure.STALE_SESSION
    if timed_out:
        return Failure.TIMEOUT
    if resumed and kind is ProblemKind.CONTEXT_LENGTH:
        return Failure.STALE_SESSION
    if kind in UNFINISHED or (problem is None and exit_code == 0):
        return None
    if kind is ProblemKind.LIMIT:
        return Failure.BUDGET
    return Failure.PERMANENT if problem is not None and problem.is_permanent else Failure.TRANSIENT


def next_pause(state: LoopState, role: Role, asked: float | None) -> float:
    """Seconds until the next attempt, if this one is tried again: `asked`, or the usual backoff."""
    last = state.attempt
    retries = last.retries if last is not None and last.role is role else 0
    return max(asked or 0, backoff(state.limits.dispatch_retry_base_sec, retries + 1))


def explain_failure(
    backend: str,
    role: Role,
    exit_code: int,
    problem: Problem | None,
    failure: Failure,
    *,
    in_ci: bool = False,
) -> str:
    """A failed process in sentences: how it ended, what it said, and what to do about it."""
    kind = problem.kind if problem else ProblemKind.UNKNOWN
    named = "" if kind is ProblemKind.UNKNOWN else f"{kind.value.replace('_', ' ')}, "
    severity = "a permanent error, not retrying" if failure is Failure.PERMANENT else "an error"
    how = f"{backend} ended with {severity} ({named}exit code {exit_code})"
    quoted = _quote(problem)
    sentence = f"{how}: {quoted}" if quoted else how
    return f"{sentence.rstrip('.')}. {remedy(kind, backend, role.value, in_ci=in_ci)}"


def explain_timeout(timed_out: str, backend: str, problem: Problem | None) -> str:
    """A timeout, with what the backend was waiting for where it said so."""
    if problem is None or not problem.message:
        return timed_out
    return f"{timed_out.rstrip('.')}. Before that, {backend} said: {problem.message}"


def explain_unfinished(
    message: str, backend: str, role: Role, problem: Problem | None, *, in_ci: bool = False
) -> str:
    """What a report lacks, with why the agent did not finish where its backend says so."""
    if problem is None or problem.kind not in UNFINISHED:
        return message
    how = f"{message.rstrip('.')}: {problem.message}".rstrip(".")
    return f"{how}. {remedy(problem.kind, backend, role.value, in_ci=in_ci)}"


def _quote(problem: Problem | None) -> str:
    if problem is None:
        return ""
    if problem.kind is not ProblemKind.REFUSAL:
        return problem.message
    message = f", and said: {problem.message}" if problem.message else ""
    return f"the model refused{message}"
