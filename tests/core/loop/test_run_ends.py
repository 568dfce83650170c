"""Who ended a run that did not end by itself, and what becomes of the loop that it worked on."""

from __future__ import annotations

import pytest
from tests.core import builders as b

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.entering import Start, resume
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.messages import (
    Halted,
    HandedOver,
    LeaseTaken,
)
from loop_kit.core.loop.run_ends import RunEnd, RunStatus, run_end
from loop_kit.core.loop.state import Lease, Limits, LoopState, Outcome, Phase, Role

LEASE = Lease(holder="one", run_id="7", deadline="2030-01-01T01:30:00Z")
EARLY, LATE = "2030-01-01T00:10:00Z", "2030-01-01T01:31:00Z"
CARD = TaskCard(task_id="T-001", goal="It works")


@pytest.mark.parametrize(
    ("run", "at", "expected"),
    [
        (RunStatus(True, "failure", EARLY), "", RunEnd.SHUT_DOWN),
        (RunStatus(True, "success", EARLY), "", RunEnd.BY_ITSELF),
        (RunStatus(True, "timed_out", EARLY), EARLY, RunEnd.SHUT_DOWN),
        (RunStatus(True, "cancelled", EARLY), "", RunEnd.CANCELLED),
        (RunStatus(True, "cancelled", LATE), "", RunEnd.OUT_OF_TIME),
        (RunStatus(True, "cancelled", LATE), EARLY, RunEnd.CANCELLED),
        (RunStatus(True, "cancelled", EARLY), LATE, RunEnd.OUT_OF_TIME),
        (RunStatus(True), "", RunEnd.UNKNOWN),
        (None, EARLY, RunEnd.UNKNOWN),
    ],
)
def test_who_ended_a_run_follows_from_its_conclusion_and_the_time(
    run: RunStatus | None, at: str, expected: RunEnd
) -> None:
    assert run_end(run, LEASE, at) is expected


def test_what_was_cancelled_under_a_lease_without_a_deadline_was_cancelled_by_a_person() -> None:
    old = LEASE.model_copy(update={"deadline": ""})
    assert run_end(RunStatus(True, "cancelled", LATE), old) is RunEnd.CANCELLED


def test_a_holder_that_is_no_run_of_ci_cannot_have_been_cancelled_there() -> None:
    assert run_end(None, Lease(holder="laptop")) is RunEnd.SHUT_DOWN


def working(lost: int = 0) -> LoopState:
    """A loop whose worker is running, under LEASE."""
    state = b.after(b.awaiting_work(), LeaseTaken(LEASE), b.attempted(Role.WORKER))
    assert state.attempt is not None
    attempt = state.attempt.model_copy(update={"lost": lost})
    changes = {"attempt": attempt, "publishes": True, "pull_request": 3, "card_sha256": ""}
    return state.model_copy(update=changes)


def interrupted(lost: int = 0) -> LoopState:
    halted = Halted(Outcome.INTERRUPTED, "Interrupted.", EARLY, interrupted_run=LEASE)
    return b.after(working(lost), halted, HandedOver(None))


def swept(recorded: LoopState, end: RunEnd, *commands: Command) -> LoopState:
    """The loop after a sweep has asked who ended its run."""
    start = Start(
        card=CARD,
        base_sha=recorded.base_sha,
        start_sha=recorded.start_sha,
        limits=Limits(),
        fresh=False,
        lease=Lease(holder="sweep"),
        retries=False,
        run_end=end,
    )
    entry = resume(start, recorded, "", commands, b.LATER)
    return entry.steps[-1].after


@pytest.mark.parametrize("recorded", [working(), interrupted()], ids=["silent", "recorded"])
@pytest.mark.parametrize("end", [RunEnd.SHUT_DOWN, RunEnd.OUT_OF_TIME])
def test_a_loop_whose_runner_was_shut_down_continues_and_that_is_counted(
    recorded: LoopState, end: RunEnd
) -> None:
    state = swept(recorded, end)

    assert (state.state, state.interrupted_run) == (Phase.AWAITING_WORK, None)
    assert state.attempt is not None
    assert state.attempt.lost == 1


@pytest.mark.parametrize("recorded", [working(1), interrupted(1)], ids=["silent", "recorded"])
def test_the_second_run_that_is_lost_at_the_same_work_ends_the_loop(recorded: LoopState) -> None:
    assert swept(recorded, RunEnd.SHUT_DOWN).outcome is Outcome.WORKER_DISPATCH_FAILED


@pytest.mark.parametrize("recorded", [working(), interrupted()], ids=["silent", "recorded"])
@pytest.mark.parametrize(
    ("end", "reason", "words"),
    [
        (RunEnd.CANCELLED, "run_cancelled", "Run 7 was cancelled"),
        (RunEnd.UNKNOWN, "run_unknown", "GitHub does not say by whom"),
    ],
)
def test_a_loop_whose_run_a_person_cancelled_waits_for_a_person_and_posts_that(
    recorded: LoopState, end: RunEnd, reason: str, words: str
) -> None:
    state = swept(recorded, end)

    assert (state.outcome, state.reasons) == (Outcome.INTERRUPTED, (reason,))
    assert (state.resume_phase, state.interrupted_run) == (Phase.AWAITING_WORK, None)
    assert words in state.error
    assert "status-comment" in {item.key for item in state.outbox if item.status == "pending"}


@pytest.mark.parametrize("recorded", [working(), interrupted()], ids=["silent", "recorded"])
def test_who_asked_for_more_meanwhile_is_heard(recorded: LoopState) -> None:
    retry = Command(comment=5, verb="retry", by="mona")
    assert swept(recorded, RunEnd.CANCELLED, retry).state is Phase.AWAITING_WORK


def test_a_person_who_retries_begins_the_count_of_lost_runs_again() -> None:
    left = b.after(swept(interrupted(1), RunEnd.CANCELLED), HandedOver(None))
    state = transition(left, b.resumed())
    assert state.attempt is not None
    assert (state.state, state.attempt.lost) == (Phase.AWAITING_WORK, 0)
    assert "status-comment" in {item.key for item in state.outbox if item.status == "pending"}


def test_nothing_is_posted_of_an_interruption_before_it_is_known_who_did_it() -> None:
    assert all(item.status != "pending" for item in interrupted().outbox)


def test_a_run_that_ended_by_itself_is_not_counted_as_lost() -> None:
    state = swept(working(1), RunEnd.BY_ITSELF)

    assert state.is_running
    assert state.attempt is not None
    assert state.attempt.lost == 1
