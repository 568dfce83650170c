"""The engine: performs what the state asks for, through ports, and records what happened.

One small method per effect. Nothing here decides what comes next (`core.loop.machine` does), and
nothing here knows what a port is made of. The order of durable steps is the rule this file owns:

1. before an agent is paid, the attempt is recorded and made durable;
2. before anything is posted, the intents are made durable;
3. after posting, the posts, the handing over and the released lease are made durable;
4. the next round is dispatched last of all.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from loop_kit.core.card.task import TaskCard
from loop_kit.core.ci.next_run import resume_inputs
from loop_kit.core.loop import bus, outbox, second_review
from loop_kit.core.loop.base_branch import CompareBase
from loop_kit.core.loop.checking import is_approval_held, reading_due
from loop_kit.core.loop.checks_read import ReadChecks
from loop_kit.core.loop.effects import (
    Claim,
    Effect,
    Prepare,
    Publish,
    RunAgent,
    SkipPass,
    SkipSecondReview,
    Stop,
    Verify,
)
from loop_kit.core.loop.entering import Start
from loop_kit.core.loop.handlers import awaited_role
from loop_kit.core.loop.machine import Step, closing_effect, outstanding, transition
from loop_kit.core.loop.messages import (
    AttemptStarted,
    Event,
    HandedOver,
)
from loop_kit.core.loop.outcomes import DISPATCH_FAILED
from loop_kit.core.loop.state import Lease, LoopState, Outcome, Phase, Role, Spent
from loop_kit.engine.agent_check import is_claimed, stop_without_agent
from loop_kit.engine.attempt import AttemptResult, Interrupted
from loop_kit.engine.begin import enter, report_ignored
from loop_kit.engine.briefing import Briefing
from loop_kit.engine.checks import ChecksReader, record_checks
from loop_kit.engine.conclusion import conclude_round, handed_over_work
from loop_kit.engine.groundwork import Groundwork
from loop_kit.engine.journal import Files, Journal
from loop_kit.engine.options import Continuation, Options
from loop_kit.engine.posts import Posts
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.engine.worker import WorkerPass
from loop_kit.errors import GitFailed, LoopError
from loop_kit.ports import (
    Agent,
    AgentInterrupted,
    Clock,
    Forge,
    PushRejected,
    Reporter,
    SetupFailed,
    Store,
    Tampered,
)

if TYPE_CHECKING:
    from loop_kit.engine.cancellation import CancellationCheck
    from loop_kit.engine.publisher import Publisher

_Apply = Callable[[Event, dict[str, bytes | None]], None]


class Engine:
    """Runs one loop for as long as this run is asked to."""

    def __init__(
        self,
        store: Store,
        groundwork: Groundwork,
        agents: Mapping[Role, Agent],
        worker: WorkerPass,
        reviewer: ReviewerPass,
        clock: Clock,
        reporter: Reporter,
        options: Options,
        publisher: "Publisher | None" = None,
        cancellation: "CancellationCheck | None" = None,
        checks: ChecksReader | None = None,
    ) -> None:
        self._store = store
        self._groundwork = groundwork
        self._agents = agents
        self._worker = worker
        self._reviewer = reviewer
        self._clock = clock
        self.reporter = reporter
        self._options = options
        self.cancellation = cancellation
        self._checks = checks
        self._journal = Journal(store, clock, reporter, options.redact)
        self.posts = Posts(publisher, self._journal, reporter)
        self._lease: Lease | None = None
        self.is_interrupted = False

    def begin(self, start: Start, recorded: LoopState | None) -> LoopState:
        """Begin the loop, or continue it where it stopped; nothing is spent yet.

        `recorded` is the state as the store has loaded it, None where there is no loop.

        Raises:
            StateRefused: there is no such loop to continue, or it belongs to another task.
        """
        report_ignored(start, self.reporter)
        self._lease = start.lease
        enter(self._journal, start, recorded, self._store, self._clock, self.cancellation)
        return self.state

    def join(self, recorded: LoopState, card: TaskCard) -> None:
        """Continue as one of the jobs of the run that already holds the lease of this loop."""
        self._journal.state, self._journal.card = recorded, card
        self._lease = recorded.lease

    def record(self, event: Event) -> None:
        """Record what happened outside of this run."""
        self._journal.apply(event)

    def run(
        self,
        last_round: int | None = None,
        until: Callable[[LoopState], bool] = lambda _: False,
        on_approval: Callable[[], None] = lambda: None,
    ) -> LoopState:
        """Perform what is outstanding until the loop, or its round `last_round`, is over.

        An `until` that is true of the state ends it earlier. `on_approval` comes before one counts.

        Raises:
            PushRejected: another run owns the loop; nothing of this run was recorded since.
        """
        try:
            self._check_agents()
            while (effect := self._outstanding()) and not self._is_beyond(effect, last_round):
                if isinstance(effect, Publish) and self.posts.forge_is_down:
                    break
                was_held = is_approval_held(self.state)
                try:
                    self._perform(effect)
                except (SetupFailed, Tampered) as error:
                    self._journal.apply(self._groundwork.failure(error, effect))
                if is_approval_held(self.state) and not was_held:
                    on_approval()
                if until(self.state):
                    break
        except KeyboardInterrupt as stop:
            self._interrupt(stop)
        except (GitFailed, OSError) as fault:
            self._record_fault(fault)
            raise
        return self.state

    def stop(self, outcome: Outcome, error: str) -> None:
        """End a running loop, and post that; of an interruption it is not known yet whose it is."""
        if self.state.is_running and outcome is Outcome.INTERRUPTED:
            self._journal.interrupt(self._lease, None)
        elif self.state.is_running:
            self._stop(Stop(outcome, error))

    def claim(self) -> LoopState:
        """Make the lease durable and post that the loop is running; another job runs the agents."""
        try:
            if reading := reading_due(self.state):
                self._perform(reading)
            self._journal.sync()
            self.posts.post(outbox.greetings(self.state))
        except KeyboardInterrupt as stop:
            self._interrupt(stop)
            self._journal.save_interrupted()
        return self.state

    def hand_over(
        self, forge: Forge | None, continuation: Continuation | None, spent: Spent | None = None
    ) -> LoopState:
        """Release the lease, record which round is to follow, and dispatch it last of all.

        `spent` was paid for in another job and came to nothing. After an interruption, at whatever
        point, nothing is posted or dispatched any more.
        """
        try:
            if not self.is_interrupted:
                self._release_after_commands(spent)
                self.dispatch(forge, continuation)
        except KeyboardInterrupt as stop:
            self._interrupt(stop)
        if self.is_interrupted:
            self._journal.save_interrupted()
        return self.state

    def give_up(self) -> LoopState:
        """Release the lease in a state that the server does not take; a person may push it."""
        if self.state.lease is not None:
            self._journal.apply(HandedOver(None))
        return self.state

    def _release_after_commands(self, spent: Spent | None) -> None:
        if self._journal.handle_commands():
            self._post_end()
        self._release(spent)
        while self._journal.handle_commands(self._lease):
            self._post_end()
            self._release()

    def _interrupt(self, stop: KeyboardInterrupt) -> None:
        """Record where the run was interrupted; only the first signal does that (`cli.run`)."""
        attempt = stop if isinstance(stop, Interrupted) else None
        elsewhere = isinstance(stop, AgentInterrupted) or (attempt and attempt.elsewhere)
        self.is_interrupted = not elsewhere
        if self.state.is_running:
            self._journal.interrupt(self._lease, attempt.wip if attempt else None)

    def _record_fault(self, fault: Exception) -> None:
        """Save in a job what was paid for, and why the run ends; if that fails, the fault counts.

        On a laptop the state is on this disk already, and the user reads the error.
        """
        if self._lease is None:
            return
        role = awaited_role(self.state)
        with suppress(LoopError, OSError, PushRejected):
            if role is not None:
                self._stop(Stop(DISPATCH_FAILED[role.job], f"The run failed: {fault}"))
            self._journal.save_interrupted()

    def dispatch(self, forge: Forge | None, continuation: Continuation | None) -> None:
        """Start the job that was recorded as the next one; again, when its start was lost."""
        state = self.state
        runs = awaited_role(state) is not None
        if runs and forge and continuation and continuation.workflow:
            forge.dispatch(continuation.workflow, continuation.ref, resume_inputs(state))
            self.reporter.note(f"Round {state.round} is dispatched.")

    def _release(self, spent: Spent | None = None) -> None:
        while isinstance(effect := closing_effect(self.state), Stop):
            self._stop(effect)
        self._journal.apply(HandedOver(effect.continue_to, spent))
        self._journal.sync()

    def _stop(self, stop: Stop) -> None:
        self._journal.stop(stop)
        self._post_end()

    @property
    def state(self) -> LoopState:
        """The state as last recorded."""
        return self._journal.state

    @property
    def card(self) -> TaskCard:
        """The card that counts now."""
        card = self._journal.card
        assert card is not None  # noqa: S101
        return card

    def _outstanding(self) -> Effect | None:
        posts, ground = self.posts.has_forge, self._groundwork
        ready = {"prepared": ground.is_prepared, "compares": ground.compares}
        checked = self._checks is None or self._checks.has_read(self.state)
        return outstanding(self.state, posts=posts, checked=checked, **ready)

    def _check_agents(self) -> None:
        stop = stop_without_agent(self._agents, self.state, self.reporter)
        if stop is not None:
            self._journal.stop(stop)

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, Publish):
            self._publish(effect)
        elif isinstance(effect, Stop):
            self._journal.stop(effect)
        elif isinstance(effect, SkipPass | SkipSecondReview):
            self._skip_review(effect.why)
        elif isinstance(effect, ReadChecks):
            if self._checks:
                after = (self._journal, self._reviewer, self._store, self.cancellation)
                record_checks(self._checks, effect, *after, self._groundwork.look_again)
        elif isinstance(effect, Claim):
            self._start_worker(effect.attempt, self._worker.briefing(self.state, self.card))
        elif isinstance(effect, Prepare | CompareBase | Verify):
            for event in self._groundwork.perform(self.state, effect):
                self._journal.apply(event)
        else:
            self._run_agent(effect)

    def _run_agent(self, effect: RunAgent) -> None:
        if effect.delay:
            self.reporter.note(f"Waiting {effect.delay:g} s before the next attempt.")
            self._clock.sleep(effect.delay)
        if effect.role is Role.WORKER:
            self._run_worker(effect)
        elif effect.role is Role.REVIEWER or self._has_second_reviewer():
            self._run_reviewer(effect)

    def _has_second_reviewer(self) -> bool:
        """Whether the second reviewer can be asked; if not, its review is skipped."""
        agent = self._agents.get(Role.SECOND_REVIEWER)
        why = agent.check() if agent else "This job has no second-reviewer set."
        if why:
            self._skip_review(why)
        return not why

    def _skip_review(self, why: str) -> None:
        self._apply_review(second_review.skipped(self.state, why, self._clock.now()), {})

    def _run_worker(self, effect: RunAgent) -> None:
        briefing = self._worker.briefing(self.state, self.card)
        if effect.claimed or self._start_worker(effect, briefing):
            state, card = self.state, self.card
            run = partial(self._worker.run, state, card, effect, briefing.context)
            self._attempt(run, self._apply_work)

    def _start_worker(self, effect: RunAgent, briefing: Briefing) -> bool:
        """Start an attempt of the worker; whether its agent may run right away."""
        if effect.attempt == 1:
            self.reporter.event("round_start", self.state, {})
            self._worker.warn_of_unmatched_scope(self.state, self.card)
        packet = {bus.TASK_PACKET: bus.encode(briefing.packet.document())}
        return self._start(effect, {**dict.fromkeys(bus.REPORTS.values()), **packet})

    def _run_reviewer(self, effect: RunAgent) -> None:
        card = self.card
        request, diff = self._reviewer.request(self.state, card)
        files = bus.asked_of(self.state, effect.role, request)
        if effect.claimed or self._start(effect, files):
            run = partial(self._reviewer.run, self.state, card, effect, request, diff)
            self._attempt(run, self._apply_review)

    def _attempt(self, run: Callable[[], AttemptResult], apply: _Apply) -> None:
        """Run an attempt and record it; what is paid for is recorded before an interruption is."""
        before, result = self.state, None
        try:
            result = run()
            apply(result.event, dict(result.files))
        except KeyboardInterrupt as stop:
            if isinstance(stop, Interrupted):
                result = stop.result
            if result is not None and self.state is before:
                apply(result.event, dict(result.files))
            raise

    def _start(self, effect: RunAgent, files: Files) -> bool:
        """Make the attempt durable; whether its agent may run right away.

        It may not when the loop is not wanted any more, when its work was refused, or when commands
        were read: what the agent is to be given may have changed.
        """
        self._journal.apply(AttemptStarted(effect.role, self._clock.now()), files)
        self._journal.sync()
        commanded = self._journal.handle_commands()
        if not is_claimed(self.state, effect.role):
            return False
        cancelled = self.cancellation.find(self.state) if self.cancellation else None
        if cancelled is not None:
            self._journal.stop(cancelled)
            return False
        self.posts.post(outbox.posts_at_start(self.state))
        if effect.role is Role.REVIEWER and effect.attempt == 1:
            self.posts.show_progress()
        return not commanded

    def _apply_work(self, event: Event, files: dict[str, bytes | None]) -> None:
        """Record the work together with what it hands over."""
        event = self._journal.clean(event)
        step = Step(event, after := transition(self.state, event))
        self._journal.record(step, files | handed_over_work(after, event))

    def _apply_review(self, event: Event, files: dict[str, bytes | None]) -> None:
        """Record a review together with the fix list or the summary that follows from it."""
        event = self._journal.clean(event)
        before, step = self.state, Step(event, transition(self.state, event))
        review = second_review.deciding_report(before, event)
        if review is not None and step.after.state is not Phase.AWAITING_REVIEW:
            files |= conclude_round(self._reviewer, before, step.after, review, self._clock.now())
        self._journal.record(step, files)

    def _publish(self, effect: Publish) -> None:
        self._journal.sync()
        self.posts.post(effect.items)

    def _post_end(self) -> None:
        """Post a stop that was found only when the round was over."""
        effect = self._outstanding()
        if isinstance(effect, Publish) and not self.posts.forge_is_down:
            self._publish(effect)

    def _is_beyond(self, effect: Effect, last_round: int | None) -> bool:
        """Whether `effect` belongs to a later round than this run was asked for."""
        posts = isinstance(effect, Publish)
        return not posts and last_round is not None and self.state.round > last_round
