"""Small builders for the core's tests: a loop at any point of its life in one line each."""

from dataclasses import replace
from typing import Literal

from loop_kit.core.agent.report_values import Decision, DispositionStatus
from loop_kit.core.agent.reports import (
    Disposition,
    ReportedIssue,
    ReviewReport,
    WorkReport,
)
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.checks_read import ChecksRead
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.messages import (
    AttemptFailed,
    AttemptStarted,
    Event,
    Failure,
    Halted,
    LoopResumed,
    PreparationFailed,
    PushWasRefused,
    ReviewReported,
    TaskStarted,
    Work,
    WorkReported,
)
from loop_kit.core.loop.push_refusal import Place, PushRefusal, RefusalKind
from loop_kit.core.loop.state import (
    CommandResult,
    Lease,
    Limits,
    LoopState,
    Outcome,
    Role,
    Rules,
    Spent,
    Verification,
)

AT = "2025-01-02T03:04:05Z"
PEOPLE_READ = ChecksRead(AT, ignored=True)
"""What an approval waits for where checks are ignored: people were read, and want nothing."""
LATER = "2025-01-02T04:00:00Z"
TASK = "T-001"
START = "0" * 40

_OF_REVIEWERS = (
    Failure.TRANSIENT,
    Failure.PERMANENT,
    Failure.DEFERRED,
    Failure.BUDGET,
    Failure.TIMEOUT,
    Failure.NO_REPORT,
    Failure.INVALID_REPORT,
    Failure.VOID_VERDICT,
    Failure.TAMPERED,
)
AGENT_FAILURES = {
    Role.WORKER: tuple(f for f in Failure if f not in {"void_verdict", "stale_session"}),
    **dict.fromkeys((Role.REVIEWER, Role.SECOND_REVIEWER), _OF_REVIEWERS),
}
"""The failures that each role's pass can report."""


def sha(number: int) -> str:
    """A commit id that shows its number."""
    return f"{number:040x}"


def after(state: LoopState, *events: Event) -> LoopState:
    """The state after all these events."""
    for event in events:
        state = transition(state, event)
    return state


def task_started(
    limits: Limits | None = None, *, verify: tuple[str, ...] = (), publishes: bool = False
) -> TaskStarted:
    """The event that begins the loop T-001."""
    return TaskStarted(
        task_id=TASK,
        card_sha256="c" * 64,
        base_sha=START,
        start_sha=START,
        limits=limits or Limits(),
        at=AT,
        verify=verify,
        publishes=publishes,
        base_branch="main",
        work_branch="loop/T-001/work",
    )


def awaiting_work(
    limits: Limits | None = None, *, verify: tuple[str, ...] = (), publishes: bool = False
) -> LoopState:
    """A loop in round 1 that waits for the worker."""
    return after(LoopState(), task_started(limits, verify=verify, publishes=publishes))


def awaiting_review(
    limits: Limits | None = None, *, verification: Verification | None = None
) -> LoopState:
    """A loop in round 1 that waits for the reviewer."""
    return after(awaiting_work(limits), work_reported(1, 1, verification=verification))


def awaiting_second_review(
    mode: Literal["optional", "required"] = "optional", limits: Limits | None = None
) -> LoopState:
    """A loop in round 1 whose reviewer has approved and that waits for the second one."""
    asked = {"second_reviewer": "claude", "second_reviewer_mode": mode}
    wanted = (limits or Limits()).model_copy(update=asked)
    return after(awaiting_review(wanted), approved(1, reviewer="codex"))


def awaiting_pass(
    first: ReviewReported, limits: Limits | None = None, *, passes: int = 1
) -> LoopState:
    """A loop in round 1 whose reviewer has reported `first` and that waits for a further pass."""
    rules = {"passes": {"alone": passes, "with_second": passes}}
    asked = (limits or Limits()).model_copy(update={"rules": Rules.model_validate(rules)})
    return after(awaiting_review(asked), replace(first, takes_passes=True))


def with_checks(state: LoopState) -> LoopState:
    """`state` in a job that posts, where an approval waits for checks."""
    limits = state.limits.model_copy(update={"checks": "findings"})
    lease = Lease(holder="holder-1")
    return state.model_copy(update={"limits": limits, "publishes": True, "lease": lease})


def verified(number: int, *exit_codes: int, tail: str = "") -> Verification:
    """The verification of commit `number`; the nth command ended with the nth exit code."""
    results = tuple(
        CommandResult(command=f"check {n}", exit_code=code, tail=tail if code else "")
        for n, code in enumerate(exit_codes, 1)
    )
    return Verification(sha=sha(number), results=results)


WORK = WorkReport(task_id=TASK, round=1, head_sha=sha(1), notes="did it", files_changed=("a.py",))


def work_reported(
    round_: int,
    number: int,
    *,
    verification: Verification | None = None,
    spent: Spent | None = None,
) -> WorkReported:
    """The worker finished `round_` with commit `number`."""
    return WorkReported(
        report=WorkReport(task_id=TASK, round=round_, head_sha=sha(number), notes="did it"),
        work=Work(head_sha=sha(number), commits=("Do it",), files=1, lines_added=3),
        at=AT,
        spent=spent or Spent(agent_seconds=1),
        verification=verification,
    )


def review(
    round_: int,
    decision: Decision,
    *issues: ReportedIssue,
    dispositions: tuple[Disposition, ...] = (),
) -> ReviewReport:
    """A review report."""
    return ReviewReport(
        task_id=TASK,
        round=round_,
        decision=decision,
        blocking_issues=issues,
        dispositions=dispositions,
    )


def approved(
    round_: int,
    *dispositions: Disposition,
    role: Role = Role.REVIEWER,
    reviewer: str = "",
    spent: Spent | None = None,
) -> ReviewReported:
    """The reviewer approves."""
    report = review(round_, "approve", dispositions=dispositions)
    used = spent or Spent()
    return ReviewReported(report, at=AT, spent=used, role=role, reviewer=reviewer)


def rejected(
    round_: int,
    *issues: ReportedIssue,
    dispositions: tuple[Disposition, ...] = (),
    role: Role = Role.REVIEWER,
    reviewer: str = "",
) -> ReviewReported:
    """The reviewer asks for changes; without `issues` there is one that names its round."""
    wanted = issues or (ReportedIssue(reason=f"wrong in round {round_}"),)
    report = review(round_, "changes_required", *wanted, dispositions=dispositions)
    return ReviewReported(report, at=AT, role=role, reviewer=reviewer)


def without_rules(state: LoopState) -> LoopState:
    """`state` as if no rule had seen anything, so that nothing is folded in its posts."""
    history = tuple(record.model_copy(update={"rules": ()}) for record in state.history)
    return state.model_copy(update={"history": history})


def said(id_: str, status: DispositionStatus, note: str = "") -> Disposition:
    """What the reviewer says about one finding."""
    return Disposition(id=id_, status=status, note=note)


def failed(
    role: Role, failure: Failure, message: str = "it failed", **fields: object
) -> AttemptFailed:
    """An attempt that yielded nothing."""
    return AttemptFailed(role=role, failure=failure, message=message, at=AT, **fields)  # type: ignore[arg-type]


def attempted(role: Role) -> AttemptStarted:
    """An attempt that begins."""
    return AttemptStarted(role, AT)


def halted(outcome: Outcome) -> Halted:
    """The loop is stopped from outside."""
    return Halted(outcome=outcome, error="stopped", at=AT)


def unprepared() -> PreparationFailed:
    """A workspace could not be prepared."""
    failed = CommandResult(command="npm ci", exit_code=1, tail="no lock file")
    return PreparationFailed("`npm ci` failed.", AT, failed)


def unconfined() -> PreparationFailed:
    """Programs cannot be confined as it is required."""
    return PreparationFailed("No room.", AT, outcome=Outcome.SANDBOX_UNAVAILABLE)


def push_refused(
    kind: RefusalKind, onto: str = "", *, of_state: bool = False, kept: bool = False
) -> PushWasRefused:
    refusal = PushRefusal(
        kind=kind,
        branch="loop/T-001/work",
        sentence="The git server refused.",
        remedy="Change the rule.",
        words="GH013: no",
        places=(Place(path="a.py", line=3),),
        of_state=of_state,
    )
    return PushWasRefused(refusal, onto, AT, kept)


def resumed(limits: Limits | None = None, head_sha: str = "") -> LoopResumed:
    """A later run continues."""
    return LoopResumed(limits=limits or Limits(), at=LATER, head_sha=head_sha)


def card(**fields: object) -> TaskCard:
    """A task card; `fields` are added to the two that are required."""
    return TaskCard.model_validate({"task_id": TASK, "goal": "add is right", **fields})
