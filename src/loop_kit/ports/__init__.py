"""Every kind of outside system that the engine uses, as a Protocol.

Adapters implement these, fakes in the tests implement these, and one contract suite per port is
run against both. The engine knows nothing else outside the core.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Protocol

from loop_kit.core.agent.activity import Activity
from loop_kit.core.agent.diagnosis import Problem
from loop_kit.core.briefing.knowledge import Knowledge
from loop_kit.core.briefing.prompts import Guidance
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import (
    Event,
)
from loop_kit.core.loop.push_refusal import Place, PushRefusal
from loop_kit.core.loop.state import (
    LoopState,
    Role,
    Session,
    Spent,
)
from loop_kit.core.loop.withholding import Texts
from loop_kit.errors import BranchRefused
from loop_kit.frozen import frozen
from loop_kit.ports.base_branch import BaseBranch, Comparison
from loop_kit.ports.forge import Forge, PullRequest
from loop_kit.ports.repository import Diff, Repository, Span
from loop_kit.ports.sandbox import Confinement, Sandbox, SandboxUnavailable
from loop_kit.ports.workspaces import (
    LOST,
    Collected,
    Fingerprint,
    SetupFailed,
    Tampered,
    Verifier,
    Workspace,
    WorkspaceGone,
    Workspaces,
)


class AgentInterrupted(KeyboardInterrupt):
    """The agent was interrupted in the job that ran it, which is not this one."""


class PushRejected(Exception):
    """Somebody else moved a branch of this loop; nothing was pushed."""


class WorkMoved(PushRejected):
    """Somebody pushed to the work branch; the state branch did not move."""


class PushRefused(BranchRefused):
    """The git server refused a push, and will refuse the same one again; nothing was pushed."""

    anchor = "push-refused"

    def __init__(self, refusal: PushRefusal) -> None:
        super().__init__(refusal.sentence, refusal.remedy)
        self.refusal = refusal


@frozen
class Assignment:
    """One attempt as an agent sees it. Times are seconds.

    The report goes to `report`, or to `report_in_workspace` when nothing is there.
    `session` is the conversation to resume, by backends that can. `max_turns` and
    `max_cost_usd` are what is left to spend, for backends that can limit themselves. `environment`
    are the variables of the workspace's own tools. What it prints is added to the file `output`.
    `further` is which further pass of a reviewer it is, 0 for none.
    """

    role: Role
    task_id: str
    round: int
    attempt: int
    base_sha: str
    workspace: Path
    mailbox: Path
    report: Path
    prompt: str
    report_in_workspace: Path | None = None
    timeout: float | None = None
    idle_timeout: float | None = None
    artifact_timeout: float = 90
    session: Session | None = None
    max_turns: int | None = None
    max_cost_usd: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    output: Path | None = None
    further: int = 0


@frozen
class AgentExit:
    """How an agent's process ended; `problem` is the failure that its backend reports, if any.

    Exit code 0 means nothing by itself: an aborted run ends with it too.
    `stderr` is the end of standard error. `tampered` names what the program changed that only the
    runner or a person may change.
    `thread_tokens` are the tokens in and out of the whole conversation, where that is what the
    backend reports, `thread_cached` those that were read before; `spent` is this attempt's alone.
    """

    exit_code: int = 0
    timed_out: str = ""
    problem: Problem | None = None
    session_id: str = ""
    spent: Spent = field(default_factory=Spent)
    thread_tokens: tuple[int, int] | None = None
    thread_cached: int | None = None
    stderr: str = ""
    tampered: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The problem in the backend's words, or ''."""
        return self.problem.message if self.problem else ""


class Reporter(Protocol):
    """Shows a person what happens while the loop runs."""

    def note(self, message: str) -> None:
        """One line that is worth reading."""
        ...

    def warn(self, message: str) -> None:
        """One line that somebody should act on."""
        ...

    def fail(self, message: str) -> None:
        """One line about what must not stay as it is; in a job it is red."""
        ...

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        """One structured event, for the feed."""
        ...

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        """An agent starts; its activity follows."""
        ...

    def activity(self, role: Role, activity: Activity) -> None:
        """One action or message of the agent, raw and untrusted."""
        ...

    def output(self, role: Role, line: str) -> None:
        """One line that the agent printed, raw and untrusted; what it means is an activity."""
        ...

    def end_attempt(self, role: Role, seconds: float, note: str) -> None:
        """The agent has ended."""
        ...


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def now(self) -> str:
        """UTC as YYYY-MM-DDTHH:MM:SSZ."""
        ...

    def later(self, seconds: float) -> str:
        """UTC `seconds` from now, in the same form."""
        ...

    def seconds(self) -> float:
        """A monotonic count of seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Agent(Protocol):
    """A worker or reviewer backend."""

    @property
    def name(self) -> str:
        """The backend's registered name."""
        ...

    @property
    def is_program(self) -> bool:
        """Whether it is a program; a person is asked once and gets no second request."""
        ...

    def check(self) -> str:
        """Why this backend cannot run here, or ''. Asked before anything is spent."""
        ...

    def run(self, assignment: Assignment, reporter: Reporter) -> AgentExit:
        """Run one attempt to its end; nothing it started is alive afterwards."""
        ...


class Guides(Protocol):
    """The trusted texts that steer agents."""

    def guidance(self, role: Role) -> Guidance:
        """Template, role document and AGENTS.md for one role."""
        ...

    def knowledge(self) -> Knowledge:
        """What people wrote down and earlier reviews found about this repository."""
        ...


class Store(Protocol):
    """Where the state and the file bus outlive a process."""

    @property
    def work_tip(self) -> str:
        """Where the work branch was when the state was loaded; '' when there is no remote."""
        ...

    def load(self) -> LoopState | None:
        """The recorded state, or None when there is no loop yet.

        Raises:
            StateRefused: what is recorded cannot be read.
        """
        ...

    def read(self, name: str) -> bytes | None:
        """A bus file, or None."""
        ...

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Record one transition with the bus files it changes (None removes one)."""
        ...

    def sync(self, work_sha: str = "") -> None:
        """Make everything saved so far durable, and the work branch `work_sha`, in one step.

        Raises:
            PushRejected: another run owns the loop now; nothing was recorded.
            WorkMoved: a person pushed to the work branch; nothing was recorded.
            PushRefused: the git server refuses; nothing was recorded.
        """
        ...

    def limit_time(self, seconds: float) -> None:
        """Let everything from now on end within `seconds`; what takes longer fails."""
        ...

    def pack_work(self, work_sha: str, known: str) -> bytes | None:
        """The commits from `known` to `work_sha` as a file, or None if they are too many bytes."""
        ...

    def holds(self, work_sha: str, known: str) -> bool:
        """Whether the commit, which builds on `known`, is at hand; saved ones are taken up."""
        ...

    def withhold(self, places: Iterable[Place]) -> Texts:
        """Replace the texts at these places of what is not durable yet; returns those texts."""
        ...

    def commands(self) -> tuple[Command, ...]:
        """The commands of people that were not carried out yet, oldest first.

        As known since the state was loaded, or since a push found that somebody wrote meanwhile.
        """
        ...

    def keep_aside(self, work_sha: str) -> str:
        """Keep commits that the work branch cannot accept on another branch; returns its name."""
        ...


class Record(Protocol):
    """What is kept of each attempt, for people; nothing is decided by it."""

    def output_file(self, state: LoopState, role: Role, round_: int, attempt: int) -> Path | None:
        """Where the output of an attempt goes; None where it is not kept."""
        ...

    def keep(
        self, state: LoopState, role: Role, round_: int, attempt: int, name: str, content: bytes
    ) -> None:
        """Keep a file of an attempt; it never fails."""
        ...


class NoRecord:
    """Keeps nothing."""

    def output_file(self, state: LoopState, role: Role, round_: int, attempt: int) -> Path | None:
        """Nowhere."""
        del state, role, round_, attempt
        return None

    def keep(
        self, state: LoopState, role: Role, round_: int, attempt: int, name: str, content: bytes
    ) -> None:
        """Nothing."""


@frozen
class Delivery:
    """One attempt's mailbox: the folder with the agent's input, and where its report goes.

    `in_workspace` is where agents made for agent-task-runner write it.
    """

    folder: Path
    report: Path
    in_workspace: Path | None = None


class Mailbox(Protocol):
    """The file bus that an agent sees."""

    def post(
        self,
        role: Role,
        round_: int,
        attempt: int,
        files: Mapping[str, bytes | Path],
        workspace: Workspace | None = None,
    ) -> Delivery:
        """A fresh folder with `files`, which are in `.loop/` of `workspace` too."""
        ...

    def collect(self, delivery: Delivery) -> bytes | None:
        """The report, or None if there is none.

        Raises:
            ReportInvalid: it is there and no regular file of a sane size.
        """
        ...

    def discard(self, delivery: Delivery) -> None:
        """Remove the folder; a process left behind finds nothing to write to."""
        ...


__all__ = [
    "LOST",
    "Agent",
    "AgentInterrupted",
    "BaseBranch",
    "Clock",
    "Collected",
    "Comparison",
    "Confinement",
    "Delivery",
    "Diff",
    "Ended",
    "Fingerprint",
    "Forge",
    "Guides",
    "Job",
    "Mailbox",
    "NoRecord",
    "PullRequest",
    "PushRejected",
    "Record",
    "Reporter",
    "Repository",
    "Sandbox",
    "SandboxUnavailable",
    "SetupFailed",
    "Span",
    "Store",
    "Tampered",
    "Verifier",
    "WorkMoved",
    "Workspace",
    "WorkspaceGone",
    "Workspaces",
]
