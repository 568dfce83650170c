"""The rule that ends a loop whose runs die leaves notes, as every rule does."""

from __future__ import annotations

from tests.core import builders as b

from loop_kit.core.loop.messages import AttemptStarted, LoopResumed
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Role


def died(state: LoopState, role: Role = Role.WORKER) -> LoopState:
    """`state` after a run that died while this agent was running."""
    started = b.after(state, AttemptStarted(role, b.AT))
    return b.after(started, LoopResumed(limits=Limits(), at=b.AT, run_lost=True))


def test_one_run_that_died_is_noted_with_how_many_end_the_loop() -> None:
    state = died(b.awaiting_work())

    assert state.is_running
    assert [(note.rule, note.text) for note in state.rule_notes] == [
        (
            "lost_runs",
            f"Runs that died while the worker was running at {state.tip[:7]},"
            " without an error of loop-kit: 1; 2 end the loop.",
        )
    ]


def test_the_second_ends_the_loop_and_is_noted_too() -> None:
    state = died(died(b.awaiting_work()))

    assert state.outcome is Outcome.WORKER_DISPATCH_FAILED
    assert state.rule_notes[-1].text.endswith(": 2, which ends the loop.")


def test_the_notes_are_recorded_with_the_round_when_it_is_reviewed() -> None:
    state = died(b.awaiting_work())
    state = b.after(state, AttemptStarted(Role.WORKER, b.AT), b.work_reported(1, 1))
    state = b.after(state, AttemptStarted(Role.REVIEWER, b.AT), b.rejected(1))

    assert state.rule_notes == ()
    assert state.history[0].rules[0].rule == "lost_runs"


def test_a_loop_that_is_continued_by_a_person_has_no_such_note() -> None:
    state = b.after(b.awaiting_work(), LoopResumed(limits=Limits(), at=b.AT))

    assert state.rule_notes == ()
