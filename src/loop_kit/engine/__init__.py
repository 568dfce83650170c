"""The engine: performs what the state asks for, through ports, and records what happened.

One small method per effect. Nothing here decides what comes next (`core.machine` does) and nothing
here knows what a port is made of. The order of durable steps is the rule this file owns:

1. before an agent is paid, the attempt is recorded and made durable;
2. before anything is posted, the intents are made durable;
3. after posting, the posts, the handing over and the released lease are made durable;
4. the next round is dispatched last of all.
"""

from collections.abc import Mapping

from loop_kit.core import bus, handoff, outbox
from loop_kit.core.machine import next_attempt, outstanding, transition
from loop_kit.core.messages import (
    AttemptStarted,
    BaseVerified,
    Effect,
    Event,
    HandedOver,
    HeadVerified,
    Publish,
    ReviewReported,
    RunAgent,
    Verify,
    WorkReported,
)
from loop_kit.core.policy import over_budget
from loop_kit.core.prompts import Context
from loop_kit.core.requests import resume_inputs
from loop_kit.core.state import Lease, LoopState, OutboxItem, Outcome, Role
from loop_kit.core.task import TaskCard
from loop_kit.engine.attempt import Interrupted
from loop_kit.engine.entry import begin_fresh, is_gone, take_up
from loop_kit.engine.journal import Files, Journal
from loop_kit.engine.options import Continuation, Options, Start
from loop_kit.engine.publisher import Publisher
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.engine.watch import CancellationCheck
from loop_kit.engine.worker import WorkerPass
from loop_kit.errors import ForgeUnavailable, StateRefused
from loop_kit.ports import Agent, Clock, Forge, Reporter, Store, Verifier


class Engine:
    """Runs one loop for as long as this run is asked to."""

    def __init__(
        self,
        store: Store,
        verifier: Verifier,
        agents: Mapping[Role, Agent],
        worker: WorkerPass,
        reviewer: ReviewerPass,
        clock: Clock,
        reporter: Reporter,
        options: Options,
        publisher: Publisher | None = None,
        cancellation: CancellationCheck | None = None,
    ) -> None:
        self._store = store
        self._verifier = verifier
        self._agents = agents
        self._worker = worker
        self._reviewer = reviewer
        self._clock = clock
        self._reporter = reporter
        self._options = options
        self._publisher = publisher
        self._cancellation = cancellation
        self._journal = Journal(store, clock, reporter)
        self._lease: Lease | None = None
        self._begun: tuple[RunAgent, Context] | None = None
        self._forge_is_down = False

    def begin(self, start: Start) -> LoopState:
        """Start the loop, or take it up where it was left; nothing is spent yet.

        Raises:
            StateRefused: there is no such loop to continue, or it belongs to another task.
        """
        local = ("depends_on",) if start.card.depends_on and start.lease is None else ()
        for key in (*start.card.unheeded, *local):
            self._reporter.warn(f"The card's {key} is kept, but this version does not act on it.")
        recorded = self._store.load()
        self._lease = start.lease
        self._journal.card = start.card
        if start.fresh or recorded is None:
            if not start.fresh:
                raise StateRefused(
                    "There is no recorded loop to continue.", "Start one without --resume."
                )
            begin_fresh(self._journal, start, recorded, self._clock.now())
        else:
            tip, now = self._store.work_tip, self._clock.now()
            cancelled = None
            if self._cancellation is not None and is_gone(recorded, start, tip):
                cancelled = self._cancellation.find(recorded)
            take_up(self._journal, start, recorded, tip, now, cancelled)
        return self.state

    def join(self, recorded: LoopState, card: TaskCard) -> None:
        """Be one of the jobs of the run that already holds the lease of this loop."""
        self._journal.state, self._journal.card = recorded, card
        self._lease = recorded.lease

    def run(self, last_round: int | None = None) -> LoopState:
        """Perform what is outstanding until the loop, or its round `last_round`, is over.

        Raises:
            PushRejected: another run owns the loop; nothing of ours was recorded since.
        """
        try:
            self._check_agents()
            while (effect := self._outstanding()) and not _beyond(effect, last_round):
                if isinstance(effect, Publish) and self._forge_is_down:
                    break
                self._perform(effect)
        except KeyboardInterrupt as stop:
            if self.state.is_running:
                wip = stop.wip if isinstance(stop, Interrupted) else None
                self._journal.halt(Outcome.INTERRUPTED, "The run was interrupted.", wip=wip)
        return self.state

    def stop(self, outcome: Outcome, error: str) -> None:
        """End the loop for a reason that this run was told, and show that; then hand over."""
        if self.state.is_running:
            self._journal.halt(outcome, error)
            self._publish_the_end()

    def claim(self) -> LoopState:
        """Make the lease durable and show that the loop is at work; another job runs the agents."""
        self._journal.sync()
        self._post(outbox.greetings(self.state))
        return self.state

    def hand_over(self, forge: Forge | None, continuation: Continuation | None) -> LoopState:
        """Release the lease, record which round is to follow, and dispatch it last of all."""
        if self._journal.heed():
            self._publish_the_end()
        self._release()
        while self._journal.heed(self._lease):
            self._publish_the_end()
            self._release()
        self.dispatch(forge, continuation)
        return self.state

    def dispatch(self, forge: Forge | None, continuation: Continuation | None) -> None:
        """Start the job that was recorded as the next one; again, when its start was lost."""
        state = self.state
        if state.is_running and forge and continuation and continuation.workflow:
            forge.dispatch(continuation.workflow, continuation.ref, resume_inputs(state))
            self._reporter.note(f"Round {state.round} is dispatched.")

    def _release(self) -> None:
        used, most = self.state.usage.dispatches, self.state.limits.max_dispatches
        if self.state.is_running and used >= most:
            error = f"All {most} dispatches are used."
            self._journal.halt(Outcome.NEEDS_HUMAN, error, ("budget",))
            self._publish_the_end()
        self._journal.apply(HandedOver(self.state.round if self.state.is_running else None))
        self._journal.sync()

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
        return outstanding(self.state, posts=self._publisher is not None)

    def _check_agents(self) -> None:
        if not self.state.is_running:
            return
        outcomes = {
            Role.WORKER: Outcome.WORKER_DISPATCH_FAILED,
            Role.REVIEWER: Outcome.REVIEWER_DISPATCH_FAILED,
        }
        for role, agent in self._agents.items():
            why = agent.check()
            if why:
                self._journal.halt(outcomes[role], why)
                return

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, Verify):
            self._verify(effect)
        elif isinstance(effect, Publish):
            self._publish(effect)
        else:
            self._run_agent(effect)

    def _verify(self, effect: Verify) -> None:
        if effect.at_base and self._lease is not None and not self._claimed_by_an_attempt():
            return
        where = "the base commit" if effect.at_base else effect.sha[:10]
        self._reporter.note(f"Running the verify commands at {where}.")
        timeout = self._options.verify_timeout
        verification = self._verifier.verify(effect.sha, self.state.verify, timeout)
        for result in verification.results:
            if result.exit_code:
                self._reporter.note(f"It fails: {result.command} (exit code {result.exit_code})")
        if effect.at_base:
            self._journal.apply(BaseVerified(verification, self._clock.now()))
        else:
            self._journal.apply(HeadVerified(verification))

    def _claimed_by_an_attempt(self) -> bool:
        """Push the lease, with the attempt that is next, before the long look at the base.

        Whoever comments or comes second meanwhile finds a loop that a run is at work on.
        """
        if self._begun is None:
            effect = next_attempt(self.state, Role.WORKER)
            context = self._worker_started(effect)
            self._begun = (effect, context) if context else None
        return self._begun is not None

    def _run_agent(self, effect: RunAgent) -> None:
        spent = over_budget(self.state.limits, self.state.usage)
        if spent:
            self._journal.halt(Outcome.NEEDS_HUMAN, spent, ("budget",))
            return
        if effect.delay:
            self._reporter.note(f"Waiting {effect.delay:g} s before the next attempt.")
            self._clock.sleep(effect.delay)
        if effect.role is Role.WORKER:
            self._run_worker(effect)
        else:
            self._run_reviewer(effect)

    def _run_worker(self, effect: RunAgent) -> None:
        begun, self._begun = self._begun, None
        due, context = begun or (effect, self._worker_started(effect))
        if context is not None:
            outcome = self._worker.run(self.state, self.card, due, context)
            self._apply_work(outcome.event, dict(outcome.files))

    def _worker_started(self, effect: RunAgent) -> Context | None:
        """Start an attempt of the worker; what it is told, or None when it is not to run."""
        if effect.attempt == 1:
            self._reporter.event("round_start", self.state, {})
        briefing = self._worker.briefing(self.state, self.card)
        packet = {bus.TASK_PACKET: bus.encoded(briefing.packet.document())}
        files = {bus.WORK_REPORT: None, bus.REVIEW_REPORT: None, **packet}
        return briefing.context if self._started(effect, files) else None

    def _run_reviewer(self, effect: RunAgent) -> None:
        card = self.card
        request, diff = self._reviewer.request(self.state, card)
        files = self._kept(self.state, bus.REVIEW_REQUEST, request)
        if self._started(effect, {**files, bus.REVIEW_REPORT: None}):
            outcome = self._reviewer.run(self.state, card, effect, request, diff)
            self._apply_review(outcome.event, dict(outcome.files))

    def _started(self, effect: RunAgent, files: Files) -> bool:
        """Make the attempt durable; whether the loop is still ours, and wanted, to spend on."""
        self._journal.apply(AttemptStarted(effect.role, self._clock.now()), files)
        self._journal.sync()
        if self._journal.heed() or not self.state.is_running:
            return False
        cancelled = self._cancellation.find(self.state) if self._cancellation else None
        if cancelled is not None:
            self._journal.halt(cancelled.outcome, cancelled.error, cancelled.reasons)
            return False
        self._post(outbox.greetings(self.state))
        return True

    def _apply_work(self, event: Event, files: dict[str, bytes | None]) -> None:
        """Record the work together with what it hands over."""
        if isinstance(event, WorkReported):
            after = transition(self.state, event)
            handed = handoff.of_worker(after, event.report, event.at)
            files[handoff.path(after.task_id, Role.WORKER, after.round)] = bus.encoded(handed)
        self._journal.apply(event, files)

    def _apply_review(self, event: Event, files: dict[str, bytes | None]) -> None:
        """Record a review together with the fix list or the summary that follows from it."""
        if isinstance(event, ReviewReported):
            before, after = self.state, transition(self.state, event)
            report = self._reviewer.work_report(before)
            handed = handoff.of_reviewer(after, event.report, event.at)
            files[handoff.path(after.task_id, Role.REVIEWER, before.round)] = bus.encoded(handed)
            if after.outcome is Outcome.APPROVED:
                files |= self._kept(after, bus.SUMMARY, bus.summary(after, report, event.report))
            else:
                files |= self._kept(after, bus.FIX_LIST, bus.fix_list(after, report, event.report))
        self._journal.apply(event, files)

    def _kept(self, state: LoopState, name: str, document: bus.Document) -> dict[str, bytes | None]:
        encoded = bus.encoded(document)
        return {name: encoded, bus.archived(state.task_id, state.round, name): encoded}

    def _publish(self, effect: Publish) -> None:
        self._journal.sync()
        self._post(effect.items)

    def _post(self, items: tuple[OutboxItem, ...]) -> None:
        """Make these posts exist; their intents are durable."""
        if self._publisher is None or self._forge_is_down:
            return
        try:
            for item in items:
                if item in self.state.outbox:
                    posted = self._publisher.publish(self.state, self.card, item)
                    self._journal.apply(posted)
        except ForgeUnavailable as error:
            self._reporter.warn(f"{error} What was to be posted stays outstanding.")
            self._forge_is_down = True

    def _publish_the_end(self) -> None:
        """Show a stop that was found only when the round was over."""
        effect = self._outstanding()
        if isinstance(effect, Publish) and not self._forge_is_down:
            self._publish(effect)


def _beyond(effect: Effect, last_round: int | None) -> bool:
    """Whether `effect` belongs to a later round than this run was asked for."""
    return isinstance(effect, RunAgent) and last_round is not None and effect.round > last_round
