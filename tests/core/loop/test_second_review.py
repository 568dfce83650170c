"""The second reviewer: asked about approvals alone, without knowing of them, and paid for once."""

from __future__ import annotations

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.effects import (
    RunAgent,
    SkipSecondReview,
)
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.machine import IllegalTransition, outstanding
from loop_kit.core.loop.messages import (
    Failure,
    SecondReviewSkipped,
)
from loop_kit.core.loop.second_review import who_approved, who_reviewed
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Phase, Role, Spent, parse_state

SECOND = Role.SECOND_REVIEWER
FIXED = (b.said("F1", "fixed"), b.said("F2", "fixed"))
ASKED = Limits(second_reviewer="claude")


def reviews(state: LoopState) -> list[tuple[str, str | None]]:
    """Who decided what in the last round."""
    return [(verdict.reviewer, verdict.decision) for verdict in state.history[-1].reviews]


def test_an_approval_waits_for_the_second_reviewer_and_a_rejection_does_not() -> None:
    waiting = b.after(b.awaiting_review(ASKED), b.approved(1, reviewer="codex"))
    sent_back = b.after(b.awaiting_review(ASKED), b.rejected(1, reviewer="codex"))

    assert (waiting.state, waiting.usage.rounds) == (Phase.AWAITING_REVIEW, 0)
    assert waiting.second
    assert waiting.second.report.decision == "approve"
    assert sent_back.state is Phase.AWAITING_WORK
    assert reviews(sent_back) == [("codex", "changes_required")]


def test_the_second_attempt_has_a_number_a_role_and_a_session_of_its_own() -> None:
    state = b.after(b.awaiting_review(ASKED), b.attempted(Role.REVIEWER), b.approved(1))

    effect = outstanding(state)

    assert isinstance(effect, RunAgent)
    assert (effect.role, effect.attempt, effect.session) == (SECOND, 1, None)
    with pytest.raises(IllegalTransition):
        b.after(state, b.approved(1))


def test_both_approve() -> None:
    state = b.after(b.awaiting_second_review(), b.approved(1, role=SECOND, reviewer="claude"))

    assert (state.outcome, state.second, state.usage.rounds) == (Outcome.APPROVED, None, 1)
    assert reviews(state) == [("codex", "approve"), ("claude", "approve")]
    assert who_approved(state.history[-1]) == "2 reviewers (codex, claude)"


def test_the_same_model_twice_is_called_that() -> None:
    state = b.after(b.awaiting_second_review(), b.approved(1, role=SECOND, reviewer="codex"))

    text = who_approved(state.history[-1])
    assert text == "2 reviewers (codex, codex; the same model twice)"


def test_of_two_commands_nobody_says_that_they_are_the_same_model() -> None:
    state = b.after(b.awaiting_second_review(), b.approved(1, role=SECOND, reviewer="command"))
    (record,) = state.history
    reviews = tuple(r.model_copy(update={"reviewer": "command"}) for r in record.reviews)

    assert who_approved(record.model_copy(update={"reviews": reviews})) == (
        "2 reviewers (command, command)"
    )


def test_what_the_second_reviewer_finds_is_in_the_ledger_and_sends_the_work_back() -> None:
    rejected = b.rejected(1, role=SECOND, reviewer="claude")
    state = b.after(b.awaiting_second_review(), rejected)

    (finding,) = open_findings(state.findings)
    assert (finding.id, finding.by, state.history[-1].new_findings) == ("F1", "second", ("F1",))
    assert (state.state, state.round, state.second) == (Phase.AWAITING_WORK, 2, None)
    assert state.history[-1].decision == "changes_required"
    assert who_reviewed(state.history[-1]) == "codex approved; claude asks for changes."


def second_round() -> LoopState:
    """Round 2, with F1 and F2 sent back, before its review."""
    issues = (ReportedIssue(reason="first"), ReportedIssue(reason="second"))
    return b.after(b.awaiting_review(ASKED), b.rejected(1, *issues), b.work_reported(2, 2))


def test_the_second_reviewer_is_asked_about_the_findings_that_the_first_one_settled() -> None:
    state = b.after(second_round(), b.approved(2, *FIXED))

    assert [finding.id for finding in open_findings(state.findings)] == ["F1", "F2"]


def test_either_reviewer_can_keep_a_finding_open() -> None:
    approved = b.after(second_round(), b.approved(2, b.said("F1", "withdrawn", "not so"), FIXED[1]))
    kept = b.rejected(2, ReportedIssue(id="F2", reason="still"), role=SECOND)

    state = b.after(approved, kept)

    first, second = state.findings
    assert (first.status, first.note) == ("withdrawn", "not so")
    assert (second.status, second.not_fixed) == ("open", 1)
    assert state.state is Phase.AWAITING_WORK


@pytest.mark.parametrize(
    "failure",
    [
        Failure.PERMANENT,
        Failure.TIMEOUT,
        Failure.INVALID_REPORT,
        Failure.NO_REPORT,
        Failure.BUDGET,
        Failure.VOID_VERDICT,
    ],
)
def test_without_an_optional_second_review_the_approval_says_that_it_is_one(
    failure: Failure,
) -> None:
    failed = b.failed(SECOND, failure, "claude is down.", repairable=False)
    missed = b.after(b.awaiting_second_review(), b.attempted(SECOND), failed)

    effect = outstanding(missed)
    assert effect == SkipSecondReview("claude is down.")
    state = b.after(missed, SecondReviewSkipped(effect.why, b.AT))

    assert (state.outcome, state.usage.rounds) == (Outcome.APPROVED, 1)
    assert who_approved(state.history[-1]) == (
        "1 reviewer (codex); the second, claude, could not be asked: claude is down."
    )


def test_a_transient_failure_is_tried_again_before_that() -> None:
    state = b.after(b.awaiting_second_review(), b.attempted(SECOND))
    for number in (2, 3):
        state = b.after(state, b.failed(SECOND, Failure.TRANSIENT))
        effect = outstanding(state)
        assert isinstance(effect, RunAgent)
        assert effect.attempt == number
        state = b.after(state, b.attempted(SECOND))

    state = b.after(state, b.failed(SECOND, Failure.TRANSIENT))
    assert isinstance(outstanding(state), SkipSecondReview)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (Failure.PERMANENT, Outcome.REVIEWER_DISPATCH_FAILED),
        (Failure.TIMEOUT, Outcome.REVIEWER_TIMEOUT),
        (Failure.INVALID_REPORT, Outcome.INVALID_REVIEW_REPORT),
    ],
)
def test_without_a_required_one_the_loop_ends_and_only_that_is_asked_again(
    failure: Failure, outcome: Outcome
) -> None:
    failed = b.failed(SECOND, failure, repairable=False)
    ended = b.after(b.awaiting_second_review("required"), b.attempted(SECOND), failed)
    assert (ended.outcome, ended.resume_phase) == (outcome, Phase.AWAITING_REVIEW)

    limits = ASKED.model_copy(update={"second_reviewer_mode": "required"})
    again = b.after(parse_state(ended.to_json()), b.resumed(limits))

    effect = outstanding(again)
    assert isinstance(effect, RunAgent)
    assert (effect.role, effect.attempt) == (SECOND, 2)
    approved = b.after(again, b.approved(1, role=SECOND, reviewer="claude"))
    assert who_approved(approved.history[-1]) == "2 reviewers (codex, claude)"


def test_a_required_one_that_cannot_be_asked_is_no_approval() -> None:
    state = b.after(
        b.awaiting_second_review("required"), SecondReviewSkipped("claude is missing.", b.AT)
    )

    assert state.outcome is Outcome.REVIEWER_DISPATCH_FAILED
    assert state.resume_phase is Phase.AWAITING_REVIEW
    assert state.error == (
        "The reviewer approved, but the required second review could not be had: claude is missing."
    )


def test_budgets_are_checked_before_the_second_reviewer_is_paid() -> None:
    for mode, outcome in (("optional", Outcome.APPROVED), ("required", Outcome.NEEDS_HUMAN)):
        limits = Limits(max_tokens=5, second_reviewer="claude", second_reviewer_mode=mode)  # type: ignore[arg-type]
        first = b.approved(1, reviewer="codex", spent=Spent(tokens_in=9, tokens_out=0))
        state = b.after(b.awaiting_review(limits), first)
        effect = outstanding(state)
        if outcome is Outcome.APPROVED:
            assert isinstance(effect, SkipSecondReview)
            state = b.after(state, SecondReviewSkipped(effect.why, b.AT))
            assert "9 of 5 tokens are used." in str(who_approved(state.history[-1]))
            assert state.outcome is outcome
        else:
            assert not isinstance(effect, SkipSecondReview | RunAgent)


def test_the_commits_of_a_person_are_reviewed_by_both() -> None:
    ended = b.after(b.awaiting_second_review(), b.halted(Outcome.NEEDS_HUMAN))

    state = b.after(ended, b.resumed(ASKED, head_sha=b.sha(9)))

    assert state.second is None
    effect = outstanding(state)
    assert isinstance(effect, RunAgent)
    assert effect.role is Role.REVIEWER


def test_a_second_reviewer_that_is_not_set_any_more_is_not_waited_for() -> None:
    ended = b.after(b.awaiting_second_review("required"), b.halted(Outcome.INTERRUPTED))

    state = b.after(ended, b.resumed(Limits()))

    effect = outstanding(state)
    assert isinstance(effect, SkipSecondReview)
    assert b.after(state, SecondReviewSkipped(effect.why, b.AT)).outcome is Outcome.APPROVED
