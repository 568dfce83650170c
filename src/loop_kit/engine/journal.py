"""What has happened to the loop, recorded before anything else is done about it.

An event is recorded in the store and only then part of the state; `sync` makes what was recorded
durable. Commands that people gave meanwhile are found by that very push: somebody put them on the
state branch, so it is rejected, merged and tried again. Reading the inbox thus costs nothing.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from loop_kit.core.loop import bus
from loop_kit.core.loop.answers import change, consequence
from loop_kit.core.loop.checking import is_approval_held
from loop_kit.core.loop.clean import clean_event
from loop_kit.core.loop.effects import (
    Stop,
)
from loop_kit.core.loop.entering import Entry, push_during_attempt
from loop_kit.core.loop.findings import Finding, later_findings, open_findings
from loop_kit.core.loop.machine import Step, transition
from loop_kit.core.loop.messages import (
    AttemptFailed,
    Commanded,
    Event,
    Halted,
    HandedOver,
    LeaseTaken,
    LoopResumed,
    PassSkipped,
    PushWasRefused,
    ReviewReported,
    SecondReviewSkipped,
    TaskStarted,
)
from loop_kit.core.loop.passes import is_missed, number
from loop_kit.core.loop.push_refusal import PushRefusal, RefusalKind
from loop_kit.core.loop.refused_push import unpushed_work
from loop_kit.core.loop.resuming import new_card
from loop_kit.core.loop.state import Lease, LoopState, Outcome, Phase, Wip
from loop_kit.core.loop.withholding import withhold_in_state
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import LoopError
from loop_kit.ports import Clock, PushRefused, PushRejected, Reporter, Store, WorkMoved

if TYPE_CHECKING:
    from loop_kit.core.card.task import TaskCard

Files = Mapping[str, bytes | None]
_MAX_REASON = 400

_SAVING_SEC = 4
"""A cancelled job has 10 s in all (SIGINT, SIGTERM, SIGKILL), of which its agent gets 3 to end."""


class Journal:
    """The state of the loop as last recorded, and the only way to change it."""

    def __init__(self, store: Store, clock: Clock, reporter: Reporter, redact: Redactor) -> None:
        self._redact = redact
        self._store = store
        self._clock = clock
        self._reporter = reporter
        self._pushes_work = True
        self.state = LoopState()
        self.card: TaskCard | None = None

    def clean(self, event: Event) -> Event:
        """The event without secrets, before anything follows from it."""
        return clean_event(event, self._redact)

    def apply(self, event: Event, files: Files | None = None) -> None:
        """Record one event with the bus files it changes (None removes one)."""
        event = self.clean(event)
        self.record(Step(event, transition(self.state, event)), files or {})

    def record(self, step: Step, files: Files) -> None:
        """Record an event that is clean and whose next state is known already."""
        before, event, after = self.state, step.event, step.after
        card = self._card_after(event)
        changes = {**self._clean_files(files), **_changed_files(event, card)}
        if before.held is not None and after.held is None:
            changes[bus.UNPUSHED] = None
        try:
            self._store.save(after, event, changes)
        except KeyboardInterrupt:
            # What happened has happened: an interruption waits until it is recorded.
            self._store.save(after, event, changes)
            self.state, self.card = after, card or self.card
            raise
        self.state, self.card = after, card or self.card
        self._report(before, event)

    def _clean_files(self, files: Files) -> Files:
        """The files without secrets; a bundle of commits has been searched for them."""
        return {
            name: content if content is None or name == bus.UNPUSHED else self._redact.file(content)
            for name, content in files.items()
        }

    def enter(self, entry: Entry) -> None:
        """Record what happens to the loop that this run found."""
        self.state = entry.found
        self._pushes_work = entry.pushes_work
        self._follow(entry)

    def stop(self, stop: Stop) -> None:
        """Record that the loop stops here."""
        self.apply(Halted(stop.outcome, stop.error, self._clock.now(), stop.reasons))

    def interrupt(self, lease: Lease | None, wip: Wip | None) -> None:
        """Record that the run that holds `lease` was interrupted; one without is on a laptop."""
        if lease is not None and self.state.lease is None:
            self.apply(LeaseTaken(lease))
        error, at = "The run was interrupted.", self._clock.now()
        self.apply(Halted(Outcome.INTERRUPTED, error, at, wip=wip, interrupted_run=lease))

    def save_interrupted(self) -> None:
        """Release the lease and make everything durable, as far as the time allows it.

        The next run settles what does not arrive.
        """
        if self.state.lease is not None:
            self.apply(HandedOver(None))
        self._store.limit_time(_SAVING_SEC)
        try:
            self.sync()
        except (LoopError, PushRejected) as error:
            self._reporter.warn(f"Not everything of this run is saved: {error}")

    def sync(self) -> None:
        """Make everything durable; a work branch that a person moved is left where it is.

        Raises:
            PushRejected: another run owns the loop; nothing of this run was recorded since.
            PushRefused: the server does not take the state branch either.
        """
        try:
            self._push()
        except WorkMoved:
            branch = self._store.keep_aside(self.state.branch_tip)
            entry = push_during_attempt(self.state, branch, self._clock.now())
            self._pushes_work = entry.pushes_work
            self._follow(entry)
            self._push()

    def _push(self) -> None:
        for is_last in (False, False, False, True):
            try:
                self._store.sync(self._tip_to_push())
            except PushRefused as error:
                is_repeated = self._withhold(error.refusal) or self._leave_out(error.refusal)
                if is_last or not is_repeated:
                    raise
            else:
                return

    def _tip_to_push(self) -> str:
        pushes_work = self._pushes_work and "human_push" not in self.state.reasons
        pushes_work = pushes_work and self.state.held is None
        return self.state.branch_tip if pushes_work else ""

    def _withhold(self, refusal: PushRefusal) -> bool:
        """Replace the texts of the state in which the server finds a secret, if that is it."""
        if not (refusal.of_state and refusal.kind is RefusalKind.SECRET):
            return False
        self.state = withhold_in_state(self.state, self._store.withhold(refusal.places))
        return True

    def _leave_out(self, refusal: PushRefusal) -> bool:
        """Record that the work was refused; whether the state alone may be taken."""
        state, onto = self.state, self._store.work_tip
        work, files = unpushed_work(state, onto), None
        alone = refusal.kind.is_final and not refusal.of_state
        is_kept = alone and state.outcome is not Outcome.APPROVED
        if work and is_kept and refusal.kind is not RefusalKind.SECRET:
            files = {bus.UNPUSHED: self._store.pack_work(work, onto or state.start_sha)}
        kept = files is not None and files[bus.UNPUSHED] is not None
        self.apply(PushWasRefused(refusal, onto, self._clock.now(), kept), files if kept else None)
        return alone

    def handle_commands(self, lease: Lease | None = None) -> bool:
        """Record the commands that wait in the inbox; whether there were any.

        When the lease was released already, `lease` is taken back for that; where another run took
        it meanwhile, the push is rejected.
        """
        commands = self._store.commands()
        if commands and lease is not None:
            self.apply(LeaseTaken(lease))
        for command in commands:
            self.apply(Commanded(command, self._clock.now()))
        return bool(commands)

    def _follow(self, entry: Entry) -> None:
        for step in entry.steps:
            self.record(step, {})
        if entry.warning is not None:
            self._reporter.warn(entry.warning)

    def _card_after(self, event: Event) -> "TaskCard | None":
        """The card that counts from this event on, where it changes."""
        if isinstance(event, TaskStarted):
            return self.card
        if isinstance(event, LoopResumed):
            return event.card
        return new_card(self.state, event.command) if isinstance(event, Commanded) else None

    def _report(self, before: LoopState, event: Event) -> None:
        after = self.state
        if isinstance(event, Commanded) and event.command.comment not in before.handled_commands:
            command = event.command
            by = f" by {command.by}" if command.by else ""
            answer = f"{change(command, before, after)}{consequence(command, before, after)}"
            self._reporter.note(f"/loop {command.verb}{by}: {answer}")
        if isinstance(event, AttemptFailed) and after.is_running:
            why = one_line(event.message, _MAX_REASON)
            missed = after.second is not None and bool(after.second.missed)
            does_without = missed or is_missed(after)
            again = "not asked again" if does_without else "asked again"
            self._reporter.note(f"The {event.role.words} is {again}: {why}")
        if after.further is not None and number(before) != number(after):
            words, which = after.further.role.words, number(after) + 1
            text = f"Round {after.round}: the {words} makes pass {which} over the same change."
            self._reporter.note(text)
        if before.second is None and after.second is not None:
            second = after.limits.second_reviewer
            self._reporter.note(f"Round {after.round} is approved; {second} reviews it as well.")
        if isinstance(event, ReviewReported | PassSkipped | SecondReviewSkipped):
            self._report_review(after)
        if (before.state, before.round) != (after.state, after.round):
            move = {
                "from_state": before.state.value,
                "to_state": after.state.value,
                "from_round": before.round,
                "to_round": after.round,
            }
            self._reporter.event("state_transition", after, move)

    def _report_review(self, after: LoopState) -> None:
        """Report the verdict on a round, or that its reviewer is asked again."""
        if after.state is Phase.AWAITING_REVIEW and not is_approval_held(after):
            asked = after.attempt
            if asked is not None and after.further is None:
                why = one_line(asked.feedback, _MAX_REASON)
                self._reporter.note(f"The {asked.role.words} is asked again: {why}")
            return
        record = after.history[-1]
        kept = [
            finding
            for finding in later_findings(after.findings)
            if record.decision == "approve" or after.outcome or finding.round == record.round
        ]
        data = {
            "decision": record.decision,
            "verified": record.verified,
            "open": [_in_log(finding) for finding in open_findings(after.findings)],
            "later": [_in_log(finding) for finding in kept],
        }
        self._reporter.event("review_verdict", after, {**data, "round": record.round})
        self._reporter.event("round_complete", after, {"round": record.round})


def _in_log(finding: Finding) -> str:
    return f"{finding.id} [{finding.severity}] {finding.reason}"


def _changed_files(event: Event, card: "TaskCard | None") -> Files:
    """The bus files that an event changes by itself."""
    files: dict[str, bytes | None] = {}
    if isinstance(event, Commanded):
        files[event.command.path] = None
    if card is not None:
        files[bus.TASK_CARD] = card.to_json("in_progress")
    return files
