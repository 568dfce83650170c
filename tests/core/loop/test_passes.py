"""Further passes: each adds only what is severe, is paid for once, and never ends a loop."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core import builders as b

from loop_kit.core.agent.reports import CriterionVerdict, ReportedIssue, ReviewReport
from loop_kit.core.loop.base_branch import BaseCompared, BaseMerged
from loop_kit.core.loop.base_moves import may_merge
from loop_kit.core.loop.effects import RunAgent, SkipPass
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.machine import outstanding
from loop_kit.core.loop.messages import Failure, PassSkipped, ReviewReported, SecondReviewSkipped
from loop_kit.core.loop.rules.settings import Rules
from loop_kit.core.loop.state import (
    Limits,
    LoopState,
    Outcome,
    Phase,
    Role,
    Session,
    Spent,
    parse_state,
)

REVIEWER, SECOND = Role.REVIEWER, Role.SECOND_REVIEWER
SEVERE = ReportedIssue(severity="high", file="a.py", line=4, reason="it loses the last row")
SMALL = ReportedIssue(severity="medium", file="a.py", line=9, reason="a name says nothing")
UNMET = ReportedIssue(severity="low", file="b.py", reason="no total", criterion="C1")
WITH_SECOND = Limits(second_reviewer="claude")


def by_program(event: ReviewReported) -> ReviewReported:
    """The review as a program gives it, which can be asked for more."""
    return replace(event, takes_passes=True)


def judged(*verdicts: CriterionVerdict, base: ReviewReported) -> ReviewReported:
    """The review with what it says about criteria."""
    return replace(base, report=base.report.model_copy(update={"criteria": verdicts}))


def notes(state: LoopState) -> list[str]:
    """What the review of the last round says of its passes."""
    return [note.text for note in state.history[-1].rules if note.rule == "passes"]


def effect(state: LoopState) -> RunAgent:
    """The attempt that is outstanding."""
    due = outstanding(state)
    assert isinstance(due, RunAgent)
    return due


def test_without_a_second_reviewer_nobody_is_asked_again_unless_that_is_set() -> None:
    assert b.after(b.awaiting_review(), by_program(b.approved(1))).outcome is Outcome.APPROVED

    waiting = b.awaiting_pass(b.approved(1))
    assert (waiting.state, waiting.outcome, waiting.usage.rounds) == (
        Phase.AWAITING_REVIEW,
        None,
        0,
    )


@pytest.mark.parametrize("first", [b.approved(1), b.rejected(1)])
def test_with_a_second_reviewer_both_an_approval_and_a_rejection_are_looked_at_again(
    first: ReviewReported,
) -> None:
    state = b.after(b.awaiting_review(WITH_SECOND), by_program(first))

    assert state.further
    assert (state.further.role, state.second, effect(state).role) == (REVIEWER, None, REVIEWER)
    assert open_findings(state.findings) == ()


def test_a_person_makes_no_further_pass() -> None:
    state = b.after(b.awaiting_review(WITH_SECOND), b.approved(1))
    assert state.further is None
    assert state.second


def test_each_reviewer_makes_a_pass_of_its_own_over_what_it_sees_first() -> None:
    state, asked = b.awaiting_review(WITH_SECOND), []
    for _ in range(4):
        asked.append(effect(state).role)
        again = by_program(b.approved(1, role=effect(state).role, reviewer="codex"))
        state = b.after(state, again)

    assert asked == [REVIEWER, REVIEWER, SECOND, SECOND]
    assert (state.outcome, state.usage.rounds) == (Outcome.APPROVED, 1)
    assert [verdict.further for verdict in state.history[-1].reviews] == [1, 1]
    assert notes(state) == [
        "Pass 2 of the reviewer over the same change found nothing more that is severe.",
        "Pass 2 of the second reviewer over the same change found nothing more that is severe.",
    ]


def test_a_later_round_is_reviewed_once_and_the_second_reviewer_looks_twice_only_once() -> None:
    state = b.awaiting_review(WITH_SECOND)
    state = b.after(state, by_program(b.rejected(1)), by_program(b.approved(1)))
    assert (state.state, state.round) == (Phase.AWAITING_WORK, 2)
    asked = []
    for answer in ("approve", "reject", "pass", "work", "approve", "approve"):
        if answer == "work":
            state = b.after(state, b.work_reported(3, 3))
            continue
        if state.state is Phase.AWAITING_WORK:
            state = b.after(state, b.work_reported(2, 2))
        role, round_ = effect(state).role, state.round
        asked.append((role, round_))
        fixed = [b.said(finding.id, "fixed") for finding in open_findings(state.findings)]
        reject = b.rejected(round_, SEVERE, role=role)
        event = reject if answer == "reject" else b.approved(round_, *fixed, role=role)
        state = b.after(state, by_program(event))

    assert asked == [(REVIEWER, 2), (SECOND, 2), (SECOND, 2), (REVIEWER, 3), (SECOND, 3)]
    assert state.outcome is Outcome.APPROVED


def test_only_what_is_severe_or_no_met_criterion_is_added_and_the_rest_becomes_a_remark() -> None:
    state = b.awaiting_pass(b.rejected(1, SMALL))
    other = SMALL.model_copy(update={"line": 90, "reason": "the text of an error is long"})

    state = b.after(state, by_program(b.rejected(1, SEVERE, other, UNMET)))

    assert [f.reason for f in open_findings(state.findings)] == [
        SMALL.reason,
        SEVERE.reason,
        UNMET.reason,
    ]
    assert state.round == 2
    assert notes(state) == ["Pass 2 of the reviewer over the same change added 2 blocking issues."]


@pytest.mark.parametrize(
    "again",
    [
        SEVERE,
        SEVERE.model_copy(update={"line": 6}),
        SEVERE.model_copy(update={"reason": "the last row, it loses"}),
    ],
)
def test_what_an_earlier_pass_has_reported_adds_nothing(again: ReportedIssue) -> None:
    state = b.after(b.awaiting_pass(b.rejected(1, SEVERE)), by_program(b.rejected(1, again)))
    assert [finding.reason for finding in state.findings] == [SEVERE.reason]


def test_an_approval_to_which_something_that_blocks_is_added_is_none() -> None:
    state = b.after(b.awaiting_pass(b.approved(1)), by_program(b.rejected(1, SEVERE)))

    (verdict,) = state.history[-1].reviews
    assert (verdict.decision, verdict.further) == ("changes_required", 1)
    assert [finding.reason for finding in open_findings(state.findings)] == [SEVERE.reason]
    assert state.state is Phase.AWAITING_WORK


@pytest.mark.parametrize("issues", [(SMALL,), ()])
def test_an_approval_to_which_nothing_that_blocks_is_added_stays_one(
    issues: tuple[ReportedIssue, ...],
) -> None:
    more = ReviewReported(b.review(1, "changes_required", *issues), b.AT, takes_passes=True)
    state = b.after(b.awaiting_pass(b.approved(1)), more)
    assert (state.outcome, state.findings) == (Outcome.APPROVED, ())


def test_what_the_bar_keeps_for_later_leaves_an_approval_and_asks_no_person() -> None:
    limits = Limits.model_validate({"rules": {"bar": {"scenario": "always"}}})
    state = b.awaiting_pass(b.approved(1)).model_copy()
    rules = limits.rules.model_copy(update={"passes": state.limits.rules.passes})
    state = state.model_copy(update={"limits": limits.model_copy(update={"rules": rules})})

    state = b.after(state, by_program(b.rejected(1, SEVERE)))

    assert state.outcome is Outcome.APPROVED
    assert [finding.blocking for finding in state.findings] == [False]


def test_a_criterion_that_is_unmet_in_any_pass_is_unmet() -> None:
    met, unmet = (CriterionVerdict(id="C1", met=met, evidence=f"{met}") for met in (True, False))
    first, more = (judged(verdict, base=b.approved(1)) for verdict in (met, unmet))

    state = b.after(b.awaiting_pass(first), by_program(more))

    (finding,) = open_findings(state.findings)
    assert finding.criterion == "C1"
    assert notes(state) == ["Pass 2 of the reviewer over the same change added 1 unmet criterion."]
    back = b.after(b.awaiting_pass(judged(unmet, base=b.rejected(1))), by_program(first))
    assert back.state is Phase.AWAITING_WORK


def test_three_passes_add_up() -> None:
    other = SEVERE.model_copy(update={"file": "c.py"})
    state = b.awaiting_pass(b.approved(1), passes=2)
    state = b.after(state, by_program(b.rejected(1, SEVERE)))
    assert effect(state).attempt == 2
    state = b.after(state, by_program(b.rejected(1, SEVERE, other)))

    assert [finding.file for finding in open_findings(state.findings)] == ["a.py", "c.py"]
    assert state.history[-1].reviews[0].further == 2


def test_a_pass_is_an_attempt_of_its_own_in_a_conversation_that_nobody_resumes() -> None:
    session = Session(session_id="first", backend="codex")
    limits = Limits(session_rounds=0)
    first = replace(b.approved(1), session=session)
    state = b.awaiting_pass(first, limits)
    assert (effect(state).session, effect(state).attempt) == (None, 2)

    state = b.after(state, b.attempted(REVIEWER))
    failed = replace(b.failed(REVIEWER, Failure.INVALID_REPORT), session=session)
    other = session.model_copy(update={"session_id": "other"})
    state = b.after(state, replace(failed, session=other), b.attempted(REVIEWER))
    state = b.after(state, by_program(replace(b.rejected(1, SEVERE), session=other)))

    assert state.sessions["reviewer"].session_id == "first"
    assert state.usage.rounds == 1


FAILURES = [
    Failure.PERMANENT,
    Failure.DEFERRED,
    Failure.TIMEOUT,
    Failure.INVALID_REPORT,
    Failure.NO_REPORT,
    Failure.BUDGET,
    Failure.VOID_VERDICT,
]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_pass_that_fails_is_done_without_and_the_review_says_so(failure: Failure) -> None:
    failed = b.failed(REVIEWER, failure, "codex is down.", repairable=False)
    missed = b.after(b.awaiting_pass(b.rejected(1)), b.attempted(REVIEWER), failed)

    assert outstanding(missed) == SkipPass("codex is down.")
    state = b.after(missed, PassSkipped(REVIEWER, "codex is down.", b.AT))

    assert (state.state, state.round, state.further) == (Phase.AWAITING_WORK, 2, None)
    assert notes(state) == ["A further pass of the reviewer was done without: codex is down."]
    assert [len(state.findings), state.history[-1].reviews[0].further] == [1, 0]


def test_a_passing_failure_and_a_broken_report_are_tried_again_before_that() -> None:
    state = b.after(b.awaiting_pass(b.approved(1)), b.attempted(REVIEWER))
    for failure in (Failure.TRANSIENT, Failure.TRANSIENT, Failure.INVALID_REPORT):
        state = b.after(state, b.failed(REVIEWER, failure), b.attempted(REVIEWER))
    assert state.attempt
    assert state.attempt.number == 5

    state = b.after(state, b.failed(REVIEWER, Failure.INVALID_REPORT))
    assert isinstance(outstanding(state), SkipPass)


def test_a_second_reviewer_that_fails_in_its_further_pass_has_reviewed_all_the_same() -> None:
    limits = Limits(second_reviewer="claude", second_reviewer_mode="required")
    state = b.awaiting_review(limits)
    approve, also = (by_program(b.approved(1, role=role)) for role in (REVIEWER, SECOND))
    state = b.after(state, approve, approve, also, b.attempted(SECOND))
    state = b.after(state, b.failed(SECOND, Failure.PERMANENT, "claude is down."))

    assert outstanding(state) == SkipPass("claude is down.")
    state = b.after(state, PassSkipped(SECOND, "claude is down.", b.AT))
    assert state.outcome is Outcome.APPROVED
    assert [one.decision for one in state.history[-1].reviews] == ["approve", "approve"]


def test_an_agent_that_tampers_in_a_pass_ends_the_loop_all_the_same() -> None:
    state = b.after(b.awaiting_pass(b.approved(1)), b.attempted(REVIEWER))
    state = b.after(state, b.failed(REVIEWER, Failure.TAMPERED))
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("tampered",))


def test_a_budget_that_is_used_up_is_noticed_before_a_pass_is_paid() -> None:
    first = b.approved(1, spent=Spent(tokens_in=9, tokens_out=0))
    state = b.awaiting_pass(first, Limits(max_tokens=5))
    due = outstanding(state)
    assert due == SkipPass("9 of 5 tokens are used.")
    assert b.after(state, PassSkipped(REVIEWER, due.why, b.AT)).outcome is Outcome.APPROVED


def test_what_was_reported_outlives_the_process_and_only_the_pass_is_asked_for() -> None:
    waiting = b.awaiting_pass(b.rejected(1, SEVERE))
    ended = b.after(waiting, b.attempted(REVIEWER), b.halted(Outcome.INTERRUPTED))

    again = b.after(parse_state(ended.to_json()), b.resumed(waiting.limits))

    assert (effect(again).role, effect(again).attempt) == (REVIEWER, 3)
    state = b.after(again, by_program(b.approved(1)))
    assert [finding.reason for finding in open_findings(state.findings)] == [SEVERE.reason]


def test_runs_that_die_again_and_again_in_a_pass_leave_the_review_without_it() -> None:
    waiting = b.awaiting_pass(b.rejected(1))
    state = b.after(waiting, b.attempted(REVIEWER))
    for _ in range(2):
        state = b.after(state, replace(b.resumed(waiting.limits), run_lost=True))
        state = (
            state
            if state.further and state.further.missed
            else b.after(state, b.attempted(REVIEWER))
        )
    assert isinstance(outstanding(state), SkipPass)


def test_a_pass_that_is_not_set_any_more_is_not_waited_for() -> None:
    ended = b.after(b.awaiting_pass(b.approved(1)), b.halted(Outcome.INTERRUPTED))
    state = b.after(ended, b.resumed(Limits()))
    assert outstanding(state) == SkipPass("None is asked for any more.")


def test_commits_of_a_person_are_reviewed_from_the_first_pass_on() -> None:
    waiting = b.awaiting_pass(b.approved(1))
    ended = b.after(waiting, b.halted(Outcome.NEEDS_HUMAN))
    state = b.after(ended, b.resumed(waiting.limits, head_sha=b.sha(9)))
    assert (state.further, effect(state).role) == (None, REVIEWER)


def test_the_base_branch_is_merged_only_into_what_the_last_pass_approves() -> None:
    before = b.awaiting_review(b.awaiting_pass(b.approved(1)).limits)
    waiting = b.awaiting_pass(b.approved(1))
    assert (may_merge(before, REVIEWER), may_merge(waiting, REVIEWER)) == (False, True)


def test_an_approval_that_waits_for_checks_may_take_the_base_branch_whoever_was_not_asked() -> None:
    held = b.with_checks(b.awaiting_review(WITH_SECOND))
    held = b.after(held, b.approved(1), SecondReviewSkipped("It is missing.", b.AT))
    assert held.outcome is None
    assert may_merge(held, SECOND)


def test_the_review_of_a_merge_of_the_base_branch_has_no_further_pass() -> None:
    merged = BaseMerged(sha=b.sha(7), changes_diff=True, verification=b.verified(7, 0))
    seen = BaseCompared(b.sha(1), b.sha(6), b.START, is_required=True, merged=merged, at=b.AT)
    waiting = b.awaiting_pass(b.approved(1))
    state = b.after(waiting, replace(by_program(b.approved(1)), base=seen))
    assert (state.head_sha, state.further) == (b.sha(7), None)

    assert b.after(state, by_program(b.approved(1))).outcome is Outcome.APPROVED


def test_a_reviewer_of_which_nothing_blocks_is_asked_once_more_before_it_looks_again() -> None:
    limits = Limits.model_validate({"rules": {"bar": {"first_round": ["high"]}}})
    rules = limits.rules.model_copy(
        update={"passes": b.awaiting_pass(b.approved(1)).limits.rules.passes}
    )
    limits = limits.model_copy(update={"rules": rules})
    state = b.after(b.awaiting_review(limits), b.attempted(REVIEWER))

    first = replace(by_program(b.rejected(1, SMALL)), is_repeatable=True)
    state = b.after(state, first)
    assert state.further is None
    assert effect(state).feedback

    state = b.after(state, b.attempted(REVIEWER), by_program(b.approved(1)))
    assert state.further
    state = b.after(state, replace(by_program(b.rejected(1, SMALL)), is_repeatable=True))
    assert state.outcome is Outcome.APPROVED


issues = st.builds(
    ReportedIssue,
    id=st.sampled_from(("", "", "F1", "F2")),
    severity=st.sampled_from(("high", "medium", "low")),
    file=st.sampled_from(("", "a.py", "b.py")),
    line=st.sampled_from((None, 1, 90)),
    reason=st.sampled_from(("the sum is wrong", "the cache is stale", "it leaks")),
    scenario=st.sampled_from(("", "add(1, 1) is 3")),
    criterion=st.sampled_from(("", "C0", "C1")),
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.lists(issues, max_size=3),
    st.lists(issues, max_size=3),
    st.lists(st.booleans(), max_size=2),
    issues,
    st.sampled_from((Rules(), Rules.model_validate({"bar": {"first_round": ["high"]}}))),
)
def test_neither_a_pass_nor_a_finding_more_in_it_makes_an_approval_likelier(
    first: list[ReportedIssue],
    second: list[ReportedIssue],
    met: list[bool],
    more: ReportedIssue,
    rules: Rules,
) -> None:
    wanted = rules.model_copy(update={"passes": b.awaiting_pass(b.approved(1)).limits.rules.passes})
    start = b.awaiting_review(Limits(rules=wanted))
    said = b.review(1, "changes_required" if first else "approve", *first)
    criteria = tuple(CriterionVerdict(id=f"C{n}", met=one) for n, one in enumerate(met, 1))

    def ended(*reports: ReviewReport) -> Outcome | None:
        state = start
        for report in reports:
            if state.state is Phase.AWAITING_REVIEW:
                state = b.after(state, ReviewReported(report, b.AT, takes_passes=True))
        if state.further:
            state = b.after(state, PassSkipped(REVIEWER, "It is down.", b.AT))
        return state.outcome

    def further(*raised: ReportedIssue) -> ReviewReport:
        report = b.review(1, "changes_required", *raised)
        return report.model_copy(update={"criteria": criteria})

    alone, with_pass = ended(said), ended(said, further(*second))
    with_more = ended(said, further(*second, more))
    approved = Outcome.APPROVED
    assert alone is approved or with_pass is not approved
    assert with_pass is approved or with_more is not approved


def test_a_second_review_that_is_skipped_keeps_the_passes_of_the_first() -> None:
    approve = by_program(b.approved(1, reviewer="codex"))
    state = b.after(b.awaiting_review(WITH_SECOND), approve, approve)
    state = b.after(state, SecondReviewSkipped("It is missing.", b.AT))
    assert [verdict.further for verdict in state.history[-1].reviews] == [1, 0]
