"""What happened: the events of a loop, in the past tense. What to do next is in `effects`."""

from dataclasses import field
from enum import StrEnum

from loop_kit.core.agent.reports import ReviewReport, WorkReport
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.core.loop.checks_read import ChecksRead
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.conversation import PeopleRead
from loop_kit.core.loop.push_refusal import HeldWork, PushRefusal
from loop_kit.core.loop.state import (
    CommandResult,
    Growth,
    Lease,
    Limits,
    OutboxItem,
    Outcome,
    Reason,
    Role,
    Session,
    Source,
    Spent,
    Verification,
    Wip,
)
from loop_kit.frozen import frozen


class Failure(StrEnum):
    """Why an attempt yielded nothing that can be used.

    `deferred` may pass, but not before this run is over; `budget` is one of the backend's own.
    """

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    DEFERRED = "deferred"
    BUDGET = "budget"
    TIMEOUT = "timeout"
    NO_REPORT = "no_report"
    INVALID_REPORT = "invalid_report"
    NOOP = "noop"
    HISTORY = "history"
    UNFINISHED = "unfinished"
    SCOPE = "scope"
    PROTECTED_PATH = "protected_path"
    SECRET = "secret"  # noqa: S105
    VOID_VERDICT = "void_verdict"
    STALE_SESSION = "stale_session"
    TAMPERED = "tampered"


@frozen
class Work:
    """What git says that the worker did: `commits` are one-line subjects, newest first.

    `notes` are sentences about what it left that is not in them. `growth` is of the whole change up
    to this head; `restores` are the files where this fix takes back what the last one did,
    and `restores_again` those where it does so with the lines with which the last one did.
    `diff_base` is the commit that it was compared with.
    """

    head_sha: str
    commits: tuple[str, ...] = ()
    files: int = 0
    lines_added: int = 0
    lines_deleted: int = 0
    notes: tuple[str, ...] = ()
    growth: Growth | None = None
    restores: tuple[str, ...] = ()
    restores_again: tuple[str, ...] = ()
    diff_base: str = ""


@frozen
class TaskStarted:
    """A loop begins at `start_sha`; `publishes` when there is a forge to post to."""

    task_id: str
    card_sha256: str
    base_sha: str
    start_sha: str
    limits: Limits
    at: str
    verify: tuple[str, ...] = ()
    source: Source = field(default_factory=Source)
    starter: str = ""
    publishes: bool = False
    base_branch: str = ""
    work_branch: str = ""
    state_branch: str = ""
    pull_request_url: str = ""


@frozen
class LoopResumed:
    """A person, or the next job, continues with these limits.

    `head_sha` is set when a person's own push to the work branch is accepted as the new head.
    `starter` is that person, whose permission counts from now on, or ''.
    `run_lost` says that the run before did not end by itself, and no person ended it.
    `verify` are the commands for a state that cannot have any: one of agent-task-runner; with a
    `card`, which counts instead of the recorded one, they are those that belong to it.
    """

    limits: Limits
    at: str
    head_sha: str = ""
    starter: str = ""
    verify: tuple[str, ...] = ()
    run_lost: bool = False
    card: TaskCard | None = None


@frozen
class LeaseTaken:
    """This run owns the loop from here; `lost` if a run that left a lease behind died."""

    lease: Lease
    lost: bool = True


@frozen
class SandboxChosen:
    """How the programs of this run are confined, in words."""

    sandbox: str


@frozen
class PreparationFailed:
    """Nothing can be run as it was asked for, so no agent was started.

    `result` is the command that could not prepare a workspace, if it was one.
    """

    error: str
    at: str
    result: CommandResult | None = None
    outcome: Outcome = Outcome.SETUP_FAILED


@frozen
class BaseVerified:
    """The verify commands ran at the commit where the work starts."""

    verification: Verification
    at: str


@frozen
class HeadVerified:
    """The verify commands ran at a head that no worker reported: a person pushed it."""

    verification: Verification


@frozen
class AttemptStarted:
    """An agent is about to be paid."""

    role: Role
    at: str


@frozen
class AttemptFailed:
    """The attempt ended without a usable result.

    `wip` is what it committed and may stay; `work_sha` what it has to fix before that.
    `session` is the one in which the agent can be asked to fix it. `retry_after` is
    how many seconds the backend asked to wait. `refused_diff` shows a change that is out of scope.
    `further` is as in `ReviewReported`.
    """

    role: Role
    failure: Failure
    message: str
    at: str
    spent: Spent = field(default_factory=Spent)
    repairable: bool = True
    work_sha: str = ""
    wip: Wip | None = None
    session: Session | None = None
    retry_after: float | None = None
    refused_diff: str = ""
    further: int = 0


@frozen
class WorkReported:
    """The worker's commits passed every check."""

    report: WorkReport
    work: Work
    at: str
    spent: Spent = field(default_factory=Spent)
    verification: Verification | None = None
    session: Session | None = None


@frozen
class ReviewReported:
    """The verdict of a reviewer is valid and its workspace untouched.

    `provenance` says where the line of each of its blocking issues comes from, in their order.
    `reviewer` is its backend, with the model after a colon where one is set. `is_repeatable` says
    that a program gave it, which can be asked again in this round. `base` is seen at an approval.
    `takes_passes` says that no person gave it. `further` is which further pass it is, 0 for none.
    """

    report: ReviewReport
    at: str
    spent: Spent = field(default_factory=Spent)
    session: Session | None = None
    provenance: tuple[str, ...] = ()
    role: Role = Role.REVIEWER
    reviewer: str = ""
    is_repeatable: bool = False
    base: BaseCompared | None = None
    takes_passes: bool = False
    further: int = 0


@frozen
class PassSkipped:
    """What `role` has reported counts without the further pass that is due, because of `why`."""

    role: Role
    why: str
    at: str


@frozen
class SecondReviewSkipped:
    """The approval of the first reviewer counts alone, because of `why`."""

    why: str
    at: str


@frozen
class Halted:
    """The loop stops here, and may be continued at the same phase, from `wip` if there is some.

    `interrupted_run` is the lease of the run that was interrupted: who did that is not known yet.
    """

    outcome: Outcome
    error: str
    at: str
    reasons: tuple[Reason, ...] = ()
    wip: Wip | None = None
    interrupted_run: Lease | None = None
    held: HeldWork | None = None


@frozen
class PushWasRefused:
    """The git server refused a push; the work branch is at `onto`, '' if it is missing.

    `kept` says that the commits are saved beside the state.
    """

    refusal: PushRefusal
    onto: str
    at: str
    kept: bool = False


@frozen
class MergeLeftOut:
    """The work branch cannot take the merge of the base branch into approved work."""

    why: str


@frozen
class Published:
    """A post exists now (`done`), or will never (`refused`)."""

    item: OutboxItem
    pull_request: int | None = None
    pull_request_url: str = ""


@frozen
class Commanded:
    """The lease holder has read a command that a person gave in a comment.

    `limits` are the operator's now, where the run that reads it knows them.
    """

    command: Command
    at: str
    limits: Limits | None = None


@frozen
class HandedOver:
    """The run ends and releases its lease; `continue_to` is the round it asks to be dispatched.

    `spent` was paid for in another job and came to nothing.
    """

    continue_to: int | None
    spent: Spent | None = None


Event = (
    TaskStarted
    | LoopResumed
    | LeaseTaken
    | SandboxChosen
    | PreparationFailed
    | BaseVerified
    | BaseCompared
    | HeadVerified
    | AttemptStarted
    | AttemptFailed
    | WorkReported
    | ReviewReported
    | PassSkipped
    | SecondReviewSkipped
    | ChecksRead
    | Halted
    | PushWasRefused
    | MergeLeftOut
    | Published
    | Commanded
    | PeopleRead
    | HandedOver
)
