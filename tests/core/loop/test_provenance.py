"""Where a finding comes from, given what git found and the rounds that are recorded."""

from __future__ import annotations

import pytest
from tests.core.builders import after, awaiting_review, rejected, review, sha, work_reported

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.messages import (
    LoopResumed,
)
from loop_kit.core.loop.provenance import (
    FIRST_WORK,
    NOWHERE,
    PRE_EXISTING,
    UNKNOWN,
    Lineage,
    Spot,
    fix_of,
    lineage,
    provenance_of,
    spots,
    unplaced_issues,
)
from loop_kit.core.loop.state import LoopState, Phase, RoundRecord

BASE = sha(0)
THREE = Lineage(
    (BASE, sha(1), sha(2), sha(3)), (PRE_EXISTING, FIRST_WORK, "fix-of-round-2", "fix-of-round-3")
)


def three_rounds() -> LoopState:
    """A loop that waits for the review of its third round."""
    state = after(awaiting_review(), rejected(1), work_reported(2, 2), rejected(2))
    return after(state, work_reported(3, 3))


def record(round_: int, parent: int, head: int) -> RoundRecord:
    return RoundRecord(round=round_, parent_sha=sha(parent), head_sha=sha(head))


def test_each_round_has_the_name_of_what_it_was_for() -> None:
    assert lineage(three_rounds()) == THREE
    assert fix_of(1) == FIRST_WORK
    assert fix_of(12) == "fix-of-round-12"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (BASE, PRE_EXISTING),
        (sha(1), FIRST_WORK),
        (sha(3), "fix-of-round-3"),
        (NOWHERE, NOWHERE),
        (None, UNKNOWN),
        (sha(9), UNKNOWN),
    ],
)
def test_the_commit_that_git_found_is_named(origin: str | None, expected: str) -> None:
    issue = ReportedIssue(file="a.py", line=3)
    assert provenance_of(issue, {Spot("a.py", 3): origin}, THREE) == expected


def test_an_issue_without_a_file_is_nowhere_and_one_that_git_was_not_asked_about_unknown() -> None:
    assert provenance_of(ReportedIssue(reason="too slow"), {}, THREE) == NOWHERE
    assert provenance_of(ReportedIssue(file="a.py", line=3), {}, THREE) == UNKNOWN


def test_what_a_pull_request_had_before_the_loop_is_first_work() -> None:
    state = three_rounds().model_copy(update={"base_sha": sha(7), "start_sha": BASE})
    names = dict(zip(*lineage(state), strict=True))
    assert names[sha(7)] == PRE_EXISTING
    assert names[BASE] == names[sha(1)] == FIRST_WORK


def test_what_a_person_pushed_between_two_rounds_belongs_to_the_later_one() -> None:
    history = (record(1, 0, 1), record(2, 5, 2))
    state = three_rounds().model_copy(update={"history": history, "head_sha": sha(2)})
    assert lineage(state) == Lineage(
        (BASE, sha(1), sha(2)), (PRE_EXISTING, FIRST_WORK, "fix-of-round-2")
    )


def test_what_a_person_pushed_before_the_review_belongs_to_the_round_under_review() -> None:
    pushed = LoopResumed(limits=three_rounds().limits, at="", head_sha=sha(8))
    assert lineage(after(three_rounds(), pushed)) == Lineage(
        (BASE, sha(1), sha(2), sha(8)), THREE.names
    )


def test_a_round_that_only_disputes_adds_nothing() -> None:
    state = after(awaiting_review(), rejected(1), work_reported(2, 1))
    assert lineage(state) == Lineage((BASE, sha(1)), (PRE_EXISTING, FIRST_WORK))


def test_a_branch_that_was_set_back_is_blamed_up_to_where_it_is() -> None:
    state = three_rounds().model_copy(update={"head_sha": sha(1)})
    assert lineage(state).commits == (BASE, sha(1))


def test_rounds_that_nobody_recorded_are_first_work() -> None:
    state = LoopState(
        state=Phase.AWAITING_REVIEW,
        round=4,
        base_sha=BASE,
        start_sha=BASE,
        head_sha=sha(4),
        history=(record(4, 3, 4),),
    )
    assert lineage(state) == Lineage(
        (BASE, sha(3), sha(4)), (PRE_EXISTING, FIRST_WORK, "fix-of-round-4")
    )


def test_git_is_asked_once_for_each_place_of_an_issue_that_is_new() -> None:
    state = three_rounds()
    known = state.findings[0].id
    same = ReportedIssue(file="a.py", line=3)
    report = review(
        3,
        "changes_required",
        ReportedIssue(id=known, file="b.py", line=1),
        same,
        same.model_copy(update={"reason": "another"}),
        ReportedIssue(file="a.py"),
        ReportedIssue(reason="nowhere"),
    )
    assert spots(unplaced_issues(state, report)) == (Spot("a.py", 3), Spot("a.py", None))
