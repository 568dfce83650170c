"""Runs one simulated loop through the real engine: how it ended, beside how it really is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes import (
    FakeSandbox,
    FixedGuides,
    MemoryMailbox,
    MemoryWorkspaces,
    ScriptedFakeAgent,
)
from tests.simulation.agents import Cast, Review
from tests.simulation.losses import event
from tests.simulation.ports import QuickRepository, QuickStore, Silence, StoppedClock, Tests
from tests.simulation.traits import Population
from tests.simulation.world import Change, Dice

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.entering import Start
from loop_kit.core.loop.findings import later_findings, open_findings
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Role
from loop_kit.engine import Engine
from loop_kit.engine.attempt import Dispatcher
from loop_kit.engine.briefing import Briefer
from loop_kit.engine.groundwork import Groundwork
from loop_kit.engine.options import Options
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.engine.worker import WorkerPass

CARD = TaskCard(task_id="T-1", goal="It works", acceptance_criteria=("All of it works",))
STOPS = frozenset({"stalled", "contested", "diff_growth", "bar"})
RESUMES = 2
"""How often an operational failure is continued, as `/loop retry` or the sweep does."""


@dataclass(frozen=True)
class Policy:
    """Rules to run loops under."""

    name: str
    limits: Limits
    on_word: bool = False
    """An approval closes what it does not mention, as agent-task-runner took it."""
    prompted: bool = True
    """The reviewer gets our prompts, and not those of agent-task-runner."""
    verifies: bool = True
    """The verify commands of a card are run."""
    continues: bool = True
    """A malformed report goes back once, and a loop that failed is continued."""


@dataclass(frozen=True)
class Result:
    """How one loop ended, and how the change really is then."""

    population: str
    outcome: str
    reasons: tuple[str, ...]
    rounds: int
    calls: int
    is_right: bool
    """Whether no production bug is in the change as it is."""
    fails_audit: bool
    """Whether a careful review would find one."""
    cannot: bool
    """Whether no loop over this change could end in a right approval."""
    growth: float
    """Lines added, beside those of the first work."""
    ignored: int
    """Open findings at the approved head, of which the review did not say that they are fixed."""
    seed: int = 0
    kept: int = 0
    """Findings that its approval lists for later."""
    lost_by: str = ""
    """What kept it from a right approval."""
    false_stop: bool = False
    """Whether a rule stopped it that without that rule would have been rightly approved in time."""
    reported: tuple[tuple[int, int, bool], ...] = field(default=(), compare=False)
    reviews: tuple[tuple[int, int, int], ...] = field(default=(), compare=False)

    @property
    def approved(self) -> bool:
        return self.outcome == "approved"

    @property
    def stopped(self) -> bool:
        """Whether a rule stopped it, and not the number of rounds or a failure."""
        return bool(STOPS & {*self.reasons})


def run(population: Population, policy: Policy, seed: int) -> Result:
    """Run the loop `seed` of a population under a policy, through the engine."""
    change = change_of(population, seed)
    mailbox = MemoryMailbox()
    cast = Cast(
        population,
        change,
        mailbox,
        on_word=policy.on_word,
        prompted=policy.prompted,
        continues=policy.continues,
    )
    state = _play(cast, policy)
    approved = state.outcome is Outcome.APPROVED
    return Result(
        population=population.name,
        outcome=state.outcome.value if state.outcome else "",
        reasons=tuple(state.reasons),
        rounds=state.usage.rounds,
        calls=sum(cast.calls.values()),
        is_right=not change.hides_blocker(),
        fails_audit=change.fails_audit(),
        cannot=cannot_succeed(population, seed),
        growth=sum(change.lines) / max(1, change.lines[0]) if change.lines else 1,
        ignored=(len(open_findings(state.findings)) + len(cast.undisposed)) if approved else 0,
        seed=seed,
        kept=len(later_findings(state.findings)) if approved else 0,
        lost_by=event(state, cast),
        reported=tuple(cast.reported),
        reviews=tuple(cast.carried),
    )


def change_of(population: Population, seed: int) -> Change:
    """The change of loop `seed`, before any work; other populations have other luck."""
    return Change(
        Dice(f"{population.name} {seed}"),
        population.task,
        population.reviewer.sees,
        population.reviewer.second_sees,
        population.worker.hopeless,
    )


def cannot_succeed(population: Population, seed: int) -> bool:
    """Whether no policy could approve this loop rightly, with these agents.

    Where the reviewer is never satisfied after round 1, only a first work can be approved.
    """
    change = change_of(population, seed)
    change.lines.append(1)
    change.first_work()
    if any(bug.hopeless for bug in change.defects):
        return True
    if not population.satisfied_once:
        return False
    review = Review(Cast(population, change, MemoryMailbox()), 1, {}).report()
    return change.hides_blocker() or review["decision"] != "approve"


def _play(cast: Cast, policy: Policy) -> LoopState:
    """The state in which the loop ends."""
    limits = policy.limits
    repository, store = QuickRepository(), QuickStore()
    base = repository.commit("", {"old.py": b"old\n" * 90}, "Base")
    verify = ("make test",) if policy.verifies and cast.change.verified else ()
    begin: Callable[[bool], Start] = lambda fresh: Start(  # noqa: E731
        card=CARD, base_sha=base, start_sha=base, limits=limits, verify=verify, fresh=fresh
    )
    state = LoopState()
    for number in range(1 + (RESUMES if policy.continues else 0)):
        engine = _engine(cast, repository, store)
        engine.begin(begin(number == 0), store.load())
        state = engine.run()
        if state.outcome in {Outcome.APPROVED, Outcome.MAX_ROUNDS_EXHAUSTED, Outcome.NEEDS_HUMAN}:
            break
    return state


def _engine(cast: Cast, repository: QuickRepository, store: QuickStore) -> Engine:
    workspaces = MemoryWorkspaces(repository)
    clock, reporter, options = StoppedClock(), Silence(), Options()
    agent = ScriptedFakeAgent(cast.play, workspaces, cast.mailbox)
    agents = dict.fromkeys(Role, agent)
    guides = FixedGuides()
    dispatcher = Dispatcher(
        agents, cast.mailbox, guides, clock, reporter, options, Path("/nowhere")
    )
    briefer = Briefer(store, repository, guides)
    verifier = Tests(cast.change)
    engine = Engine(
        store=store,
        groundwork=Groundwork(FakeSandbox(), workspaces, verifier, clock, reporter, options),
        agents=agents,
        worker=WorkerPass(dispatcher, workspaces, verifier, repository, store, briefer, options),
        reviewer=ReviewerPass(dispatcher, workspaces, repository, store, briefer),
        clock=clock,
        reporter=reporter,
        options=options,
    )
    cast.state = lambda: engine.state
    return engine
