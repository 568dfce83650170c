"""Which posts a loop intends, when it intends them again, and when a no is tried again."""

from __future__ import annotations

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import Disposition, ReportedIssue, ReviewReport
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.messages import (
    Commanded,
    Failure,
    LeaseTaken,
    Published,
    ReviewReported,
)
from loop_kit.core.loop.outbox import (
    is_resolving_refused,
    kind_of,
    label_of,
    marks_key,
    pending,
    review_key,
)
from loop_kit.core.loop.state import Lease, Limits, LoopState, OutboxItem, Outcome, Role, Source

ON_A_LINE = ReportedIssue(reason="wrong", file="a.py", line=1)
STANDING = ["commit-status", "status-comment"]


def begun(holder: str = "h1") -> LoopState:
    return transition(b.awaiting_work(publishes=True), LeaseTaken(Lease(holder=holder)))


def posted(state: LoopState, **refs: str) -> LoopState:
    """The state after everything pending was posted."""
    for item in pending(state):
        ref = refs.get(item.key.replace("-", "_"), item.ref)
        number = 7 if item.key == "pull-request" else None
        done = item.model_copy(update={"status": "done", "ref": ref})
        state = transition(state, Published(done, number))
    return state


def refused(state: LoopState, key: str) -> LoopState:
    (item,) = [item for item in state.outbox if item.key == key]
    return transition(state, Published(item.model_copy(update={"status": "refused", "why": "no"})))


def keys(state: LoopState) -> list[str]:
    return [item.key for item in pending(state)]


def item(state: LoopState, key: str) -> OutboxItem:
    (found,) = [item for item in state.outbox if item.key == key]
    return found


def after_round_one(*issues: ReportedIssue) -> LoopState:
    state = b.after(begun(), b.work_reported(1, 1), b.rejected(1, *issues))
    return posted(state, status_comment="55")


def test_a_finding_that_is_settled_is_marked_where_it_was_shown() -> None:
    reviewed = (b.work_reported(2, 2), b.approved(2), b.PEOPLE_READ)
    state = b.after(after_round_one(ON_A_LINE), *reviewed)
    assert keys(state) == [review_key(2), marks_key(2), "ready", "labels", *STANDING]


def test_a_finding_without_a_line_needs_no_mark() -> None:
    state = b.after(after_round_one(), b.work_reported(2, 2), b.approved(2))
    assert marks_key(2) not in keys(state)


def test_the_status_comment_is_always_the_same_one() -> None:
    state = b.after(after_round_one(), LeaseTaken(Lease(holder="h2")))
    state = b.after(state, b.work_reported(2, 2), b.rejected(2))
    again = item(state, "status-comment")
    assert (again.status, again.ref, again.holder) == ("pending", "55", "h2")


def test_what_an_earlier_run_left_open_stays_its_own_so_that_it_is_looked_for() -> None:
    state = b.after(begun(), b.work_reported(1, 1), b.rejected(1))
    state = b.after(state, LeaseTaken(Lease(holder="h2")), b.work_reported(2, 2), b.rejected(2))
    assert item(state, "status-comment").holder == "h1"
    assert item(state, review_key(2)).holder == "h2"


def test_a_stop_is_shown_and_so_is_the_resumption() -> None:
    stopped = transition(after_round_one(), b.halted(Outcome.NEEDS_HUMAN))
    assert keys(stopped) == ["labels", *STANDING]
    resumed = transition(posted(stopped, labels="loop:needs-human"), b.resumed())
    assert keys(resumed) == ["labels", *STANDING]


def test_a_cancelled_loop_is_shown_without_a_label() -> None:
    assert keys(transition(after_round_one(), b.halted(Outcome.CANCELLED))) == STANDING


def test_an_interrupted_run_intends_nothing() -> None:
    stopped = transition(after_round_one(), b.halted(Outcome.INTERRUPTED))
    assert keys(stopped) == []
    assert keys(transition(stopped, b.resumed())) == []


def test_a_worker_that_fails_in_the_first_round_has_nowhere_to_post() -> None:
    assert keys(transition(begun(), b.failed(Role.WORKER, Failure.PERMANENT))) == []


def test_the_issue_of_a_loop_without_a_pull_request_gets_the_label() -> None:
    state = begun().model_copy(update={"source": Source(kind="issue", ref="12")})
    assert keys(transition(state, b.failed(Role.WORKER, Failure.PERMANENT))) == [
        "labels",
        "acknowledgement",
    ]


def test_a_reviewer_that_fails_in_the_first_round_leaves_a_status_on_the_work() -> None:
    state = transition(begun(), b.work_reported(1, 1))
    failed = transition(state, b.failed(Role.REVIEWER, Failure.PERMANENT))
    assert keys(failed) == ["commit-status"]


def test_a_no_is_not_repeated_until_a_person_starts_the_loop_again() -> None:
    state = b.after(begun(), b.work_reported(1, 1), b.rejected(1))
    state = posted(refused(state, "commit-status"))
    state = b.after(state, b.work_reported(2, 2), b.rejected(2))
    assert "commit-status" not in keys(state)
    state = b.after(posted(state), b.halted(Outcome.NEEDS_HUMAN))
    assert "commit-status" in keys(transition(posted(state), b.resumed()))


def test_without_a_pull_request_nothing_is_intended_for_one() -> None:
    state = b.after(begun(), b.work_reported(1, 1), b.rejected(1))
    for key in keys(state):
        state = refused(state, key)
    state = b.after(state, b.work_reported(2, 2), b.approved(2))
    assert keys(state) == [review_key(2)]


def test_used_up_rounds_are_shown_with_the_review_that_used_the_last() -> None:
    state = transition(
        b.awaiting_work(Limits(max_rounds=1), publishes=True), LeaseTaken(Lease(holder="h"))
    )
    state = b.after(state, b.work_reported(1, 1), b.rejected(1))
    assert state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    assert keys(state) == ["pull-request", review_key(1), "labels", *STANDING]


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        (None, ""),
        (Outcome.CANCELLED, ""),
        (Outcome.INTERRUPTED, ""),
        (Outcome.APPROVED, "loop:approved"),
        (Outcome.NEEDS_HUMAN, "loop:needs-human"),
        (Outcome.MAX_ROUNDS_EXHAUSTED, "loop:needs-human"),
        (Outcome.WORKER_NOOP, "loop:failed"),
    ],
)
def test_each_outcome_has_its_label(outcome: Outcome | None, label: str) -> None:
    assert label_of(outcome) == label


@pytest.mark.parametrize("key", ["pull-request", "ready", "commit-status", "status-comment"])
def test_only_a_number_of_a_round_is_cut_off_a_key(key: str) -> None:
    assert kind_of(key) == key
    assert kind_of(review_key(12)) == "review"


def test_a_finding_that_comes_back_is_marked_open_again_in_that_round() -> None:
    state = b.after(after_round_one(ON_A_LINE), b.work_reported(2, 2))
    fixed = ReviewReport(
        task_id="T-001",
        round=2,
        decision="changes_required",
        blocking_issues=(ReportedIssue(reason="something else", scenario="it fails"),),
        dispositions=(Disposition(id="F1", status="fixed"),),
    )
    state = posted(b.after(state, ReviewReported(fixed, b.AT)))
    assert state.findings[0].status == "fixed"
    again = ON_A_LINE.model_copy(update={"id": "F1"})
    state = b.after(state, b.work_reported(3, 3), b.rejected(3, again))
    assert state.findings[0].status == "open"
    assert marks_key(3) in keys(state)


def test_a_decision_of_a_person_is_marked_without_waiting_for_a_review() -> None:
    state = after_round_one(ON_A_LINE)
    waived = Command(comment=1, verb="waive", findings=("F1",), by="mona")
    assert keys(transition(state, Commanded(waived, b.AT))) == [marks_key(2)]


def test_threads_that_may_not_be_resolved_are_tried_again_when_a_person_starts_the_loop() -> None:
    state = b.after(after_round_one(ON_A_LINE), b.work_reported(2, 2), b.halted(Outcome.CANCELLED))
    waived = Command(comment=1, verb="waive", findings=("F1",), by="mona")
    state = posted(transition(state, Commanded(waived, b.AT)))
    done = item(state, marks_key(2)).model_copy(update={"status": "done", "why": "no"})
    state = transition(state, Published(done))
    assert is_resolving_refused(state)
    state = transition(state, b.resumed())
    assert marks_key(2) in keys(state)
    assert not is_resolving_refused(state)
