"""The table of states, every phase with every event, and the diagram that is drawn from it."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
from tests.core import builders as b
from tests.core.loop import state_diagram

from loop_kit.core.checks.reading import Check
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.core.loop.checking import is_approval_held
from loop_kit.core.loop.checks_read import ChecksRead
from loop_kit.core.loop.commands import DECISIONS, VERBS, Command
from loop_kit.core.loop.conversation import PeopleRead, PersonPost
from loop_kit.core.loop.handlers import awaited_role
from loop_kit.core.loop.machine import TABLE, IllegalTransition, transition
from loop_kit.core.loop.messages import (
    AttemptFailed,
    AttemptStarted,
    BaseVerified,
    Commanded,
    Event,
    Failure,
    Halted,
    HandedOver,
    HeadVerified,
    LeaseTaken,
    LoopResumed,
    MergeLeftOut,
    PassSkipped,
    PreparationFailed,
    Published,
    PushWasRefused,
    ReviewReported,
    SandboxChosen,
    SecondReviewSkipped,
    TaskStarted,
    WorkReported,
)
from loop_kit.core.loop.push_refusal import RefusalKind
from loop_kit.core.loop.state import Lease, Limits, LoopState, OutboxItem, Outcome, Phase, Role, Wip

NO_ROUNDS = Limits(max_rounds=0)
RUNNING = (b.awaiting_work(), b.awaiting_review())


def commanded(verb: str, limits: Limits | None = None, comment: int = 1) -> Commanded:
    rounds = 2 if verb == "extend" else 0
    findings = ["F1"] if verb in DECISIONS else []
    command = Command.model_validate(
        {"comment": comment, "verb": verb, "rounds": rounds, "findings": findings}
    )
    return Commanded(command, b.AT, limits)


def sent_back() -> LoopState:
    """A loop in round 2 that waits for the worker, with one finding."""
    return transition(b.awaiting_review(), b.rejected(1))


def nothing_left() -> LoopState:
    """A loop that waits for the worker, though its one finding is for later."""
    state = sent_back()
    later = tuple(f.model_copy(update={"blocking": False}) for f in state.findings)
    return state.model_copy(update={"findings": later})


HELD = transition(b.with_checks(b.awaiting_review()), b.approved(1))

ONE_ROUND = Limits(max_rounds=1)
AWAITING_PASS = (
    b.awaiting_pass(b.approved(1)),
    b.awaiting_pass(b.rejected(1)),
    b.awaiting_pass(b.rejected(1), ONE_ROUND),
    b.awaiting_pass(b.approved(1), Limits(second_reviewer="claude")),
)

STATES: dict[Phase, tuple[LoopState, ...]] = {
    Phase.IDLE: (LoopState(), LoopState(seq=7)),
    Phase.AWAITING_WORK: (
        b.awaiting_work(),
        b.awaiting_work().model_copy(update={"wip": Wip(sha=b.sha(8), commits=1)}),
        sent_back(),
        nothing_left(),
    ),
    Phase.AWAITING_REVIEW: (
        b.awaiting_review(),
        b.awaiting_review(Limits(second_reviewer="claude")),
        b.awaiting_second_review(),
        b.awaiting_second_review().model_copy(update={"verification": b.verified(1, 1)}),
        b.awaiting_second_review("required"),
        *AWAITING_PASS,
        b.with_checks(b.awaiting_review()),
        b.with_checks(b.awaiting_second_review()),
        HELD,
        HELD.model_copy(update={"limits": HELD.limits.model_copy(update={"max_rounds": 1})}),
    ),
    Phase.PAUSED: tuple(transition(state, commanded("pause", comment=9)) for state in RUNNING),
    Phase.DONE: tuple(transition(state, b.halted(Outcome.NEEDS_HUMAN)) for state in RUNNING),
}


def events(kind: type, state: LoopState) -> tuple[Event, ...]:
    """Examples of one kind of event, of the role that is awaited."""
    role = awaited_role(state) or Role.WORKER
    examples: dict[type, tuple[Event, ...]] = {
        TaskStarted: (b.task_started(), b.task_started(NO_ROUNDS)),
        LoopResumed: (b.resumed(), b.resumed(NO_ROUNDS)),
        LeaseTaken: (LeaseTaken(Lease(holder="holder-1")),),
        BaseVerified: tuple(BaseVerified(b.verified(0, code), b.AT) for code in (0, 1, 127)),
        BaseCompared: (
            BaseCompared("1" * 40),
            BaseCompared("1" * 40, "2" * 40, "3" * 40),
            BaseCompared("1" * 40, "2" * 40, "3" * 40, ("a.py",), at=b.AT),
        ),
        HeadVerified: tuple(HeadVerified(b.verified(1, code)) for code in (0, 1)),
        SandboxChosen: (SandboxChosen("namespaces; network: open"),),
        PreparationFailed: (b.unprepared(), b.unconfined()),
        AttemptStarted: (b.attempted(role),),
        AttemptFailed: (b.failed(role, Failure.TRANSIENT), b.failed(role, Failure.PERMANENT)),
        WorkReported: (b.work_reported(1, 1),),
        ReviewReported: (b.approved(1, role=role), b.rejected(1, role=role)),
        SecondReviewSkipped: (SecondReviewSkipped("It cannot be asked.", b.AT),),
        PassSkipped: (PassSkipped(role, "It cannot be had.", b.AT),),
        Halted: tuple(b.halted(outcome) for outcome in Outcome if outcome != Outcome.APPROVED),
        MergeLeftOut: (MergeLeftOut("It is refused."),),
        Published: tuple(
            Published(OutboxItem(key="labels", status=status)) for status in ("done", "refused")
        ),
        Commanded: (
            *(commanded(verb) for verb in VERBS),
            commanded("resume", NO_ROUNDS),
        ),
        PeopleRead: (
            PeopleRead((PersonPost(-7, 7, "mona", "No", "commented"),)),
            PeopleRead(()),
            PeopleRead((), refused=True),
        ),
        HandedOver: (HandedOver(1), HandedOver(None)),
        ChecksRead: tuple(
            ChecksRead(b.AT, (Check("build", state),), start_by=b.LATER, deadline=b.LATER)
            for state in ("passed", "failed", "pending")
        ),
        PushWasRefused: tuple(b.push_refused(kind) for kind in RefusalKind),
    }
    return examples[kind]


PAIRS = list(itertools.product(Phase, get_args(Event)))
LEGAL = [(phase, kind) for phase, kind in PAIRS if kind in TABLE[phase]]
ILLEGAL = [pair for pair in PAIRS if pair not in LEGAL]


def cases(phase: Phase, kind: type) -> list[tuple[LoopState, Event]]:
    states = [s for s in STATES[phase] if kind in TABLE[phase] and is_possible(kind, s)]
    return [(state, event) for state in states or STATES[phase] for event in events(kind, state)]


def is_possible(kind: type, state: LoopState) -> bool:
    """Whether such an event can happen: a second review is awaited, an approval is held."""
    if kind is ChecksRead:
        return state.state is Phase.AWAITING_WORK or is_approval_held(state)
    if kind in {AttemptStarted, AttemptFailed, ReviewReported}:
        return awaited_role(state) is not None
    if kind is PassSkipped:
        return state.further is not None
    return kind is not SecondReviewSkipped or awaited_role(state) is Role.SECOND_REVIEWER


def test_the_table_has_a_row_for_every_phase_and_every_event_in_it_is_one() -> None:
    assert set(TABLE) == set(Phase)
    assert {kind for row in TABLE.values() for kind in row} == set(get_args(Event))


@pytest.mark.parametrize(("phase", "kind"), LEGAL)
def test_an_event_leads_to_the_phases_that_the_table_names_and_to_no_other(
    phase: Phase, kind: type
) -> None:
    _, targets = TABLE[phase][kind]
    drawn = {
        to
        for (source, to), events in state_diagram.moves().items()
        if source == phase and kind.__name__ in events
    }

    reached = set()
    for before, event in cases(phase, kind):
        written = before.to_json()
        after = transition(before, event)
        assert after.seq == before.seq + 1
        assert before.to_json() == written, "the old state was changed"
        reached.add(after.state)

    assert reached == targets
    assert {target.value for target in reached - {phase}} == drawn


@pytest.mark.parametrize(("phase", "kind"), ILLEGAL)
def test_a_pair_that_is_not_in_the_table_is_a_bug(phase: Phase, kind: type) -> None:
    for before, event in cases(phase, kind):
        with pytest.raises(IllegalTransition, match=f"{kind.__name__} while {phase}"):
            transition(before, event)
