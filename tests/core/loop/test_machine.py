"""What single events make of a state, and what a state asks to be done next."""

import dataclasses

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.effects import (
    Claim,
    HandOver,
    Prepare,
    Publish,
    RunAgent,
    Stop,
    Verify,
)
from loop_kit.core.loop.machine import IllegalTransition, closing_effect, outstanding, transition
from loop_kit.core.loop.messages import (
    BaseVerified,
    Failure,
    HandedOver,
    HeadVerified,
    LeaseTaken,
    Published,
)
from loop_kit.core.loop.outbox import pending, review_key
from loop_kit.core.loop.state import Lease, Limits, LoopState, Outcome, Phase, Role, Session, Spent

LEASE = Lease(holder="holder-1", run_id="7")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("failure", Failure)
def test_a_failure_that_a_role_cannot_have_is_a_bug_and_every_other_ends_somewhere(
    role: Role, failure: Failure
) -> None:
    states = {
        Role.WORKER: b.awaiting_work(),
        Role.REVIEWER: b.awaiting_review(),
        Role.SECOND_REVIEWER: b.awaiting_second_review(),
    }
    state, event = states[role], b.failed(role, failure, repairable=False)
    if failure in b.AGENT_FAILURES[role]:
        assert transition(state, event).seq == state.seq + 1
        return
    with pytest.raises(IllegalTransition):
        transition(state, event)


def test_an_attempt_of_the_other_role_is_a_bug() -> None:
    with pytest.raises(IllegalTransition):
        transition(b.awaiting_work(), b.failed(Role.REVIEWER, Failure.TRANSIENT))
    with pytest.raises(IllegalTransition):
        transition(b.awaiting_review(), b.attempted(Role.WORKER))


def test_an_approved_loop_cannot_be_resumed() -> None:
    with pytest.raises(IllegalTransition):
        transition(b.after(b.awaiting_review(), b.approved(1)), b.resumed())


def test_a_paused_loop_asks_for_nothing() -> None:
    assert outstanding(b.awaiting_work().model_copy(update={"state": Phase.PAUSED})) is None


def test_a_started_task_waits_for_the_worker_of_round_1() -> None:
    state = b.after(LoopState(seq=9), LeaseTaken(LEASE), b.task_started())
    assert (state.seq, state.state, state.round, state.lease) == (11, "awaiting_work", 1, LEASE)
    assert (state.task_id, state.started_at, state.tip) == ("T-001", b.AT, b.START)
    assert outstanding(state) == RunAgent(Role.WORKER, round=1, attempt=1)


def test_a_new_task_keeps_nothing_of_the_loop_before_it_but_the_step_count() -> None:
    old = LoopState(seq=41, error="old", task_id="T-000", round=3)
    state = transition(old, b.task_started())
    assert state == b.awaiting_work().model_copy(update={"seq": 42})


def test_the_work_report_moves_the_loop_to_the_reviewer() -> None:
    session = Session(session_id="s-1", backend="codex")
    event = b.work_reported(1, 5, spent=Spent(agent_seconds=2, tokens_in=10, tokens_out=3))
    state = b.after(b.awaiting_work(), b.attempted(Role.WORKER))
    state = transition(state, dataclasses.replace(event, session=session))
    assert (state.state, state.round, state.head_sha) == ("awaiting_review", 1, b.sha(5))
    assert state.attempt is None
    assert state.sessions == {"worker": session}
    assert (state.usage.tokens_in, state.usage.rounds) == (10, 0)
    assert (state.history[0].parent_sha, state.history[0].head_sha) == (b.START, b.sha(5))
    assert state.round_details[0].worker_notes == "did it"
    assert outstanding(state) == RunAgent(Role.REVIEWER, round=1, attempt=1)


def test_an_approval_ends_the_loop() -> None:
    state = transition(b.awaiting_review(), b.approved(1))
    assert (state.state, state.outcome, state.exit_code) == ("done", "approved", 0)
    assert (state.error, state.failed_at, state.resume_phase) == ("", "", None)
    assert state.usage.rounds == 1
    assert state.history[0].decision == state.round_details[0].review_decision == "approve"
    assert outstanding(state) is None


def test_a_rejection_sends_the_loop_back_to_the_worker() -> None:
    state = transition(
        b.awaiting_review(), b.rejected(1, ReportedIssue(reason="no"), ReportedIssue(reason="nor"))
    )
    assert (state.state, state.round, state.usage.rounds) == ("awaiting_work", 2, 1)
    assert [finding.id for finding in state.findings] == ["F1", "F2"]
    assert state.history[0].new_findings == ("F1", "F2")
    assert state.history[0].decision == "changes_required"
    assert outstanding(state) == RunAgent(Role.WORKER, round=2, attempt=1)


def test_the_worker_of_round_2_builds_on_the_head_of_round_1() -> None:
    state = b.after(b.awaiting_review(), b.rejected(1), b.work_reported(2, 2))
    assert (state.history[1].parent_sha, state.history[1].head_sha) == (b.sha(1), b.sha(2))


def test_third_rejection_exhausts_the_rounds() -> None:
    state = b.awaiting_work(Limits(max_rounds=3))
    for n in (1, 2, 3):
        assert state.state is Phase.AWAITING_WORK
        state = b.after(state, b.work_reported(n, n), b.rejected(n))
    assert (state.outcome, state.exit_code, state.round) == ("max_rounds_exhausted", 7, 4)
    assert (state.resume_phase, state.usage.rounds) == ("awaiting_work", 3)
    assert "3 findings are open" in state.error


@pytest.mark.parametrize("rounds", [0, -1])
def test_no_rounds_allowed_means_that_no_agent_runs(rounds: int) -> None:
    state = b.awaiting_work(Limits(max_rounds=rounds), verify=("true",))
    assert (state.state, state.outcome) == ("done", "max_rounds_exhausted")
    assert (outstanding(state), state.usage.rounds) == (None, 0)


def test_the_base_is_verified_before_anything_is_spent_and_only_once() -> None:
    state = b.awaiting_work(verify=("check 1",))
    assert outstanding(state) == Verify(b.START, at_base=True)
    failing = transition(state, BaseVerified(b.verified(0, 1), b.AT))
    assert outstanding(failing) == RunAgent(Role.WORKER, round=1, attempt=1)


def test_with_a_lease_the_first_attempt_is_claimed_before_the_base_is_verified() -> None:
    state = b.after(b.awaiting_work(verify=("check 1",)), LeaseTaken(LEASE))
    effect = outstanding(state)
    assert effect == Claim(RunAgent(Role.WORKER, round=1, attempt=1))

    state = transition(state, b.attempted(Role.WORKER))
    assert outstanding(state) == Verify(b.START, at_base=True)

    state = transition(state, BaseVerified(b.verified(0, 0), b.AT))
    assert outstanding(state) == RunAgent(Role.WORKER, round=1, attempt=1, claimed=True)


def test_the_claim_of_a_run_that_died_is_made_again_by_the_next() -> None:
    state = b.after(b.awaiting_work(verify=("check 1",)), LeaseTaken(LEASE))
    state = b.after(state, b.attempted(Role.WORKER), LeaseTaken(Lease(holder="holder-2")))
    again = outstanding(state)
    assert again == Claim(RunAgent(Role.WORKER, round=1, attempt=2))
    assert outstanding(transition(state, b.resumed())) == again


def test_an_attempt_that_failed_is_claimed_no_more() -> None:
    state = b.after(b.awaiting_work(), b.attempted(Role.WORKER))
    state = transition(state, b.failed(Role.WORKER, Failure.NO_REPORT, "nothing"))
    assert outstanding(state) == RunAgent(Role.WORKER, round=1, attempt=2, feedback="nothing")


def test_a_used_up_budget_stops_the_loop_before_anything_is_started() -> None:
    state = b.after(b.awaiting_work(Limits(max_minutes=0), verify=("check 1",)), LeaseTaken(LEASE))
    assert outstanding(state) == Stop(
        Outcome.NEEDS_HUMAN, "0.0 of 0 agent minutes are used.", ("budget",)
    )


def test_a_run_ends_by_asking_for_the_next_round_while_jobs_are_left() -> None:
    state = b.after(b.awaiting_review(Limits(max_dispatches=1)), b.rejected(1))
    assert closing_effect(state) == HandOver(2)

    state = b.after(state, HandedOver(2), b.work_reported(2, 2), b.rejected(2))
    stop = closing_effect(state)
    assert stop == Stop(Outcome.NEEDS_HUMAN, "All 1 dispatches are used.", ("budget",))

    assert closing_effect(transition(state, b.halted(Outcome.NEEDS_HUMAN))) == HandOver(None)


def test_new_verify_commands_before_a_review_are_run_at_the_head_and_later_at_the_base() -> None:
    refreshed = {"verify": ("check 1",), "baseline": None, "verification": None}
    state = b.after(b.awaiting_review(), LeaseTaken(LEASE)).model_copy(update=refreshed)
    assert outstanding(state) == Verify(b.sha(1), at_base=False)

    state = b.after(state, HeadVerified(b.verified(1, 0)), b.rejected(1))
    assert outstanding(state) == Claim(RunAgent(Role.WORKER, round=2, attempt=1))


@pytest.mark.parametrize("exit_code", [126, 127])
def test_a_verify_command_that_cannot_start_stops_the_loop_unspent(exit_code: int) -> None:
    state = b.awaiting_work(verify=("check 1", "check 2"))
    state = transition(state, BaseVerified(b.verified(0, 0, exit_code), b.AT))
    assert (state.outcome, state.exit_code) == ("verify_unavailable", 3)
    assert "'check 2'" in state.error
    assert (state.attempt, state.usage.agent_seconds) == (None, 0)
    assert outstanding(state) is None
    assert outstanding(transition(state, b.resumed())) == Verify(b.START, at_base=True)


def test_a_workspace_is_prepared_before_anything_is_spent_and_after_the_claim() -> None:
    leased = b.after(b.awaiting_work(verify=("check 1",)), LeaseTaken(LEASE))
    assert outstanding(leased, prepared=False) == Claim(RunAgent(Role.WORKER, round=1, attempt=1))

    claimed = b.after(leased, b.attempted(Role.WORKER))
    assert outstanding(claimed, prepared=False) == Prepare(b.START)
    assert outstanding(claimed) == Verify(b.START, at_base=True)

    assert outstanding(b.awaiting_work(), prepared=False) == Prepare(b.START)
    assert outstanding(b.awaiting_review(), prepared=False) == Prepare(b.sha(1))


@pytest.mark.parametrize("state", [b.awaiting_work(), b.awaiting_review()])
def test_a_workspace_that_cannot_be_prepared_stops_the_loop_unspent(state: LoopState) -> None:
    stopped = transition(state, b.unprepared())

    assert (stopped.outcome, stopped.exit_code) == ("setup_failed", 3)
    assert stopped.failed_setup is not None
    assert stopped.failed_setup.tail == "no lock file"
    assert stopped.usage == state.usage
    assert outstanding(stopped, posts=False, prepared=False) is None
    again = transition(stopped, b.resumed())
    assert (again.state, again.failed_setup) == (state.state, None)
    assert isinstance(outstanding(again, prepared=False), Prepare)


def test_posts_come_before_the_next_agent_and_are_made_once_per_key() -> None:
    state = b.awaiting_work(publishes=True)
    state = b.after(state, LeaseTaken(LEASE), b.work_reported(1, 1), b.rejected(1))
    effect = outstanding(state)
    assert isinstance(effect, Publish)
    assert [item.key for item in effect.items] == [
        "pull-request",
        review_key(1),
        "commit-status",
        "status-comment",
    ]
    assert {item.holder for item in effect.items} == {"holder-1"}
    opened, *posted = (item.model_copy(update={"status": "done"}) for item in effect.items)
    state = transition(state, Published(opened, 12, "https://example.test/pull/12"))
    assert outstanding(state) == Publish(effect.items[1:])
    state = b.after(state, *map(Published, posted))
    assert (state.pull_request, state.pull_request_url) == (12, "https://example.test/pull/12")
    assert outstanding(state) == RunAgent(Role.WORKER, round=2, attempt=1)
    state = b.after(state, b.work_reported(2, 2), b.approved(2), b.PEOPLE_READ)
    keys = [item.key for item in pending(state)]
    assert keys == [review_key(2), "ready", "labels", "commit-status", "status-comment"]


def test_a_refused_post_is_not_outstanding() -> None:
    state = b.after(b.awaiting_work(publishes=True), b.work_reported(1, 1), b.approved(1))
    for item in state.outbox:
        state = transition(state, Published(item.model_copy(update={"status": "refused"})))
    assert outstanding(state) is None


def test_a_local_loop_intends_no_posts() -> None:
    assert b.after(b.awaiting_review(), b.approved(1)).outbox == ()


def test_handing_over_releases_the_lease_and_counts_the_dispatch() -> None:
    state = b.after(b.awaiting_review(), LeaseTaken(LEASE), b.rejected(1))
    onward = transition(state, HandedOver(2))
    assert (onward.lease, onward.continue_to, onward.usage.dispatches) == (None, 2, 1)
    ended = transition(state, HandedOver(None))
    assert (ended.lease, ended.continue_to, ended.usage.dispatches) == (None, None, 0)


def test_outstanding_asks_the_state_alone() -> None:
    state = b.awaiting_work(verify=("check 1",), publishes=True)
    again = LoopState.model_validate(state.model_dump(mode="json"))
    assert outstanding(state) == outstanding(state) == outstanding(again)
