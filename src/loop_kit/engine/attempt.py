"""What the attempts of worker and reviewer share: mailbox, prompt, agent, and how it failed."""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path

from loop_kit.core.agent.diagnosis import ProblemKind, sandbox_hint
from loop_kit.core.briefing.prompts import Guidance, Paths
from loop_kit.core.loop import bus, failures, passes, policy, sessions
from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.messages import (
    AttemptFailed,
    Event,
    Failure,
)
from loop_kit.core.loop.state import LoopState, Role, Session, Spent, Wip
from loop_kit.core.loop.trailers import Origin
from loop_kit.core.loop.usage import unknown_cost
from loop_kit.core.text.own_paths import without_folders
from loop_kit.engine.attempt_metrics import AttemptMetrics
from loop_kit.engine.attempt_record import keep_failure, keep_prompt, keep_result
from loop_kit.engine.delivered import Delivered, receive
from loop_kit.engine.options import Options
from loop_kit.frozen import frozen
from loop_kit.ports import (
    Agent,
    AgentExit,
    Assignment,
    Clock,
    Delivery,
    Guides,
    Mailbox,
    NoRecord,
    Record,
    Reporter,
    Tampered,
    Workspace,
)

_MAX_PAUSE_SEC = 15 * 60.0


@frozen
class AttemptResult:
    """An event and the bus files that go with it."""

    event: Event
    files: Mapping[str, bytes | None] = field(default_factory=dict)


class Interrupted(KeyboardInterrupt):
    """The run is interrupted; `wip` is what the agent had done, `result` the whole if it was over.

    An agent that has ended is paid: what it delivered is judged and recorded all the same.
    `elsewhere` says that it was interrupted in another job, so that this one has all its time.
    """

    def __init__(
        self,
        wip: Wip | None = None,
        result: AttemptResult | None = None,
        *,
        elsewhere: bool = False,
    ) -> None:
        super().__init__()
        self.wip = wip
        self.result = result
        self.elsewhere = elsewhere


class Dispatcher:
    """Hands one attempt to an agent; returns how it ended and what it reported."""

    def __init__(
        self,
        agents: Mapping[Role, Agent],
        mailbox: Mailbox,
        guides: Guides,
        clock: Clock,
        reporter: Reporter,
        options: Options,
        scratch: Path,
        explain_missing: Callable[[Role, int], tuple[Failure, str]] | None = None,
        record: Record | None = None,
    ) -> None:
        """`explain_missing` says why a report is missing where another job has run the agent."""
        self._agents = agents
        self._mailbox = mailbox
        self._guides = guides
        self._clock = clock
        self._reporter = reporter
        self._options = options
        self._scratch = scratch
        self._explain_missing = explain_missing
        self._record: Record = record or NoRecord()
        self._unpriced: set[str] = set()
        self._folders: tuple[str, ...] = ()
        self._deadline = clock.seconds() + options.round_timeout if options.round_timeout else None

    def warn(self, message: str) -> None:
        """Pass on a warning."""
        self._reporter.warn(message)

    def note(self, message: str) -> None:
        """Pass on a note."""
        self._reporter.note(message)

    def dispatch(
        self,
        state: LoopState,
        effect: RunAgent,
        workspace: Workspace,
        inputs: Mapping[str, bytes | Path],
        prompt: Callable[[Paths], str],
    ) -> tuple[AgentExit, Delivered]:
        """Run the agent; how it ended, and what it delivered."""
        agent = self._agents[effect.role]
        delivery = self._post(state, effect, workspace, inputs)
        places = (delivery.report, delivery.folder)
        paths = Paths(*(_visible_path(place, workspace.path) for place in places))
        assignment = Assignment(
            role=effect.role,
            task_id=state.task_id,
            round=effect.round,
            attempt=effect.attempt,
            base_sha=state.compared_with,
            workspace=workspace.path,
            mailbox=delivery.folder,
            report=delivery.report,
            report_in_workspace=delivery.in_workspace,
            prompt=prompt(paths),
            timeout=self._timeout(state),
            idle_timeout=self._options.idle_timeout,
            artifact_timeout=self._options.artifact_timeout,
            session=_resumable_session(agent, effect.session),
            max_turns=self._options.max_turns,
            max_cost_usd=policy.money_left(state.limits, state.usage),
            environment=workspace.environment,
            further=passes.number(state),
            output=self._record.output_file(state, effect.role, effect.round, effect.attempt),
        )
        keep_prompt(self._record, state, effect, assignment.prompt)
        where = {"role": effect.role.value, "attempt": effect.attempt, "backend": agent.name}
        self._report_session(state, effect, assignment, where)
        self._reporter.event("dispatch_start", state, where)
        self._reporter.start_attempt(effect.role, effect.round, effect.attempt, agent.name)
        metrics = AttemptMetrics(self._reporter, self._clock, state, where)
        try:
            ended = self._with_backend(effect.role, agent.run(assignment, metrics))
            workspace.agent_ended()
            delivered = receive(self._mailbox, delivery, self._cleaner(workspace, delivery))
        finally:
            self._mailbox.discard(delivery)
        keep_result(self._record, state, effect, self.now(), ended, delivered)
        self._report_end(state, effect, ended, delivered, metrics)
        return ended, delivered

    def _cleaner(self, workspace: Workspace, delivery: Delivery) -> Callable[[str], str]:
        """Takes secrets out of a text, and makes paths of the workspace relative."""
        self._folders = (str(workspace.path), str(delivery.folder))
        return lambda text: without_folders(self._options.redact(text), self._folders)

    def _with_backend(self, role: Role, ended: AgentExit) -> AgentExit:
        """`ended`, with who has spent; an agent that ran in another job knows that itself."""
        spent = ended.spent
        if spent.backend is None:
            named = spent.model or self._options.models.get(role) or None
            about = {"backend": self._agents[role].name, "model": named}
            spent = self._options.estimate(spent.model_copy(update=about))
        return replace(ended, spent=spent)

    def _warn_of_unknown_cost(self, state: LoopState, role: Role, spent: Spent) -> None:
        """Warn once where the budget in money cannot count what an agent used."""
        known = spent.cost_usd is not None or spent.estimated_cost_usd is not None
        name = self._agents[role].name
        limited = state.limits.max_cost_usd is not None and self._agents[role].is_program
        if known or not limited or name in self._unpriced:
            return
        self._unpriced.add(name)
        self._reporter.warn(unknown_cost(name, spent))

    def _post(
        self,
        state: LoopState,
        effect: RunAgent,
        workspace: Workspace,
        inputs: Mapping[str, bytes | Path],
    ) -> Delivery:
        """The mailbox of the attempt; a program finds the bus in its workspace too."""
        files = {**inputs, bus.STATE: bus.encode(bus.state_for_agents(state))}
        reads_bus = self._agents[effect.role].is_program
        mailbox, attempt = self._mailbox, effect.attempt
        return mailbox.post(
            effect.role, effect.round, attempt, files, workspace if reads_bus else None
        )

    def _report_session(
        self,
        state: LoopState,
        effect: RunAgent,
        assignment: Assignment,
        where: Mapping[str, object],
    ) -> None:
        """Report whether a session is resumed, for agents that could."""
        if state.limits.session_rounds is None or not self._agents[effect.role].is_program:
            return
        status = "resume_rotated" if effect.rotated else "resume_miss"
        resume: dict[str, object] = {"status": status, "session_id": None}
        if assignment.session is not None:
            started = assignment.session.started_round
            resume = {"status": "resume_hit", "session_id": assignment.session.session_id}
            resume["session_started_round"] = started
        self._reporter.event("dispatch_resume", state, {**where, **resume})

    def _report_end(
        self,
        state: LoopState,
        effect: RunAgent,
        ended: AgentExit,
        delivered: Delivered,
        metrics: AttemptMetrics,
    ) -> None:
        data: dict[str, object] = {
            "role": effect.role.value,
            "backend": self._agents[effect.role].name,
            "attempt": effect.attempt,
            "returncode": ended.exit_code,
            "spent": ended.spent.model_dump(exclude_none=True),
            "session_id": ended.session_id,
        }
        hint = sandbox_hint(ended.exit_code, ended.stderr, state.sandbox)
        if hint is not None:
            self._reporter.warn(hint)
        kind = ended.problem.kind if ended.problem else None
        if kind is not None:
            data["problem"] = kind.value
        broken = ended.exit_code != 0 or bool(ended.timed_out)
        self._reporter.event("dispatch_fail" if broken else "dispatch_complete", state, data)
        if delivered is not None:
            self._reporter.event("dispatch_artifact_written", state, data)
        if self._agents[effect.role].is_program:
            metrics.end(reported=delivered is not None)
        if kind is ProblemKind.INVALID_SESSION:
            fallback = {"status": "fallback_invalid_resume", "role": effect.role.value}
            self._reporter.event("dispatch_resume", state, fallback)
        self._warn_of_unknown_cost(state, effect.role, ended.spent)
        note = ended.timed_out or (f"exit code {ended.exit_code}" if broken else "ended")
        self._reporter.end_attempt(effect.role, metrics.seconds, note)
        if ended.tampered:
            raise Tampered(ended.tampered, ended.spent)

    def failure_event(
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
        """The event for an attempt without a usable report.

        When the process itself failed, that is the reason; what the report lacks is not.
        """
        agent = self._agents[role]
        asked = ended.problem.retry_after if ended.problem else None
        if failure is Failure.NO_REPORT and self._explain_missing is not None:
            failure, message = self._explain_missing(role, passes.number(state))
        if failure in {Failure.NO_REPORT, Failure.INVALID_REPORT}:
            failure, message = self._find_cause(state, role, ended, failure, message)
        keep_failure(self._record, state, role, failure, message)
        wait = failures.next_pause(state, role, asked)
        if failure is Failure.TRANSIENT and wait > self._longest_pause():
            failure = Failure.DEFERRED
            until = self._clock.later(wait)
            message = f"{message} A pause of {wait:.0f} s is due: try again after {until}."
        return AttemptFailed(
            role=role,
            failure=failure,
            message=without_folders(message, self._folders),
            at=self.now(),
            spent=ended.spent,
            repairable=agent.is_program,
            work_sha=work_sha,
            wip=wip,
            session=self.session(state, role, ended),
            retry_after=asked,
            further=passes.number(state),
        )

    def refused_files(
        self, state: LoopState, role: Role, delivered: Delivered, reason: str
    ) -> dict[str, bytes | None]:
        """What the failed attempt delivered, if anything, for the archive."""
        if delivered is None or state.attempt is None:
            return {}
        path = bus.refused_path(state.task_id, state.round, role, state.attempt.number)
        branch = f"on the branch {state.state_branch}"
        where = branch if state.state_branch else "in the loop's folder"
        self._reporter.note(f"The {role.words}'s report is refused; it is kept as {path} {where}.")
        return {path: bus.refused_report(reason, delivered.written)}

    def _find_cause(
        self, state: LoopState, role: Role, ended: AgentExit, failure: Failure, message: str
    ) -> tuple[Failure, str]:
        """The failure and its message, of the process where that is to blame."""
        agent, code, problem = self._agents[role], ended.exit_code, ended.problem
        in_ci = state.lease is not None
        resumed = _resumable_session(agent, sessions.due_session(state, role)[0]) is not None
        found = failures.process_failure(code, ended.timed_out, problem, resumed=resumed)
        if found is None:
            explained = failures.explain_unfinished(message, agent.name, role, problem, in_ci=in_ci)
            return failure, explained
        if found is Failure.TIMEOUT:
            return found, failures.explain_timeout(ended.timed_out, agent.name, problem)
        if found is Failure.STALE_SESSION:
            self._reporter.note(f"{agent.name} could not resume its session; starting a new one.")
        explained = failures.explain_failure(agent.name, role, code, problem, found, in_ci=in_ci)
        return found, explained

    def reviewer(self, role: Role) -> str:
        """The backend of a reviewer, with its model after a colon where one is set."""
        return ":".join(filter(None, (self._agents[role].name, self._options.models.get(role))))

    def trailers(self, state: LoopState, spent: Spent | None = None) -> tuple[str, ...]:
        """The last lines of the messages of the worker's commits; `spent` says who has spent."""
        backend = self._agents[Role.WORKER].name
        model = (spent and spent.model) or self._options.models.get(Role.WORKER) or ""
        origin = Origin(state.task_id, state.round, backend, model)
        return origin.trailers(self._options.sign_off)

    def is_program(self, role: Role) -> bool:
        """Whether a program works in `role`, which can be asked again at once."""
        return self._agents[role].is_program

    def takes_passes(self, role: Role) -> bool:
        """Whether it is no person who reviews; in another job it was none."""
        return self.is_program(role) or self._explain_missing is not None

    def guidance(self, role: Role) -> Guidance:
        """The trusted texts for `role`."""
        return self._guides.guidance(role)

    def session(self, state: LoopState, role: Role, ended: AgentExit) -> Session | None:
        """The session that this attempt left, when the backend reported its id."""
        if not ended.session_id:
            return None
        held = state.sessions.get(role.value)
        base = held if held is not None and held.session_id == ended.session_id else None
        fresh = Session(
            session_id=ended.session_id,
            backend=self._agents[role].name,
            started_round=state.round,
        )
        tokens = ended.thread_tokens
        used: dict[str, int | None] = {}
        if tokens is not None:
            used = {"tokens_in": tokens[0], "tokens_out": tokens[1]}
            used["tokens_cached"] = ended.thread_cached
        return (base or fresh).model_copy(update=used)

    def now(self) -> str:
        """The time for an event."""
        return self._clock.now()

    def patch_path(self, state: LoopState) -> Path:
        """Where a diff goes that is too long for the review request."""
        return self._scratch / f"r{state.round}_review.patch"

    def _timeout(self, state: LoopState) -> float | None:
        """The least of what was asked for, what is left of the round, and of the loop's minutes."""
        bounds = [self._options.dispatch_timeout, policy.seconds_left(state.limits, state.usage)]
        if self._deadline is not None:
            bounds.append(self._deadline - self._clock.seconds())
        known = [bound for bound in bounds if bound is not None]
        return max(1.0, min(known)) if known else None

    def _longest_pause(self) -> float:
        """The longest pause, in seconds, that this run can make before the next attempt."""
        if self._deadline is None:
            return _MAX_PAUSE_SEC
        return self._deadline - self._clock.seconds()


def _resumable_session(agent: Agent, held: Session | None) -> Session | None:
    """The session that is due, unless it is one of another backend."""
    return held if held is not None and held.backend == agent.name else None


def _visible_path(path: Path, workspace: Path) -> str:
    """`path` as the agent should see it: relative inside its workspace, with forward slashes."""
    if path.is_relative_to(workspace):
        return path.relative_to(workspace).as_posix()
    return str(path)
