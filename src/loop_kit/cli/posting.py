"""Makes on a laptop the posts of a loop that is brought back, by the engine of the jobs.

It runs no agent and no command of the card: where something is to be verified first, the posts are
left for the next job. The lease that it takes has no run that the API could tell about, so it holds
for a few minutes only.
"""

import secrets
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from loop_kit import bootstrap
from loop_kit.adapters.console import ConsoleReporter
from loop_kit.adapters.feed import FeedReporter, Tee
from loop_kit.adapters.git import Git, Identity, authorization
from loop_kit.adapters.git_repository import GitRepository, Place
from loop_kit.adapters.guides import Guides, committed_knowledge
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.cli.remote_forge import RemotePlace
from loop_kit.config_file import first_config
from loop_kit.core import outbox
from loop_kit.core.machine import outstanding, transition
from loop_kit.core.messages import LeaseTaken, Verify
from loop_kit.core.state import Lease, LoopState
from loop_kit.core.task import TaskCard
from loop_kit.engine import Engine
from loop_kit.engine.options import Continuation, Options
from loop_kit.ports import Reporter, Store
from loop_kit.ports.forge import Forge
from loop_kit.settings import for_job

_LEASE_SEC = 300
_LOOP_DIR = ".loop"


class Posting:
    """The engine of a job, over a loop on the server, for as long as the posts take."""

    def __init__(
        self,
        environ: Mapping[str, str],
        git: Git,
        place: Place,
        folder: Path,
        server: RemotePlace,
        scratch: Git,
        store: Store,
        *,
        quiet: bool,
    ) -> None:
        self._environ = environ
        self._server = server
        self._scratch = scratch
        self._store = store
        self._repository = GitRepository(git)
        self._ground = bootstrap.Ground(
            git=git,
            git_dir=place.git_dir,
            root=place.root,
            loop_dir=folder,
            logs=folder / "logs",
            scratch=folder / "runtime" / "scratch",
            mailboxes=folder / "runtime" / "mailbox",
        )
        shown = ConsoleReporter(sys.stderr if quiet else sys.stdout)
        self._reporter: Reporter = Tee(shown, FeedReporter(self._ground.logs, SystemClock()))
        self.failed = False

    def options(self, card: TaskCard, base_sha: str) -> Options:
        """What a job of this loop would be told: the configuration counts as at the base."""
        config = first_config(partial(self._repository.read, base_sha), _LOOP_DIR)
        settings = for_job(self._environ).resolve(config.layer, card)
        return bootstrap.options(settings, card, self._ground, self._environ, ci=True)

    def leased(self, state: LoopState) -> tuple[str, LoopState]:
        """A new lease, and the state that holds it; nothing is saved yet."""
        lease = Lease(holder=secrets.token_hex(8), expires_at=SystemClock().later(_LEASE_SEC))
        return lease.holder, transition(state, LeaseTaken(lease))

    def post(self, forge: Forge, leased: LoopState, card: TaskCard) -> tuple[LoopState, TaskCard]:
        """Push everything saved, post, and hand over; the state and the card after that.

        Raises:
            PushRejected: somebody else wrote to the loop.
        """
        if leased.lease is not None:
            self._store.save(leased, LeaseTaken(leased.lease))
        engine = self._engine(forge, card, leased.base_sha)
        engine.join(leased, card)
        if outbox.due(leased) and not isinstance(outstanding(leased, posts=False), Verify):
            engine.run(last_round=0)
            self.failed = bool(outbox.due(engine.state))
        engine.hand_over(forge, None)
        return engine.state, engine.card

    def dispatch(self, forge: Forge, state: LoopState, card: TaskCard, workflow: str) -> None:
        """Start the job of the next round, on the default branch.

        Raises:
            ForgeRefused: the token may not, or the workflow lacks inputs.
        """
        engine = self._engine(forge, card, state.base_sha)
        engine.join(state, card)
        engine.dispatch(forge, Continuation(workflow, self._default_branch() or state.base_branch))

    def _engine(self, forge: Forge, card: TaskCard, base_sha: str) -> Engine:
        read = partial(self._repository.read_many, base_sha)
        now = SystemClock().now()
        parts = bootstrap.Parts(
            store=self._store,
            agents={},
            guides=Guides(read, _LOOP_DIR, lambda: committed_knowledge(read, _LOOP_DIR, now)),
            isolated=True,
            identity=Identity(),
            environ=self._environ,
            forge=forge,
        )
        options = self.options(card, base_sha)
        return bootstrap.engine(self._ground, parts, self._reporter, options)

    def _default_branch(self) -> str:
        remote = self._server.remote
        done = self._scratch.run(
            *("ls-remote", "--symref", "--", remote.url, "HEAD"),
            ok=range(256),
            env=authorization(remote.server, remote.token),
            timeout=120,
        )
        first = done.out.decode("utf-8", "replace").partition("\t")[0]
        return first.removeprefix("ref: refs/heads/") if first.startswith("ref: ") else ""
