"""A loop of fakes that outlives the engines that run it, and a fuse that makes any call fail."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes import (
    Act,
    FakeClock,
    FakeSandbox,
    FakeVerifier,
    FixedGuides,
    MemoryBaseBranch,
    MemoryForge,
    MemoryMailbox,
    MemoryRepository,
    MemoryServer,
    MemoryStore,
    MemoryWorkspaces,
    RecordingReporter,
    ScriptedFakeAgent,
)

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.entering import Start
from loop_kit.core.loop.state import Lease, Limits, LoopState, Role, parse_state
from loop_kit.engine import Engine
from loop_kit.engine.attempt import Dispatcher
from loop_kit.engine.briefing import Briefer
from loop_kit.engine.cancellation import CancellationCheck
from loop_kit.engine.checks import ChecksReader
from loop_kit.engine.groundwork import Groundwork
from loop_kit.engine.options import Continuation, Options
from loop_kit.engine.people import PeopleReader
from loop_kit.engine.publisher import Publisher
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.engine.worker import WorkerPass
from loop_kit.ports import Assignment

CARD = TaskCard(task_id="T-001", goal="It works", acceptance_criteria=("a", "b"))
WORK_BRANCH = "loop/T-001/work"
BLOCKER = {"severity": "high", "file": "a.py", "reason": "wrong", "scenario": "a(1) fails"}


class Died(Exception):
    """The process is gone."""


class Fuse:
    """Raises `error` at the `n`th time that it is passed, and lets everything through before."""

    def __init__(self, n: int = 0, error: type[BaseException] = Died) -> None:
        self._n = n
        self._error = error
        self.passed: list[str] = []

    def burn(self, where: str) -> None:
        self.passed.append(where)
        if len(self.passed) == self._n:
            raise self._error(where)


class Fused:
    """Any port, with the fuse before and after each call."""

    def __init__(self, port: Any, fuse: Fuse, name: str) -> None:
        self._port = port
        self._fuse = fuse
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._port, attribute)
        if not callable(found):
            return found

        def called(*args: Any, **kwargs: Any) -> Any:
            self._fuse.burn(f"before {self._name}.{attribute}")
            answer = found(*args, **kwargs)
            self._fuse.burn(f"after {self._name}.{attribute}")
            return answer

        return called


def two_rounds(job: Assignment) -> Act:
    """A worker whose first round is sent back and whose second is approved."""
    if job.role is Role.WORKER:
        name = f"a{job.round}.py"
        return Act({"notes": name}, {name: b"work\n"}, commit=f"Round {job.round}")
    if job.round == 1:
        return Act({"decision": "changes_required", "blocking_issues": [BLOCKER]})
    return approval(job)


def approval(job: Assignment) -> Act:
    """A verdict with everything that strict evidence asks for."""
    return Act(
        {
            "decision": "approve",
            "files_examined": [f"a{job.round}.py"],
            "dispositions": [{"id": f"F{n}", "status": "fixed"} for n in range(1, 4)],
            "criteria": [
                {"id": "C1", "met": True, "evidence": "seen"},
                {"id": "C2", "met": True, "evidence": "seen"},
            ],
        }
    )


@dataclass
class World:
    """Everything that survives a process, and what was ever asked of an agent."""

    scratch: Path
    script: Callable[[Assignment], Act] = two_rounds
    card: TaskCard = CARD
    guides: FixedGuides = field(default_factory=FixedGuides)
    local: bool = False
    limits: Limits = field(default_factory=lambda: Limits(evidence="strict"))
    verify: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    server: MemoryServer = field(default_factory=MemoryServer)
    repository: MemoryRepository = field(default_factory=MemoryRepository)
    forge: MemoryForge = field(default_factory=MemoryForge)
    clock: FakeClock = field(default_factory=FakeClock)
    reporter: RecordingReporter = field(default_factory=RecordingReporter)
    base_branch: MemoryBaseBranch = field(default_factory=MemoryBaseBranch)
    sandbox: FakeSandbox = field(default_factory=FakeSandbox)
    watched: bool = False
    second_missing: str = ""
    jobs: list[Assignment] = field(default_factory=list)
    holders: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.base = self.repository.commit("", {"a.py": b"old\n"}, "Base")
        self.server.forward = lambda old, new: old in self.repository.line(new)
        self.mailbox = MemoryMailbox()
        self.workspaces = MemoryWorkspaces(self.repository)
        self.verifier = FakeVerifier(self.repository)

    def agent(self) -> ScriptedFakeAgent:
        agent = ScriptedFakeAgent(self.script, self.workspaces, self.mailbox)
        agent.jobs = self.jobs
        return agent

    def engine(self, fuse: Fuse | None = None, agent: ScriptedFakeAgent | None = None) -> Engine:
        fuse = fuse or Fuse()
        store: Any = Fused(MemoryStore(self.server, durable_at_once=self.local), fuse, "store")
        self._newest = store
        forge: Any = Fused(self.forge, fuse, "forge")
        workspaces: Any = Fused(self.workspaces, fuse, "workspaces")
        verifier: Any = Fused(self.verifier, fuse, "verifier")
        played: Any = Fused(agent or self.agent(), fuse, "agent")
        agents = dict.fromkeys(Role, played)
        if self.second_missing:
            missing = self.agent()
            missing.missing = self.second_missing
            agents[Role.SECOND_REVIEWER] = missing
        options = self.options
        dispatcher = Dispatcher(
            agents, self.mailbox, self.guides, self.clock, self.reporter, options, self.scratch
        )
        briefer = Briefer(store, self.repository, self.guides)
        worker = WorkerPass(
            dispatcher, workspaces, verifier, self.repository, store, briefer, options
        )
        base_branch: Any = Fused(self.base_branch, fuse, "base_branch")
        groundwork = Groundwork(
            *(self.sandbox, workspaces, verifier, self.clock, self.reporter, options),
            *(base_branch, forge),
        )
        return Engine(
            store=store,
            groundwork=groundwork,
            agents=agents,
            worker=worker,
            reviewer=ReviewerPass(
                *(dispatcher, workspaces, self.repository, store, briefer), groundwork.look
            ),
            clock=self.clock,
            reporter=self.reporter,
            options=options,
            publisher=Publisher(
                forge, store, self.reporter, options, worker.diff, dict.fromkeys(Role, "fake")
            ),
            cancellation=CancellationCheck(forge, self.reporter) if self.watched else None,
            checks=ChecksReader(forge, self.clock, self.reporter, {"loop.yml"}),
        )

    def load(self) -> LoopState | None:
        """The state as the store of the newest engine has it from now on."""
        loaded: LoopState | None = self._newest.load()
        return loaded

    def time_limits(self) -> list[float]:
        """The limits of time that the newest store was given, in seconds."""
        limits: list[float] = self._newest.limits
        return limits

    def start(self) -> Start:
        return Start(
            card=self.card,
            base_sha=self.base,
            start_sha=self.base,
            limits=self.limits,
            verify=self.verify,
            fresh=not self.server.state,
            publishes=not self.local,
            base_branch="main",
            work_branch=WORK_BRANCH,
            lease=Lease(holder=f"holder-{next(self.holders)}") if not self.local else None,
        )

    def read_people(self, engine: Engine, forge: Any) -> None:
        """Read what people wrote in reviews; their commands need nothing."""
        PeopleReader(forge, self.clock.now, self.limits, lambda command, _: command).read(engine)

    def job(self, fuse: Fuse | None = None) -> LoopState:
        """One job as in CI: one round, then the next one is dispatched; locally, all rounds."""
        fuse = fuse or Fuse()
        engine = self.engine(fuse)
        state = engine.begin(self.start(), self.load())
        if self.local:
            return engine.run()
        forge: Any = Fused(self.forge, fuse, "forge")
        if state.is_running:
            self.read_people(engine, forge)
        engine.run(last_round=state.round, on_approval=lambda: self.read_people(engine, forge))
        return engine.hand_over(forge, Continuation("loop.yml", "main"))

    def to_the_end(self, jobs: int = 6) -> LoopState:
        """Run jobs until the loop needs none."""
        for _ in range(jobs):
            state = self.job()
            if state.continue_to is None:
                return state
        raise AssertionError("the loop does not end")

    def saved_reviews(self) -> set[tuple[Role, int]]:
        """The reviews that are durable: those of decided rounds, and an approval that waits."""
        if not self.server.state:
            return set()
        state = parse_state(self.server.state)
        both = (Role.REVIEWER, Role.SECOND_REVIEWER)
        saved = {(role, r.round) for r in state.history if r.decision for role in both}
        return saved | ({(Role.REVIEWER, state.round)} if state.second else set())

    def asked(self, role: Role) -> list[int]:
        """The rounds of the attempts of one role, in their order."""
        return [job.round for job in self.jobs if job.role is role]

    def commented(self) -> list[str]:
        """The first line of every comment on every pull request."""
        return [post.body.splitlines()[0] for pull in self.forge.pulls for post in pull.comments]

    def posted(self) -> list[str]:
        """The first line of every post on every pull request."""
        return [post.body.splitlines()[0] for pull in self.forge.pulls for post in pull.posts]
