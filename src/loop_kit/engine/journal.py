"""What has happened to the loop, recorded before anything else is done about it.

An event is recorded in the store and only then part of the state; `sync` makes what was recorded
durable. Commands that people gave meanwhile are found by that very push: somebody put them on the
state branch, so it is rejected, taken up and tried again. Reading the inbox thus costs nothing.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from loop_kit.core import bus
from loop_kit.core.commands import Command
from loop_kit.core.continuing import extended
from loop_kit.core.findings import open_findings
from loop_kit.core.machine import transition
from loop_kit.core.messages import (
    Commanded,
    Event,
    Halted,
    LeaseTaken,
    LoopResumed,
    ReviewReported,
)
from loop_kit.core.state import Lease, Limits, LoopState, Outcome, Reason, Wip
from loop_kit.ports import Clock, Reporter, Store, WorkMoved

if TYPE_CHECKING:
    from loop_kit.core.task import TaskCard

Files = Mapping[str, bytes | None]


class Journal:
    """The state of the loop as last recorded, and the only way to change it."""

    def __init__(self, store: Store, clock: Clock, reporter: Reporter) -> None:
        self._store = store
        self._clock = clock
        self._reporter = reporter
        self.state = LoopState()
        self.card: TaskCard | None = None
        self.leaves_work = False
        """Whether the work branch is a person's matter for now."""

    def apply(self, event: Event, files: Files | None = None) -> None:
        """Record one event with the bus files it changes (None removes one)."""
        before, after = self.state, transition(self.state, event)
        try:
            self._store.save(after, event, files or {})
        except KeyboardInterrupt:
            # What happened has happened: an interruption waits until it is recorded.
            self._store.save(after, event, files or {})
            self.state = after
            raise
        self.state = after
        self._tell(before, event)

    def halt(
        self,
        outcome: Outcome,
        error: str,
        reasons: tuple[Reason, ...] = (),
        wip: Wip | None = None,
    ) -> None:
        """Record that the loop stops here."""
        self.apply(Halted(outcome, error, self._clock.now(), reasons, wip))

    def sync(self) -> None:
        """Make everything durable; a work branch that a person moved is left where it is.

        Raises:
            PushRejected: another run owns the loop; nothing of ours was recorded since.
        """
        moved = self.leaves_work or "human_push" in self.state.reasons
        try:
            self._store.sync("" if moved else self.state.branch_tip)
        except WorkMoved:
            self._keep_aside()

    def heed(self, lease: Lease | None = None, limits: Limits | None = None) -> bool:
        """Carry out the commands that lie in the inbox; whether there were any.

        When the lease was released already, `lease` is taken back for that: whoever took it
        meanwhile makes our push be rejected.
        """
        commands = self._store.commands()
        if commands and lease is not None:
            self.apply(LeaseTaken(lease))
        for command in commands:
            self.carry_out(command, limits)
        return bool(commands)

    def carry_out(self, command: Command, limits: Limits | None = None) -> None:
        """Record one command as carried out, under `limits` where they are known; once."""
        known = command.comment in self.state.heeded
        files: dict[str, bytes | None] = {command.path: None}
        card = command.card if command.verb == "refresh" else None
        if card is not None and not known and card.task_id == self.state.task_id:
            files[bus.TASK_CARD] = card.to_json("in_progress")
            self.card = card
        self.apply(Commanded(command, self._clock.now(), limits), files)
        if not known:
            self._reporter.note(f"/loop {command.verb} by {command.by}: {self.state.state.value}.")

    def _keep_aside(self) -> None:
        """A person pushed while the worker was at work: lose neither, and ask."""
        branch = self._store.keep_aside(self.state.branch_tip)
        error = (
            f"Somebody pushed to the work branch while an agent was at work. Its commits are on"
            f" {branch}: take from them what you want, then start the loop again."
        )
        if self.state.resume_phase is not None:
            limits = extended(self.state.limits, -self.state.extended)
            self.apply(LoopResumed(limits, self._clock.now()))
        if self.state.is_running:
            self.halt(Outcome.NEEDS_HUMAN, error, ("human_push",))
        else:
            self._reporter.warn(error)
        self._store.sync("")

    def _tell(self, before: LoopState, event: Event) -> None:
        after = self.state
        if isinstance(event, ReviewReported):
            record = after.history[-1]
            still = [f"{f.id} [{f.severity}] {f.reason}" for f in open_findings(after.findings)]
            data = {"decision": record.decision, "verified": record.verified, "open": still}
            self._reporter.event("review_verdict", after, {**data, "round": record.round})
            self._reporter.event("round_complete", after, {"round": record.round})
        if (before.state, before.round) != (after.state, after.round):
            move = {
                "from_state": before.state.value,
                "to_state": after.state.value,
                "from_round": before.round,
                "to_round": after.round,
            }
            self._reporter.event("state_transition", after, move)
