"""Every attempt is recorded with who made it, what it used and how it ended."""

from dataclasses import replace

from tests.core import builders as b

from loop_kit.core.loop.attempts import MAX_ATTEMPTS, all_attempts, attempts_of_round, total
from loop_kit.core.loop.messages import (
    Failure,
    LeaseTaken,
    LoopResumed,
)
from loop_kit.core.loop.push_refusal import RefusalKind
from loop_kit.core.loop.state import Lease, Limits, LoopState, Outcome, Phase, Role, parse_state
from loop_kit.core.loop.usage import Spent, Usage, cost_text

CODEX = Spent(
    agent_seconds=12.5,
    tokens_in=900,
    tokens_cached=400,
    tokens_out=30,
    estimated_cost_usd=0.4,
    backend="codex",
    model="gpt-5",
)
CLAUDE = Spent(agent_seconds=4, tokens_in=500, tokens_out=20, cost_usd=0.25, backend="claude")


def results(state: LoopState, round_: int = 1) -> list[tuple[str, str, int]]:
    return [(a.role.value, a.result, a.number) for a in attempts_of_round(state, round_)]


def test_a_round_records_each_attempt_with_its_backend_its_times_and_what_it_used() -> None:
    state = b.after(
        b.awaiting_work(),
        b.attempted(Role.WORKER),
        b.failed(Role.WORKER, Failure.TRANSIENT, "overloaded\nagain", spent=CODEX),
        b.attempted(Role.WORKER),
        b.work_reported(1, 1, spent=CODEX),
        b.attempted(Role.REVIEWER),
        replace(b.rejected(1), spent=CLAUDE),
    )
    failed, worked, reviewed = state.history[0].attempts
    assert (failed.result, failed.why, failed.number) == ("transient", "overloaded again", 1)
    assert (worked.result, worked.number, worked.backend, worked.model) == (
        *("reported", 2, "codex", "gpt-5"),
    )
    assert (worked.seconds, worked.tokens_in, worked.tokens_cached, worked.tokens_out) == (
        *(12.5, 900, 400, 30),
    )
    assert (worked.started_at, worked.ended_at) == (b.AT, b.AT)
    assert (reviewed.role, reviewed.cost_usd, reviewed.estimated_cost_usd) == (
        *(Role.REVIEWER, 0.25, None),
    )
    assert state.attempts == ()
    assert (state.usage.cost_usd, state.usage.estimated_cost_usd) == (0.25, 0.8)


def test_the_state_survives_a_round_trip_with_its_attempts() -> None:
    running = b.after(b.awaiting_work(), b.failed(Role.WORKER, Failure.TRANSIENT, spent=CODEX))
    done = b.after(running, b.work_reported(1, 1, spent=CODEX), b.approved(1, spent=CLAUDE))
    for state in (running, done):
        again = parse_state(state.to_json())
        assert again == state
        assert all_attempts(again) == all_attempts(state)


def test_an_older_state_has_no_attempts_and_continues() -> None:
    old = b.awaiting_review().model_dump(mode="json")
    for record in old["history"]:
        del record["attempts"]
    del old["attempts"], old["usage"]["tokens_out"]
    state = LoopState.model_validate(old)
    assert all_attempts(state) == {}
    assert results(b.after(state, b.approved(1))) == [("reviewer", "reported", 1)]


def test_attempts_of_a_round_whose_work_is_not_accepted_yet_are_in_the_state() -> None:
    state = b.after(b.awaiting_work(), b.failed(Role.WORKER, Failure.TIMEOUT, spent=CODEX))
    assert state.state is Phase.DONE
    assert results(state) == [("worker", "timeout", 1)]
    again = b.after(state, b.resumed(), b.attempted(Role.WORKER), b.work_reported(1, 1))
    assert results(again) == [("worker", "timeout", 1), ("worker", "reported", 1)]


def test_work_whose_push_was_refused_keeps_its_attempt() -> None:
    state = b.after(
        b.awaiting_work(),
        b.attempted(Role.WORKER),
        b.work_reported(1, 1, spent=CODEX),
        b.push_refused(RefusalKind.SECRET),
    )
    assert state.history == ()
    assert results(state) == [("worker", "reported", 1)]
    redone = b.after(state, b.attempted(Role.WORKER), b.work_reported(1, 2, spent=CODEX))
    assert results(redone) == [("worker", "reported", 1), ("worker", "reported", 2)]


def test_an_attempt_that_is_interrupted_or_whose_run_died_is_recorded() -> None:
    started = b.after(b.awaiting_work(), b.attempted(Role.WORKER))
    stopped = b.after(started, b.halted(Outcome.INTERRUPTED))
    assert results(stopped) == [("worker", "interrupted", 1)]
    died = b.after(started, LoopResumed(limits=Limits(), at=b.LATER, run_lost=True))
    assert results(died) == [("worker", "lost", 1)]
    first, second = (LeaseTaken(Lease(holder=name)) for name in ("one", "two"))
    taken = b.after(b.awaiting_work(), first, b.attempted(Role.WORKER), second)
    assert results(taken) == [("worker", "lost", 1)]


def test_a_loop_that_is_stopped_between_attempts_records_none() -> None:
    assert results(b.after(b.awaiting_work(), b.halted(Outcome.INTERRUPTED))) == []
    started = b.after(b.awaiting_work(), b.attempted(Role.WORKER))
    assert results(b.after(started, b.halted(Outcome.CANCELLED))) == []


def test_both_reviewers_are_recorded() -> None:
    state = b.after(b.awaiting_second_review(), b.approved(1, role=Role.SECOND_REVIEWER))
    assert [role for role, *_ in results(state)] == ["worker", "reviewer", "second_reviewer"]


def test_a_round_records_the_newest_of_very_many_attempts() -> None:
    state = b.awaiting_work()
    for _ in range(MAX_ATTEMPTS + 5):
        state = b.after(state, b.attempted(Role.WORKER), b.halted(Outcome.INTERRUPTED), b.resumed())
    found = attempts_of_round(state, 1)
    assert (len(found), found[-1].number) == (MAX_ATTEMPTS, MAX_ATTEMPTS + 5)


def test_what_a_round_used_is_the_sum_of_its_attempts_and_estimates_stay_apart() -> None:
    state = b.after(
        b.awaiting_work(), b.work_reported(1, 1, spent=CODEX), b.approved(1, spent=CLAUDE)
    )
    assert total(attempts_of_round(state, 1)) == Spent(
        agent_seconds=16.5,
        tokens_in=1400,
        tokens_cached=400,
        tokens_out=50,
        cost_usd=0.25,
        estimated_cost_usd=0.4,
    )
    assert state.usage == Usage().plus(CODEX).plus(CLAUDE).model_copy(update={"rounds": 1})


def test_money_is_shown_as_reported_as_estimated_or_as_both() -> None:
    assert cost_text(1.216, None) == "1.22 USD"
    assert cost_text(None, 0.8) == "about 0.80 USD (estimated)"
    assert cost_text(0.25, 0.4) == "0.25 USD and about 0.40 USD (estimated)"
    assert cost_text(None, None) is None
