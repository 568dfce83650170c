"""What fails is tried again, repaired once, or ends the loop with one specific outcome."""

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.machine import outstanding, transition
from loop_kit.core.loop.messages import (
    Failure,
)
from loop_kit.core.loop.state import EXIT_CODES, Limits, LoopState, Outcome, Phase, Role, Spent

EXITS = {
    "approved": 0,
    "worker_timeout": 2,
    "reviewer_timeout": 2,
    "worker_dispatch_failed": 2,
    "reviewer_dispatch_failed": 2,
    "invalid_work_report": 3,
    "invalid_review_report": 3,
    "worker_noop": 3,
    "git_compare_failed": 3,
    "verify_unavailable": 3,
    "setup_failed": 3,
    "sandbox_unavailable": 3,
    "needs_human": 7,
    "max_rounds_exhausted": 7,
    "cancelled": 0,
    "interrupted": 130,
}

ENDS = [
    (Role.WORKER, Failure.TRANSIENT, "worker_dispatch_failed"),
    (Role.WORKER, Failure.PERMANENT, "worker_dispatch_failed"),
    (Role.WORKER, Failure.DEFERRED, "worker_dispatch_failed"),
    (Role.WORKER, Failure.BUDGET, "needs_human"),
    (Role.WORKER, Failure.TIMEOUT, "worker_timeout"),
    (Role.WORKER, Failure.NO_REPORT, "worker_dispatch_failed"),
    (Role.WORKER, Failure.INVALID_REPORT, "invalid_work_report"),
    (Role.WORKER, Failure.NOOP, "worker_noop"),
    (Role.WORKER, Failure.HISTORY, "git_compare_failed"),
    (Role.WORKER, Failure.SCOPE, "needs_human"),
    (Role.WORKER, Failure.PROTECTED_PATH, "needs_human"),
    (Role.REVIEWER, Failure.TRANSIENT, "reviewer_dispatch_failed"),
    (Role.REVIEWER, Failure.PERMANENT, "reviewer_dispatch_failed"),
    (Role.REVIEWER, Failure.DEFERRED, "reviewer_dispatch_failed"),
    (Role.REVIEWER, Failure.BUDGET, "needs_human"),
    (Role.REVIEWER, Failure.TIMEOUT, "reviewer_timeout"),
    (Role.REVIEWER, Failure.NO_REPORT, "reviewer_dispatch_failed"),
    (Role.REVIEWER, Failure.INVALID_REPORT, "invalid_review_report"),
    (Role.REVIEWER, Failure.VOID_VERDICT, "invalid_review_report"),
]
REPAIRED = {"no_report", "invalid_report", "scope", "protected_path", "void_verdict", "history"}


def waiting_for(role: Role, limits: Limits | None = None) -> LoopState:
    return b.awaiting_work(limits) if role is Role.WORKER else b.awaiting_review(limits)


def failing_verification(number: int, tail: str) -> LoopState:
    return b.awaiting_review(verification=b.verified(number, 0, 1, tail=tail))


def test_every_outcome_has_the_exit_code_of_the_contract() -> None:
    assert {outcome.value: int(code) for outcome, code in EXIT_CODES.items()} == EXITS
    assert {outcome.value for outcome in Outcome} == set(EXITS)


@pytest.mark.parametrize(("role", "failure", "outcome"), ENDS)
def test_what_cannot_be_repaired_ends_the_loop_with_its_own_outcome(
    role: Role, failure: Failure, outcome: str
) -> None:
    limits = Limits(dispatch_retries=0)
    event = b.failed(role, failure, "because", repairable=False, spent=Spent(agent_seconds=4))
    before = waiting_for(role, limits)
    state = transition(before, event)
    assert (state.state, state.outcome, state.exit_code) == ("done", outcome, EXITS[outcome])
    assert (state.error, state.failed_at, state.resume_phase) == ("because", b.AT, before.state)
    assert state.usage.agent_seconds == before.usage.agent_seconds + 4
    assert state.usage.rounds == 0
    assert state.reasons == ((failure.value,) if outcome == "needs_human" else ())
    assert outstanding(state) is None


@pytest.mark.parametrize(("role", "failure", "outcome"), [e for e in ENDS if e[1] in REPAIRED])
def test_a_repair_is_tried_once_with_the_error_quoted_and_then_it_is_the_outcome(
    role: Role, failure: Failure, outcome: str
) -> None:
    state = b.after(waiting_for(role), b.attempted(role), b.failed(role, failure, "field 'x'"))
    repairs = failure is Failure.INVALID_REPORT
    assert outstanding(state) == RunAgent(
        role, round=1, attempt=2, feedback="field 'x'", repairs_report=repairs
    )
    state = b.after(state, b.attempted(role), b.failed(role, failure, "again"))
    assert (state.outcome, state.error) == (outcome, "again")


def test_different_faults_share_the_one_repair() -> None:
    role = Role.REVIEWER
    state = b.after(b.awaiting_review(), b.failed(role, Failure.VOID_VERDICT, "touched"))
    assert outstanding(state) == RunAgent(role, round=1, attempt=1, feedback="touched")
    state = transition(state, b.failed(role, Failure.INVALID_REPORT, "no decision"))
    assert (state.outcome, state.error) == (Outcome.INVALID_REVIEW_REPORT, "no decision")


def test_each_round_has_its_own_repair() -> None:
    bad = b.failed(Role.WORKER, Failure.INVALID_REPORT)
    state = b.after(b.awaiting_work(), bad, b.work_reported(1, 1), b.rejected(1), bad)
    assert state.state is Phase.AWAITING_WORK
    assert state.round == 2


def test_transient_failures_back_off_and_say_how_often_it_was_tried() -> None:
    state = b.awaiting_work(Limits(dispatch_retries=2, dispatch_retry_base_sec=5))
    delays = []
    for _ in range(3):
        effect = outstanding(state)
        assert isinstance(effect, RunAgent)
        delays.append(effect.delay)
        gone = b.failed(Role.WORKER, Failure.TRANSIENT, "exit code 3.")
        state = b.after(state, b.attempted(Role.WORKER), gone)
    assert delays == [0, 5, 10]
    assert state.outcome is Outcome.WORKER_DISPATCH_FAILED
    assert state.error == "exit code 3. Given up after 3 attempts."


def test_a_pause_that_was_asked_for_holds_for_one_retry() -> None:
    limits = Limits(dispatch_retries=3, dispatch_retry_base_sec=5)
    state = b.awaiting_work(limits)
    delays = []
    for asked in (90, None):
        gone = b.failed(Role.WORKER, Failure.TRANSIENT, retry_after=asked)
        state = b.after(state, b.attempted(Role.WORKER), gone)
        effect = outstanding(state)
        assert isinstance(effect, RunAgent)
        delays.append(effect.delay)
    assert delays == [90, 10]


def test_a_permanent_failure_and_a_timeout_are_not_tried_again() -> None:
    for failure in (Failure.PERMANENT, Failure.DEFERRED, Failure.TIMEOUT, Failure.NOOP):
        assert transition(b.awaiting_work(), b.failed(Role.WORKER, failure)).state is Phase.DONE


def test_what_the_worker_committed_out_of_scope_is_handed_to_its_repair() -> None:
    event = b.failed(Role.WORKER, Failure.SCOPE, "x.py is out of scope", work_sha=b.sha(4))
    state = b.after(b.awaiting_work(), b.attempted(Role.WORKER), event)
    effect = outstanding(state)
    assert isinstance(effect, RunAgent)
    assert (effect.work_sha, effect.feedback) == (b.sha(4), "x.py is out of scope")
    assert state.head_sha == ""


def test_an_approval_of_what_does_not_verify_becomes_a_rejection_with_the_tail() -> None:
    state = transition(failing_verification(1, "AssertionError: 2 != 3"), b.approved(1))
    assert (state.state, state.round) == ("awaiting_work", 2)
    assert (state.history[0].decision, state.history[0].verified) == ("changes_required", False)
    (finding,) = state.findings
    assert (finding.id, finding.status, finding.severity) == ("F1", "open", "high")
    assert "check 2" in finding.reason
    assert "AssertionError: 2 != 3" in finding.scenario
    assert finding.required_change


def test_a_verification_that_fails_again_keeps_its_finding() -> None:
    state = transition(failing_verification(1, "first"), b.approved(1))
    broken = b.verified(2, 0, 1, tail="second")
    state = b.after(state, b.work_reported(2, 2, verification=broken), b.approved(2))
    assert [f.id for f in state.findings] == ["F1"]
    assert (state.findings[0].status, state.findings[0].closed_round) == ("open", None)
    assert state.findings[0].not_fixed == 1
    assert state.history[1].new_findings == ()


def test_a_verification_that_fails_again_shows_the_newest_tail() -> None:
    state = transition(failing_verification(1, "first"), b.approved(1))
    broken = b.verified(2, 0, 1, tail="second")
    state = b.after(state, b.work_reported(2, 2, verification=broken), b.approved(2))
    assert state.findings[0].scenario == "exit code 1\nsecond"


def test_a_verification_that_passes_at_last_closes_its_finding() -> None:
    state = transition(failing_verification(1, "first"), b.approved(1))
    works = b.work_reported(2, 2, verification=b.verified(2, 0, 0))
    state = b.after(state, works, b.approved(2))
    assert state.outcome is Outcome.APPROVED
    assert (state.findings[0].status, state.findings[0].closed_round) == ("fixed", 2)


def test_a_rejection_of_what_does_not_verify_needs_no_finding_of_ours() -> None:
    state = transition(failing_verification(1, "tail"), b.rejected(1, ReportedIssue(reason="no")))
    assert [finding.reason for finding in state.findings] == ["no"]


def test_an_approval_in_the_last_round_that_does_not_verify_exhausts_the_rounds() -> None:
    state = b.awaiting_review(Limits(max_rounds=1), verification=b.verified(1, 1))
    state = transition(state, b.approved(1))
    assert state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    assert "1 finding is open" in state.error
