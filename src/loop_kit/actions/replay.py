"""The same engine over a round that another job's agents have done: it judges, and runs nothing."""

from dataclasses import dataclass
from pathlib import Path

from loop_kit import bootstrap
from loop_kit.adapters.agents.replayed import ReplayedAgent
from loop_kit.adapters.git_repository import GitRepository
from loop_kit.adapters.mailbox import FolderMailbox
from loop_kit.adapters.replayed import LateStore, ReplayedVerifier, ReplayedWorkspaces
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.core.bundle import Bundle
from loop_kit.core.messages import AttemptFailed, Failure
from loop_kit.core.state import LoopState, Outcome, Role, Wip
from loop_kit.engine import Engine
from loop_kit.engine.attempt import Dispatcher
from loop_kit.engine.briefing import Briefer
from loop_kit.engine.options import Options
from loop_kit.engine.publisher import Publisher
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.engine.watch import Watch
from loop_kit.engine.worker import WorkerPass
from loop_kit.ports import Clock, Ended, Reporter


@dataclass(frozen=True, slots=True)
class Replay:
    """What is replayed: the bundle, and where the work branch was when the agents began."""

    bundle: Bundle
    work_tip: str

    def engine(
        self,
        ground: bootstrap.Ground,
        parts: bootstrap.Parts,
        reporter: Reporter,
        options: Options,
    ) -> Engine:
        """An engine whose agents, workspaces and verifier tell what the bundle holds."""
        bundle, clock, repository = self.bundle, SystemClock(), GitRepository(ground.git)
        store = LateStore(parts.store, self.work_tip)
        head = bundle.work.head_sha if bundle.work else ""
        workspaces = ReplayedWorkspaces(ground.scratch / "replayed", head)
        verifier = ReplayedVerifier(bundle)
        dispatcher = _Dispatcher(bundle, ground, parts, clock, reporter, options)
        briefer = Briefer(store, repository, parts.guides)
        worker = WorkerPass(dispatcher, workspaces, verifier, repository, store, briefer, options)
        publisher, watch = None, None
        if parts.forge is not None:
            watch = Watch(parts.forge, reporter)
            publisher = Publisher(parts.forge, store, reporter, options, worker.diff)
        return Engine(
            store=store,
            verifier=verifier,
            agents=dispatcher.agents,
            worker=worker,
            reviewer=ReviewerPass(dispatcher, workspaces, repository, store, briefer),
            clock=clock,
            reporter=reporter,
            options=options,
            publisher=publisher,
            watch=watch,
        )


class _Dispatcher(Dispatcher):
    """Says of a report that is missing why it is, as the agents' job told."""

    def __init__(
        self,
        bundle: Bundle,
        ground: bootstrap.Ground,
        parts: bootstrap.Parts,
        clock: Clock,
        reporter: Reporter,
        options: Options,
    ) -> None:
        interrupted = bundle.outcome is Outcome.INTERRUPTED
        self.agents = {
            role: ReplayedAgent(bundle.report(role), bundle.spent.of(role), interrupted=interrupted)
            for role in Role
        }
        self._bundle = bundle
        mailbox = FolderMailbox(ground.mailboxes)
        scratch: Path = ground.scratch
        super().__init__(self.agents, mailbox, parts.guides, clock, reporter, options, scratch)

    def failed(
        self,
        state: LoopState,
        role: Role,
        ended: Ended,
        failure: Failure,
        message: str,
        *,
        work_sha: str = "",
        wip: Wip | None = None,
    ) -> AttemptFailed:
        """The event for an attempt without a usable report; nobody is there to repair it."""
        if failure is Failure.NO_REPORT:
            failure, message = self._bundle.failure(role)
        return super().failed(state, role, ended, failure, message, work_sha=work_sha, wip=wip)
