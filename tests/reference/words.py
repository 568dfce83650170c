"""What the reference says in its own words, and how it groups the inputs: a test finds it whole."""

from __future__ import annotations

from loop_kit.core.loop.outcomes import Outcome
from loop_kit.errors import ExitCode

GROUPS = {
    "What to work on": (
        *("task", "task-id", "issue", "pull-request", "round", "expected-state"),
        *("base-branch", "base-branches", "branch-prefix", "trigger-label", "allowed-bots"),
    ),
    "Who works": (
        *("worker-backend", "reviewer-backend", "worker-model", "reviewer-model"),
        *("worker-args", "reviewer-args", "worker-command", "reviewer-command"),
        *("second-reviewer", "second-reviewer-mode", "max-turns"),
    ),
    "Keys and tokens": (
        *("openai-api-key", "anthropic-api-key", "claude-code-oauth-token"),
        *("github-token", "reviewer-token"),
    ),
    "Limits and money": (
        *("max-rounds", "max-minutes", "max-tokens", "max-cost-usd", "max-diff-growth"),
        *("max-minutes-ceiling", "max-tokens-ceiling", "max-cost-usd-ceiling", "max-dispatches"),
        *("round-timeout-minutes", "dispatch-timeout", "idle-timeout", "dispatch-retries"),
        "artifact-timeout",
    ),
    "What an approval needs": (
        *("verify", "verify-from", "verify-timeout", "scope", "evidence"),
        *("checks", "checks-timeout", "update-branch", "on-approved", "draft", "sign-off"),
    ),
    "Where agents work": (
        *("workspace-setup", "workspace-include", "setup-env", "workspace-root"),
        *("sandbox", "network", "verify-network", "agent-env", "isolation"),
    ),
    "How the job runs": (
        *("continue", "continue-workflow", "phase", "record", "on-event", "fail-on"),
        *("dry-run", "loop-kit-args"),
    ),
}

NOT_OF_THE_REUSABLE = {
    ("task", "task-id", "issue", "pull-request", "round", "expected-state"): "what started the"
    " calling workflow has them",
    ("worker-backend",): "it is named `backend`",
    ("openai-api-key", "anthropic-api-key", "claude-code-oauth-token"): "they are secrets of those"
    " names",
    ("github-token", "reviewer-token"): "give the ids and keys of Apps instead, as tokens end"
    " within the hour",
    ("phase", "continue", "continue-workflow"): "its three jobs are the phases, and a next round is"
    " always a dispatch of the calling file",
    ("trigger-label", "branch-prefix"): "the condition of its first job names `loop`",
    ("round-timeout-minutes",): "the time limits of its jobs are made for 90 minutes",
    ("isolation",): "it is deprecated",
}
"""The action's inputs that the reusable workflow does not take, and why."""

NO_INPUT = {
    "allow_dirty": "Run from HEAD although there are uncommitted changes; agents do not see them.",
    "apply": "approved or never: fast-forward your branch to approved work.",
    "auto_dispatch": "Start the backends, or wait for people who write the reports.",
    "backend_preference": "Backends, the first one installed of which takes a role without a"
    " named backend.",
    "dispatch_backend": "native, the only choice; agent-task-runner has this setting.",
    "dispatch_retry_base_sec": "Seconds before the first retry of a call; doubled each time.",
    "heartbeat_ttl": "Seconds after which the heartbeat of a person or program is stale.",
    "max_leftovers": "New files that are committed for a worker; 0 means no limit.",
    "max_session_rounds": "Rounds for which an agent's session is used again on a laptop; 0 means"
    " no limit.",
    "require_heartbeat": "Wait only for people whose heartbeat is fresh.",
    "rules": "The thresholds of the [rules](rules.md#settings).",
    "shared_caches": "Folders that all programs may change for good.",
    "structured_output": "Ask codex and claude for their report as a structured answer too.",
    "timeout": "Seconds to wait for a person's report; 0 means a day.",
    "verbose": "Print whole lines of what agents do.",
}

SWEEP = "the sweep, or a person"
PERSON = "a person"
OUTCOMES = {
    Outcome.APPROVED: ("a reviewer approved, and every rule let the approval count", "nobody"),
    Outcome.WORKER_TIMEOUT: ("the worker ran out of time", PERSON),
    Outcome.REVIEWER_TIMEOUT: ("the reviewer ran out of time", PERSON),
    Outcome.WORKER_DISPATCH_FAILED: ("the worker could not be run", PERSON),
    Outcome.REVIEWER_DISPATCH_FAILED: ("the reviewer could not be run", PERSON),
    Outcome.INVALID_WORK_REPORT: ("the worker's report could not be used, twice", PERSON),
    Outcome.INVALID_REVIEW_REPORT: ("the reviewer's report could not be used, twice", PERSON),
    Outcome.WORKER_NOOP: ("the worker changed nothing, though something was to be done", PERSON),
    Outcome.GIT_COMPARE_FAILED: ("the worker's commits do not follow those before", PERSON),
    Outcome.VERIFY_UNAVAILABLE: ("a verify command cannot run even before any work", PERSON),
    Outcome.SETUP_FAILED: ("a command of `workspace-setup` failed", PERSON),
    Outcome.SANDBOX_UNAVAILABLE: ("`sandbox: required`, and none can be had here", PERSON),
    Outcome.NEEDS_HUMAN: ("a rule found a question that only a person can answer", PERSON),
    Outcome.MAX_ROUNDS_EXHAUSTED: ("all rounds are used and findings are open", PERSON),
    Outcome.CANCELLED: ("a person stopped it, or closed what it works on", PERSON),
    Outcome.INTERRUPTED: ("its process or job ended before the round did", SWEEP),
}
"""What each outcome means, and who continues a loop that has it."""

REASONS = {
    "label_removed": ("cancelled", "the trigger label was taken off"),
    "issue_closed": ("cancelled", "its issue was closed"),
    "pull_request_closed": ("cancelled", "its pull request was closed"),
    "pull_request_merged": ("cancelled", "its pull request was merged meanwhile"),
    "run_cancelled": ("interrupted", "a person cancelled the job: it waits for one"),
    "run_unknown": ("interrupted", "how the job ended cannot be read: it waits for a person"),
}
"""The outcome that each reason belongs to, and what it means; those of `needs_human` are rules."""

_EXITS = {
    ExitCode.OK: "approved, or stopped on purpose; or a single round ended and another follows",
    ExitCode.GENERAL: "no repository, a bad git reference, a disk that cannot be written, or a bug"
    " (the message says so)",
    ExitCode.DISPATCH: "an agent could not be run, or ran out of time; also a wrong flag",
    ExitCode.VALIDATION: "a card, a setting or a report is invalid; a workspace, a verify command"
    " or the required sandbox could not be had; the worker changed nothing",
    ExitCode.DIRTY: "uncommitted changes",
    ExitCode.STATE: "another run is active, or the recorded state does not match",
    ExitCode.REFUSED: "the git server or GitHub refused",
    ExitCode.NEEDS_PERSON: "a person is needed: rounds or budget used up, or one of [these"
    " reasons](rules.md#when-the-loop-stops-for-a-person)",
    ExitCode.INTERRUPTED: "interrupted: the first ^C or SIGTERM saves what there is, more of them"
    " change nothing",
}


def exit_meaning(code: ExitCode) -> str:
    """What `code` says to a script."""
    return _EXITS[code]
