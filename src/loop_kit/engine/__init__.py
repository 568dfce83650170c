"""The engine: performs what the state asks for, through ports, and records what happened.

One small method per effect. Nothing here decides what comes next (`core.machine` does) and nothing
here knows what a port is made of. The order of durable steps is the rule this file owns:

1. before an agent is paid, the attempt is recorded and made durable;
2. before anything is posted, the intents are made durable;
3. after posting, the posts, the handing over and the released lease are made durable;
4. the next round is dispatched last of all.
"""

from collections.abc import Mapping

from loop_kit.core import bus, handoff
from loop_kit.core.findings import open_findings
from loop_kit.core.machine import outstanding, transition
from loop_kit.core.messages import (
    AttemptStarted,
    BaseVerified,
    Effect,
    Event,
    Halted,
    HandedOver,
    HeadVerified,
    LeaseTaken,
    LoopResumed,
    Publish,
    ReviewReported,
    RunAgent,
    TaskStarted,
    Verify,
    WorkReported,
)
from loop_kit.core.policy import over_budget
from loop_kit.core.state import LoopState, Outcome, Phase, Reason, Role, Wip
from loop_kit.core.task import TaskCard
from loop_kit.engine.attempt import Interrupted
from loop_kit.engine.options import Continuation, Options, Start
from loop_kit.engine.publisher import Publisher
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.engine.worker import WorkerPass
from loop_kit.errors import ForgeUnavailable, StateRefused
from loop_kit.ports import Agent, Clock, Forge, Reporter, Store, Verifier, WorkMoved

Files = Mapping[str, bytes | None]


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
        self._state = LoopState()
        self._card: TaskCard | None = None
        self._forge_is_down = False

    def begin(self, start: Start) -> LoopState:
        """Start the loop, or take it up where it was left; nothing is spent yet.

        Raises:
            StateRefused: there is no such loop to continue, or it belongs to another task.
        """
        for key in start.card.unheeded:
            self._reporter.warn(f"The card's {key} is kept, but this version does not act on it.")
        recorded = self._store.load()
        if start.fresh or recorded is None:
            if not start.fresh:
                raise StateRefused(
                    "There is no recorded loop to continue.", "Start one without --resume."
                )
            self._begin_fresh(start, recorded)
        else:
            self._continue(start, recorded)
        return self._state

    def _begin_fresh(self, start: Start, recorded: LoopState | None) -> None:
        self._state = LoopState(seq=recorded.seq if recorded else 0)
        card = start.card
        if start.lease:
            self._apply(LeaseTaken(start.lease))
        self._apply(
            TaskStarted(
                task_id=card.task_id,
                card_sha256=card.sha256,
                base_sha=start.base_sha,
                start_sha=start.start_sha,
                limits=start.limits,
                at=self._clock.now(),
                verify=start.verify,
                source=start.source,
                starter=start.starter,
                publishes=start.publishes,
                base_branch=start.base_branch,
                work_branch=start.work_branch,
            ),
            {bus.TASK_CARD: card.to_json("in_progress")},
        )

    def _continue(self, start: Start, recorded: LoopState) -> None:
        if recorded.contradiction:
            raise StateRefused(
                f"The recorded loop cannot be continued: {recorded.contradiction}.",
                "Restore state.json from archive/, or start anew without --resume.",
            )
        if recorded.task_id != start.card.task_id:
            raise StateRefused(
                f"The recorded loop is {recorded.task_id}, the card is {start.card.task_id}.",
                "Give the card of the recorded loop with --task, or start anew without --resume.",
            )
        if recorded.card_sha256 not in {"", start.card.sha256}:
            raise StateRefused(
                f"The card of {recorded.task_id} is not the one that the loop was started with.",
                "Restore it, or start anew without --resume.",
            )
        self._state = recorded
        if recorded.finished:
            return
        tip = self._store.work_tip
        moved = bool(tip) and tip != recorded.branch_tip
        accepted = moved and "human_push" in recorded.reasons
        if start.lease:
            self._apply(LeaseTaken(start.lease))
        if recorded.state is Phase.DONE and recorded.resume_phase is None:
            return
        self._apply(LoopResumed(start.limits, self._clock.now(), head_sha=tip if accepted else ""))
        if moved and not accepted and self._state.state is not Phase.DONE:
            error = (
                f"The work branch is at {tip[:10]}, the loop left it at {recorded.branch_tip[:10]}."
                " Start the loop again to accept the commits that were pushed to it."
            )
            self._halt(Outcome.NEEDS_HUMAN, error, ("human_push",))

    def run(self, card: TaskCard, last_round: int | None = None) -> LoopState:
        """Perform what is outstanding until the loop, or its round `last_round`, is over.

        Raises:
            PushRejected: another run owns the loop; nothing of ours was recorded since.
        """
        self._card = card
        try:
            self._check_agents()
            while (effect := outstanding(self._state)) and not _beyond(effect, last_round):
                if isinstance(effect, Publish) and self._forge_is_down:
                    break
                self._perform(effect, card)
        except KeyboardInterrupt as stop:
            if self._state.state in {Phase.AWAITING_WORK, Phase.AWAITING_REVIEW}:
                wip = stop.wip if isinstance(stop, Interrupted) else None
                self._halt(Outcome.INTERRUPTED, "The run was interrupted.", wip=wip)
        return self._state

    def hand_over(self, forge: Forge | None, continuation: Continuation | None) -> LoopState:
        """Release the lease, record which round is to follow, and dispatch it last of all."""
        running = self._state.state in {Phase.AWAITING_WORK, Phase.AWAITING_REVIEW}
        if running and self._state.usage.dispatches >= self._state.limits.max_dispatches:
            error = f"All {self._state.limits.max_dispatches} dispatches are used."
            self._halt(Outcome.NEEDS_HUMAN, error, ("budget",))
            running = False
            self._publish_the_end()
        self._apply(HandedOver(self._state.round if running else None))
        self._sync()
        if running and forge and continuation and continuation.workflow:
            inputs = {
                "task-id": self._state.task_id,
                "round": str(self._state.round),
                "expected-state": str(self._state.seq),
            }
            forge.dispatch(continuation.workflow, continuation.ref, inputs)
            self._reporter.note(f"Round {self._state.round} is dispatched.")
        return self._state

    @property
    def state(self) -> LoopState:
        """The state as last recorded."""
        return self._state

    def _check_agents(self) -> None:
        if self._state.state not in {Phase.AWAITING_WORK, Phase.AWAITING_REVIEW}:
            return
        outcomes = {
            Role.WORKER: Outcome.WORKER_DISPATCH_FAILED,
            Role.REVIEWER: Outcome.REVIEWER_DISPATCH_FAILED,
        }
        for role, agent in self._agents.items():
            why = agent.check()
            if why:
                self._halt(outcomes[role], why)
                return

    def _perform(self, effect: Effect, card: TaskCard) -> None:
        if isinstance(effect, Verify):
            self._verify(effect)
        elif isinstance(effect, Publish):
            self._publish(effect, card)
        else:
            self._run_agent(effect, card)

    def _verify(self, effect: Verify) -> None:
        where = "the base commit" if effect.at_base else effect.sha[:10]
        self._reporter.note(f"Running the verify commands at {where}.")
        timeout = self._options.verify_timeout
        verification = self._verifier.verify(effect.sha, self._state.verify, timeout)
        for result in verification.results:
            if result.exit_code:
                self._reporter.note(f"It fails: {result.command} (exit code {result.exit_code})")
        if effect.at_base:
            self._apply(BaseVerified(verification, self._clock.now()))
        else:
            self._apply(HeadVerified(verification))

    def _run_agent(self, effect: RunAgent, card: TaskCard) -> None:
        spent = over_budget(self._state.limits, self._state.usage)
        if spent:
            self._halt(Outcome.NEEDS_HUMAN, spent, ("budget",))
            return
        if effect.delay:
            self._reporter.note(f"Waiting {effect.delay:g} s before the next attempt.")
            self._clock.sleep(effect.delay)
        if effect.role is Role.WORKER:
            self._run_worker(effect, card)
        else:
            self._run_reviewer(effect, card)

    def _run_worker(self, effect: RunAgent, card: TaskCard) -> None:
        if effect.attempt == 1:
            self._reporter.event("round_start", self._state, {})
        briefing = self._worker.briefing(self._state, card)
        packet = {bus.TASK_PACKET: bus.encoded(briefing.packet.document())}
        if self._started(effect, {bus.WORK_REPORT: None, bus.REVIEW_REPORT: None, **packet}):
            outcome = self._worker.run(self._state, card, effect, briefing.context)
            self._apply_work(outcome.event, dict(outcome.files))

    def _run_reviewer(self, effect: RunAgent, card: TaskCard) -> None:
        request, diff = self._reviewer.request(self._state, card)
        files = self._kept(self._state, bus.REVIEW_REQUEST, request)
        if self._started(effect, {**files, bus.REVIEW_REPORT: None}):
            outcome = self._reviewer.run(self._state, card, effect, request, diff)
            self._apply_review(outcome.event, dict(outcome.files))

    def _started(self, effect: RunAgent, files: Files) -> bool:
        """Make the attempt durable; whether the loop is still ours to spend on."""
        self._apply(AttemptStarted(effect.role, self._clock.now()), files)
        self._sync()
        return self._state.state is not Phase.DONE

    def _apply_work(self, event: Event, files: dict[str, bytes | None]) -> None:
        """Record the work together with what it hands over."""
        if isinstance(event, WorkReported):
            after = transition(self._state, event)
            handed = handoff.of_worker(after, event.report, event.at)
            files[handoff.path(after.task_id, Role.WORKER, after.round)] = bus.encoded(handed)
        self._apply(event, files)

    def _apply_review(self, event: Event, files: dict[str, bytes | None]) -> None:
        """Record a review together with the fix list or the summary that follows from it."""
        if isinstance(event, ReviewReported):
            before, after = self._state, transition(self._state, event)
            report = self._reviewer.work_report(before)
            handed = handoff.of_reviewer(after, event.report, event.at)
            files[handoff.path(after.task_id, Role.REVIEWER, before.round)] = bus.encoded(handed)
            if after.outcome is Outcome.APPROVED:
                files |= self._kept(after, bus.SUMMARY, bus.summary(after, report, event.report))
            else:
                files |= self._kept(after, bus.FIX_LIST, bus.fix_list(after, report, event.report))
        self._apply(event, files)

    def _kept(self, state: LoopState, name: str, document: bus.Document) -> dict[str, bytes | None]:
        encoded = bus.encoded(document)
        return {name: encoded, bus.archived(state.task_id, state.round, name): encoded}

    def _publish(self, effect: Publish, card: TaskCard) -> None:
        if self._publisher is None:
            raise StateRefused(
                "This loop has posts to publish, and no forge is configured for this run.",
                "Continue it in the action, or give it a github-token.",
            )
        self._sync()
        try:
            for item in effect.items:
                if item in self._state.outbox:
                    self._apply(self._publisher.publish(self._state, card, item))
        except ForgeUnavailable as error:
            self._reporter.warn(f"{error} What was to be posted stays outstanding.")
            self._forge_is_down = True

    def _publish_the_end(self) -> None:
        """Show a stop that was found only when the round was over."""
        effect = outstanding(self._state)
        if isinstance(effect, Publish) and self._card is not None and not self._forge_is_down:
            self._publish(effect, self._card)

    def _sync(self) -> None:
        """Make everything durable; a work branch that a person moved is left where it is."""
        moved = "human_push" in self._state.reasons
        try:
            self._store.sync("" if moved else self._state.branch_tip)
        except WorkMoved:
            self._keep_aside()

    def _keep_aside(self) -> None:
        """A person pushed while the worker was at work: lose neither, and ask."""
        branch = self._store.keep_aside(self._state.branch_tip)
        error = (
            f"Somebody pushed to the work branch while an agent was at work. Its commits are on"
            f" {branch}: take from them what you want, then start the loop again."
        )
        if self._state.state is Phase.DONE:
            self._apply(LoopResumed(self._state.limits, self._clock.now()))
        self._halt(Outcome.NEEDS_HUMAN, error, ("human_push",))
        self._store.sync("")

    def _halt(
        self,
        outcome: Outcome,
        error: str,
        reasons: tuple[Reason, ...] = (),
        wip: Wip | None = None,
    ) -> None:
        self._apply(Halted(outcome, error, self._clock.now(), reasons, wip))

    def _apply(self, event: Event, files: Files | None = None) -> None:
        before, after = self._state, transition(self._state, event)
        try:
            self._store.save(after, event, files or {})
        except KeyboardInterrupt:
            # What happened has happened: an interruption waits until it is recorded.
            self._store.save(after, event, files or {})
            self._state = after
            raise
        self._state = after
        self._tell(before, event)

    def _tell(self, before: LoopState, event: Event) -> None:
        after = self._state
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


def _beyond(effect: Effect, last_round: int | None) -> bool:
    """Whether `effect` belongs to a later round than this run was asked for."""
    return isinstance(effect, RunAgent) and last_round is not None and effect.round > last_round
