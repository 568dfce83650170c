"""The ledger: ids are given here, stable over the rounds, and nothing that blocks gets lost."""

import pytest
from tests.core import builders as b

from loop_kit.core.agent.report_values import DispositionStatus
from loop_kit.core.agent.reports import ReportedIssue, Response
from loop_kit.core.loop.findings import (
    Finding,
    Ledger,
    apply_review,
    contradiction,
    open_findings,
    record_responses,
)


def raised(*reasons: str) -> Ledger:
    """The ledger after a first review that blocks for these reasons."""
    return apply_review(
        (), b.review(1, "changes_required", *(ReportedIssue(reason=r) for r in reasons))
    )


def test_every_new_issue_gets_the_next_id_from_us() -> None:
    ledger = raised("one", "two")
    ledger = apply_review(ledger, b.review(2, "changes_required", ReportedIssue(reason="three")))
    assert [(f.id, f.round, f.reason) for f in ledger] == [
        ("F1", 1, "one"),
        ("F2", 1, "two"),
        ("F3", 2, "three"),
    ]


def test_an_issue_is_recorded_with_everything_it_has() -> None:
    issue = ReportedIssue(
        severity="high",
        file="a.py",
        line=3,
        reason="wrong",
        required_change="add",
        scenario="f(0)",
    )
    assert apply_review((), b.review(1, "changes_required", issue)) == (
        Finding(id="F1", round=1, **issue.model_dump(exclude={"id"})),
    )


@pytest.mark.parametrize("invented", ["", "F9", "BUG-1", "f1", "F1 "])
def test_an_id_that_we_did_not_issue_makes_a_new_finding_with_an_id_of_ours(invented: str) -> None:
    ledger = raised("one")
    ledger = apply_review(
        ledger, b.review(2, "changes_required", ReportedIssue(id=invented, reason="two"))
    )
    assert [(f.id, f.reason) for f in ledger] == [("F1", "one"), ("F2", "two")]


def test_a_repeated_issue_stays_the_finding_it_was() -> None:
    ledger = raised("one", "two")
    ledger = apply_review(
        ledger, b.review(2, "changes_required", ReportedIssue(id="F2", reason="two"))
    )
    assert [(f.id, f.round, f.not_fixed) for f in ledger] == [("F1", 1, 0), ("F2", 1, 1)]


def test_a_repeated_issue_that_was_closed_is_open_again() -> None:
    ledger = apply_review(raised("one"), b.review(2, "approve"))
    ledger = apply_review(
        ledger, b.review(3, "changes_required", ReportedIssue(id="F1", reason="one"))
    )
    assert [(f.id, f.status, f.closed_round) for f in ledger] == [("F1", "open", None)]


@pytest.mark.parametrize(
    ("said", "status", "counts"),
    [
        ("fixed", "fixed", (0, 0)),
        ("withdrawn", "withdrawn", (0, 0)),
        ("not_fixed", "open", (1, 0)),
        ("upheld", "open", (1, 0)),
    ],
)
def test_a_disposition_is_applied_and_its_note_kept(
    said: DispositionStatus, status: str, counts: tuple[int, int]
) -> None:
    disposed = (b.said("F1", said, "I looked"),)
    report = b.review(2, "changes_required", ReportedIssue(reason="new"), dispositions=disposed)
    finding = apply_review(raised("one"), report)[0]
    assert (finding.status, finding.note) == (status, "I looked")
    assert (finding.not_fixed, finding.upheld) == counts
    assert finding.closed_round == (None if status == "open" else 2)


def test_upholding_a_finding_that_the_worker_disputed_is_counted_apart() -> None:
    answer = Response(id="F1", action="disputed", evidence="0 cannot come here")
    disputed = record_responses(raised("one"), (answer,))
    report = b.review(2, "changes_required", dispositions=(b.said("F1", "upheld", "it can"),))
    finding = apply_review(disputed, report)[0]
    assert (finding.disputes, finding.dispute) == (1, "0 cannot come here")
    assert (finding.upheld, finding.not_fixed, finding.note) == (1, 0, "it can")


def test_a_closed_finding_is_not_disposed_of_again() -> None:
    closed = apply_review(raised("one"), b.review(2, "approve"))
    report = b.review(3, "changes_required", dispositions=(b.said("F1", "withdrawn"),))
    assert apply_review(closed, report) == closed


def test_a_disposition_of_an_unknown_finding_changes_nothing() -> None:
    report = b.review(2, "changes_required", dispositions=(b.said("F7", "fixed"),))
    assert apply_review(raised("one"), report) == raised("one")


def test_an_approval_closes_what_it_leaves_unmentioned_and_a_rejection_does_not() -> None:
    assert open_findings(apply_review(raised("one", "two"), b.review(2, "approve"))) == ()
    rejection = b.review(2, "changes_required", ReportedIssue(reason="three"))
    still = open_findings(apply_review(raised("one", "two"), rejection))
    assert [f.id for f in still] == ["F1", "F2", "F3"]


def test_what_a_reviewer_says_while_repeating_a_finding_is_not_lost() -> None:
    repeat = ReportedIssue(id="F1", reason="it still fails for 0", required_change="handle 0")
    finding = apply_review(raised("one"), b.review(2, "changes_required", repeat))[0]
    text = finding.model_dump_json()
    assert "it still fails for 0" in text
    assert "handle 0" in text


def test_the_note_of_a_finding_that_is_disposed_of_and_repeated_is_kept() -> None:
    report = b.review(
        2,
        "changes_required",
        ReportedIssue(id="F1", reason="one"),
        dispositions=(b.said("F1", "not_fixed", "the test is still red"),),
    )
    finding = apply_review(raised("one"), report)[0]
    assert finding.note == "the test is still red"
    assert finding.not_fixed == 1


def test_no_reported_issue_disappears_when_two_bear_the_same_id() -> None:
    issues = (ReportedIssue(id="F1", reason="first"), ReportedIssue(id="F1", reason="second"))
    text = "".join(
        f.model_dump_json()
        for f in apply_review(raised("one"), b.review(2, "changes_required", *issues))
    )
    assert "first" in text
    assert "second" in text


@pytest.mark.parametrize("status", ["not_fixed", "upheld"])
def test_an_approval_that_says_not_fixed_contradicts_itself(status: DispositionStatus) -> None:
    report = b.review(2, "approve", dispositions=(b.said("F2", status), b.said("F1", "fixed")))
    assert contradiction(raised("one", "two"), report) == (
        "review_report.json approves and says that F2 is not fixed"
    )


def test_an_approval_may_say_that_a_closed_finding_was_not_fixed_then() -> None:
    closed = apply_review(raised("one"), b.review(2, "approve"))
    report = b.review(3, "approve", dispositions=(b.said("F1", "not_fixed"),))
    assert contradiction(closed, report) is None


def test_a_rejection_without_anything_that_blocks_contradicts_itself() -> None:
    fixed = b.review(2, "changes_required", dispositions=(b.said("F1", "fixed"),))
    assert "without a blocking issue" in (contradiction(raised("one"), fixed) or "")
    assert "without a blocking issue" in (contradiction((), b.review(1, "changes_required")) or "")
    unknown = b.review(2, "changes_required", dispositions=(b.said("F9", "not_fixed"),))
    assert "without a blocking issue" in (contradiction(raised("one"), unknown) or "")


def test_a_rejection_for_a_finding_that_is_not_fixed_needs_no_new_issue() -> None:
    report = b.review(2, "changes_required", dispositions=(b.said("F1", "not_fixed"),))
    assert contradiction(raised("one"), report) is None
    assert contradiction((), b.review(1, "changes_required", ReportedIssue(reason="one"))) is None
    assert contradiction(raised("one"), b.review(2, "approve")) is None


def test_what_a_person_requires_is_not_settled_by_an_approval_that_does_not_name_it() -> None:
    one, two = raised("one", "two")
    ledger = (one, two.model_copy(update={"required": True}))

    why = contradiction(ledger, b.review(2, "approve"))

    assert why == ("review_report.json approves without a disposition of F1, F2, which is open")
    after = apply_review(ledger, b.review(2, "approve"))
    assert [finding.status for finding in after] == ["fixed", "open"]
    both = (b.said("F1", "fixed"), b.said("F2", "fixed"))
    assert contradiction(ledger, b.review(2, "approve", dispositions=both)) is None
