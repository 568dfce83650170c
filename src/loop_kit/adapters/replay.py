"""The ports with which several jobs share one loop: one runs the agents, another publishes.

The agents' job pushes nothing, so its store only gathers what happens, for the bundle. In the job
that publishes nothing runs: reports, commits, verification and time come from the bundle. What the
agents' job did not report counts as failed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from loop_kit.adapters.unwatched import Unwatched
from loop_kit.core.ci.bundle import Bundle, BundledPass, Refused
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import (
    AttemptFailed,
    AttemptStarted,
    Event,
)
from loop_kit.core.loop.push_refusal import Place
from loop_kit.core.loop.state import (
    CommandResult,
    LoopState,
    Outcome,
    Role,
    Spent,
    Verification,
)
from loop_kit.core.loop.withholding import Texts
from loop_kit.core.record import clean_text
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import GitFailed
from loop_kit.ports import (
    AgentExit,
    AgentInterrupted,
    Assignment,
    Collected,
    Confinement,
    Reporter,
    SandboxUnavailable,
    SetupFailed,
    Store,
    WorkMoved,
    Workspace,
)


class ReplayedAgent:
    """An agent that ran in another job: delivers the report that this job was handed.

    `spent` is what it cost in its own job. Without a report (None), `interrupted` means that its
    job was stopped before it wrote one. `passes` are its further ones, in order.
    """

    is_program = False

    def __init__(
        self,
        report: str | None,
        spent: Spent,
        *,
        interrupted: bool = False,
        name: str = "replayed",
        passes: Sequence[BundledPass] = (),
    ) -> None:
        self.name = name
        self._passes = passes
        self._report = report
        self._spent = spent
        self._interrupted = interrupted

    def check(self) -> str:
        """A report needs no program."""
        return ""

    def run(self, assignment: Assignment, reporter: Reporter) -> AgentExit:
        """Write the report where the agent would have written it.

        Raises:
            AgentInterrupted: it was, in its own job.
        """
        del reporter
        report, spent, ended = self._report, self._spent, self._report is not None
        if assignment.further:
            made = self._passes[assignment.further - 1 : assignment.further]
            report, ended = (made[0].report if made else None), bool(made)
            spent = made[0].spent.total if made else Spent()
        if report is not None:
            assignment.report.write_bytes(report.encode(errors="replace"))
        elif self._interrupted and not ended:
            raise AgentInterrupted
        return AgentExit(spent=spent)


class ReplayedWorkspace(Unwatched):
    """Where an agent worked: only the commit it left still exists.

    Whether a reviewer changed anything was checked in its own job.
    """

    def __init__(self, path: Path, head: str, notes: tuple[str, ...] = ()) -> None:
        self.path = path
        self._head = head
        self._notes = notes

    def collect(
        self, message: str, named: str | None = None, trailers: Sequence[str] = ()
    ) -> Collected:
        """The head that was handed over; it is in this repository since it was checked."""
        del message, named, trailers
        return Collected(self._head, self._head, self._notes)


class ReplayedWorkspaces:
    """Workspaces that all hold the same head."""

    def __init__(self, path: Path, bundle: Bundle) -> None:
        self._path = path
        self._bundle = bundle
        self._work = bundle.work

    def prepare(self, sha: str) -> None:
        """Report that no workspace could be prepared for the worker, if so.

        Raises:
            SetupFailed: none could be, in its own job.
        """
        del sha
        self._require_prepared(Role.WORKER)

    def open(
        self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "", merges: str = ""
    ) -> Workspace:
        """The workspace that the agent left; a worker that committed nothing left `sha`."""
        del work_sha, merges
        self._require_prepared(role)
        if self._work is None:
            return ReplayedWorkspace(self._path, wip_sha or sha)
        return ReplayedWorkspace(self._path, self._work.head_sha, self._work.notes)

    def _require_prepared(self, role: Role) -> None:
        bundle = self._bundle
        if bundle.outcome is Outcome.SETUP_FAILED and bundle.report(role) is None:
            failed = bundle.failed_setup
            result = CommandResult.model_validate(failed.model_dump()) if failed else None
            raise SetupFailed(bundle.message, "", result)


class ReplayedSandbox:
    """Reports how the programs of the agents' job were confined."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def confinement(self) -> Confinement | None:
        """What that job recorded; None where it did not come to it.

        Raises:
            SandboxUnavailable: they could not be confined as the settings require.
        """
        if self._bundle.outcome is Outcome.SANDBOX_UNAVAILABLE:
            raise SandboxUnavailable(self._bundle.message, "")
        text = one_line(self._bundle.sandbox)
        return Confinement(text) if text else None


class ReplayedVerifier:
    """Reports how the verify commands ended in the agents' job.

    That job owes results for the commits `owed`, and for its work.
    """

    def __init__(self, bundle: Bundle, owed: Collection[str]) -> None:
        self._bundle = bundle
        self._owed = {*owed, bundle.work.head_sha if bundle.work else ""}

    def verify(self, sha: str, commands: Sequence[str], timeout: float) -> Verification:
        """The results for exactly this commit and these commands, else a failure.

        Raises:
            GitFailed: it is a commit that the agents' job did not have to verify.
        """
        del timeout
        reported = self._bundle.verification(sha, commands)
        if reported is not None or not commands:
            return reported or Verification(sha=sha)
        if sha not in self._owed:
            raise GitFailed(f"Nobody has verified {sha[:10]} yet.", "The next job does.")
        missing = "The agents' job reported no result of this command for this commit."
        return Verification(
            sha=sha, results=(CommandResult(command=commands[0], exit_code=1, tail=missing),)
        )


class StoreProxy:
    """Forwards to another store; what a job does differently, a subclass overrides."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def work_tip(self) -> str:
        """Where the work branch was when the state was loaded."""
        return self._store.work_tip

    def load(self) -> LoopState | None:
        """The recorded state, or None when there is no loop yet."""
        return self._store.load()

    def read(self, name: str) -> bytes | None:
        """A bus file as last saved, or None."""
        return self._store.read(name)

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Record one transition."""
        self._store.save(state, event, files)

    def sync(self, work_sha: str = "") -> None:
        """Make everything saved so far durable."""
        self._store.sync(work_sha)

    def limit_time(self, seconds: float) -> None:
        """Let everything from now on end within `seconds`."""
        self._store.limit_time(seconds)

    def commands(self) -> tuple[Command, ...]:
        """The commands of people that nobody has carried out yet."""
        return self._store.commands()

    def keep_aside(self, work_sha: str) -> str:
        """Keep commits that the work branch cannot take; returns the name of their branch."""
        return self._store.keep_aside(work_sha)

    def pack_work(self, work_sha: str, known: str) -> bytes | None:
        """Commits as a file, or None if they are too many bytes."""
        return self._store.pack_work(work_sha, known)

    def holds(self, work_sha: str, known: str) -> bool:
        """Whether the commit is at hand."""
        return self._store.holds(work_sha, known)

    def withhold(self, places: Iterable[Place]) -> Texts:
        """Replace the texts at these places; returns them."""
        return self._store.withhold(places)


class UnpushedStore(StoreProxy):
    """The store of a job that may only read: what is saved stays in memory, for the bundle."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.events: list[Event] = []
        self.refused: list[Refused] = []

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Record one transition and its event."""
        super().save(state, event, files)
        self.events.append(event)
        if isinstance(event, AttemptFailed) and state.attempt is not None:
            for content in filter(None, (files or {}).values()):
                text = clean_text(content.decode("utf-8", "replace"))
                self.refused.append(
                    Refused(role=event.role, attempt=state.attempt.number, text=text)
                )

    def sync(self, work_sha: str = "") -> None:
        """Nothing is made durable; another job does that."""

    def commands(self) -> tuple[Command, ...]:
        """None: the job that pushes the branches reads them."""
        return ()

    def keep_aside(self, work_sha: str) -> str:
        """Nothing is pushed: the commits stay in the repository itself."""
        return work_sha


class LateStore(StoreProxy):
    """A store for which no attempt has to be durable before it: it is paid for already.

    So work and report go out in one push with the first record of their attempt. Commands wait for
    that push too: what was paid for is saved before anybody's command to stop is carried out.
    `files` are saved with the first record.
    """

    def __init__(
        self, store: Store, work_tip: str, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        super().__init__(store)
        self._files = dict(files or {})
        self._work_tip = work_tip
        self._attempts = False
        self._pushed = False
        self._waiting: tuple[Command, ...] = ()

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Record one transition for the next `sync`."""
        self._attempts = isinstance(event, AttemptStarted)
        super().save(state, event, {**self._files, **(files or {})})
        self._files.clear()

    def sync(self, work_sha: str = "") -> None:
        """Push, unless all that is new is that a replayed attempt begins.

        Raises:
            WorkMoved: a person pushed to the work branch while the agents were running.
            PushRejected: another run owns the loop.
        """
        new = work_sha if work_sha != self._work_tip else ""
        if self._attempts and work_sha == self._work_tip:
            return
        if new and self._store.work_tip not in {"", self._work_tip}:
            raise WorkMoved("the work branch was pushed to by somebody else")
        self._store.sync(new)
        self._pushed = True
        self._work_tip = new or self._work_tip

    def commands(self) -> tuple[Command, ...]:
        """The commands of people, once something was pushed."""
        if not self._pushed:
            return ()
        waiting, self._waiting = self._waiting, ()
        return (*waiting, *self._store.commands())

    def waiting(self) -> tuple[Command, ...]:
        """The commands that `commands` will give; they are kept for it."""
        self._waiting += self._store.commands()
        return self._waiting
