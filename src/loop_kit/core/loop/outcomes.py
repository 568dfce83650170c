"""The words for where a loop is, who works in it, and how it ended."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Literal

from loop_kit.core.agent.role import Role
from loop_kit.errors import ExitCode


class Phase(StrEnum):
    """What is awaited."""

    IDLE = "idle"
    AWAITING_WORK = "awaiting_work"
    AWAITING_REVIEW = "awaiting_review"
    DONE = "done"
    PAUSED = "paused"


class Outcome(StrEnum):
    """How a loop that is `done` ended."""

    APPROVED = "approved"
    WORKER_TIMEOUT = "worker_timeout"
    REVIEWER_TIMEOUT = "reviewer_timeout"
    WORKER_DISPATCH_FAILED = "worker_dispatch_failed"
    REVIEWER_DISPATCH_FAILED = "reviewer_dispatch_failed"
    INVALID_WORK_REPORT = "invalid_work_report"
    INVALID_REVIEW_REPORT = "invalid_review_report"
    WORKER_NOOP = "worker_noop"
    GIT_COMPARE_FAILED = "git_compare_failed"
    VERIFY_UNAVAILABLE = "verify_unavailable"
    SETUP_FAILED = "setup_failed"
    SANDBOX_UNAVAILABLE = "sandbox_unavailable"
    NEEDS_HUMAN = "needs_human"
    MAX_ROUNDS_EXHAUSTED = "max_rounds_exhausted"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


EXIT_CODES: Mapping[Outcome, ExitCode] = {
    Outcome.APPROVED: ExitCode.OK,
    Outcome.WORKER_TIMEOUT: ExitCode.DISPATCH,
    Outcome.REVIEWER_TIMEOUT: ExitCode.DISPATCH,
    Outcome.WORKER_DISPATCH_FAILED: ExitCode.DISPATCH,
    Outcome.REVIEWER_DISPATCH_FAILED: ExitCode.DISPATCH,
    Outcome.INVALID_WORK_REPORT: ExitCode.VALIDATION,
    Outcome.INVALID_REVIEW_REPORT: ExitCode.VALIDATION,
    Outcome.WORKER_NOOP: ExitCode.VALIDATION,
    Outcome.GIT_COMPARE_FAILED: ExitCode.VALIDATION,
    Outcome.VERIFY_UNAVAILABLE: ExitCode.VALIDATION,
    Outcome.SETUP_FAILED: ExitCode.VALIDATION,
    Outcome.SANDBOX_UNAVAILABLE: ExitCode.VALIDATION,
    Outcome.NEEDS_HUMAN: ExitCode.NEEDS_PERSON,
    Outcome.MAX_ROUNDS_EXHAUSTED: ExitCode.NEEDS_PERSON,
    Outcome.CANCELLED: ExitCode.OK,
    Outcome.INTERRUPTED: ExitCode.INTERRUPTED,
}

DISPATCH_FAILED: Mapping[Role, Outcome] = {
    Role.WORKER: Outcome.WORKER_DISPATCH_FAILED,
    Role.REVIEWER: Outcome.REVIEWER_DISPATCH_FAILED,
}
"""The outcome where the agent of a role cannot be run."""

Feature = Literal["reviews", "checks"]
"""What a loop can do without, where its workflow lacks an event or a permission for it."""

Reason = Literal[
    "stalled",
    "contested",
    "diff_growth",
    "bar",
    "budget",
    "human_push",
    "protected_path",
    "scope",
    "push_refused",
    "conflict",
    "checks",
    "tampered",
    "label_removed",
    "issue_closed",
    "pull_request_closed",
    "pull_request_merged",
    "run_cancelled",
    "run_unknown",
]
"""Why, within an outcome: those from `label_removed` on belong to `cancelled`, those of a run to
`interrupted`, the others to `needs_human`."""


def outcome_anchor(outcome: Outcome, reasons: Sequence[str]) -> str:
    """Where the page about messages explains how a loop ended."""
    is_reason_known = outcome is Outcome.NEEDS_HUMAN and bool(reasons)
    return (reasons[0] if is_reason_known else outcome.value).replace("_", "-")
