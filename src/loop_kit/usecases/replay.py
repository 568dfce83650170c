"""The same engine over a round that another job's agents have done: it judges, and runs nothing."""

from dataclasses import replace
from functools import partial
from typing import Any

from loop_kit.adapters.replay import (
    LateStore,
    ReplayedAgent,
    ReplayedVerifier,
    ReplayedWorkspaces,
)
from loop_kit.bootstrap import Ground, Parts
from loop_kit.core.ci.bundle import Bundle
from loop_kit.core.loop.messages import AttemptFailed, Failure
from loop_kit.core.loop.state import (
    LoopState,
    Outcome,
    Role,
    Wip,
)
from loop_kit.engine.attempt import Dispatcher
from loop_kit.ports import AgentExit


def replayed(bundle: Bundle, work_tip: str, ground: Ground, parts: Parts) -> Parts:
    """The parts of an engine whose agents, workspaces and verifier tell what the bundle holds.

    `work_tip` is where the work branch was when the agents began.
    """
    interrupted = bundle.outcome is Outcome.INTERRUPTED
    return replace(
        parts,
        store=LateStore(parts.store, work_tip),
        agents={
            role: ReplayedAgent(bundle.report(role), bundle.spent.of(role), interrupted=interrupted)
            for role in Role
        },
        workspaces=ReplayedWorkspaces(
            ground.scratch / "replayed", bundle.work.head_sha if bundle.work else ""
        ),
        verifier=ReplayedVerifier(bundle),
        dispatcher=partial(_Dispatcher, bundle),
    )


class _Dispatcher(Dispatcher):
    """Says of a report that is missing why it is, as the agents' job told."""

    def __init__(self, bundle: Bundle, *args: Any) -> None:
        super().__init__(*args)
        self._bundle = bundle

    def failed(
        self,
        state: LoopState,
        role: Role,
        ended: AgentExit,
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
