"""What each rule makes of a review: the bar, repeats, the approval, and the stops."""

from dataclasses import replace
from typing import Any

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import CriterionVerdict, Disposition, ReportedIssue, Response
from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.findings import later_findings, open_findings
from loop_kit.core.loop.machine import outstanding
from loop_kit.core.loop.messages import (
    Failure,
    ReviewReported,
    WorkReported,
)
from loop_kit.core.loop.rules.bar import why_below
from loop_kit.core.loop.rules.joining import Likeness, Place
from loop_kit.core.loop.rules.settings import Bar, Join, Rules
from loop_kit.core.loop.state import Growth, Limits, LoopState, Outcome, Phase, Role, Session

MANY = Limits(max_rounds=20)
ISSUE = ReportedIssue(file="a.py", line=7, reason="double triples its argument", scenario="d(2)")


def limits(**rules: Any) -> Limits:
    return MANY.model_copy(update={"rules": Rules.model_validate(rules)})


def reviewed(round_: int, *issues: ReportedIssue, provenance: str = "") -> ReviewReported:
    report = b.review(round_, "changes_required", *issues)
    return ReviewReported(report, at=b.AT, provenance=(provenance,) * len(issues))


def settled(round_: int, *dispositions: Disposition) -> ReviewReported:
    """A request for changes that only says what became of known findings."""
    report = b.review(round_, "changes_required", dispositions=dispositions)
    return ReviewReported(report, at=b.AT)


def sent_back(state: LoopState, rounds: int) -> LoopState:
    """`state`, which awaits work, after as many rounds in which F1 was not fixed."""
    for _ in range(rounds):
        n = state.round
        not_fixed = settled(n, b.said("F1", "not_fixed", "it still triples"))
        state = b.after(state, b.work_reported(n, n), not_fixed)
    return state


def with_finding(limits: Limits = MANY, issue: ReportedIssue = ISSUE) -> LoopState:
    """A loop whose first round was sent back for F1."""
    return b.after(b.awaiting_review(limits), b.rejected(1, issue))


def grown(
    round_: int,
    source: int,
    tests: int = 0,
    restores: tuple[str, ...] = (),
    again: tuple[str, ...] = (),
) -> WorkReported:
    event = b.work_reported(round_, round_)
    size = Growth(source=source, tests=tests)
    work = replace(event.work, growth=size, restores=restores, restores_again=again)
    return replace(event, work=work)


def notes(state: LoopState, rule: str) -> list[str]:
    return [note.text for note in state.history[-1].rules if note.rule == rule]


# --- the bar --------------------------------------------------------------------------------------

LATER = {
    "first-work": "on a line older than the last fix",
    "fix-of-round-2": "on a line older than the last fix",
    "pre-existing": "on a line that was there before the loop",
    "nowhere": "on no line that exists",
}


@pytest.mark.parametrize("provenance", ["", "pre-existing", "first-work", "nowhere", "fix-of-x"])
def test_in_round_one_every_finding_blocks_wherever_it_is(provenance: str) -> None:
    assert why_below(ISSUE, provenance, 1, Bar(), "strict") == ""


@pytest.mark.parametrize("provenance", LATER)
def test_later_a_new_finding_on_an_old_line_is_kept_for_later_and_says_why(provenance: str) -> None:
    why = why_below(ISSUE, provenance, 3, Bar(), "strict")
    assert why == f"new in round 3, {LATER[provenance]}, severity medium"


@pytest.mark.parametrize("provenance", ["fix-of-round-2", "", "rubbish"])
def test_on_the_first_fix_or_where_the_origin_is_unknown_it_blocks(provenance: str) -> None:
    assert why_below(ISSUE, provenance, 2, Bar(), "strict") == ""


def test_on_a_later_fix_only_what_is_severe_or_unmet_blocks_unless_it_is_set_otherwise() -> None:
    def why(bar: Bar, round_: int = 3, **words: str) -> str:
        issue = ISSUE.model_copy(update=words)
        return why_below(issue, f"fix-of-round-{round_}", round_, bar, "strict")

    assert why(Bar()) == "new in round 3, on a line of the last fix, severity medium"
    assert why(Bar(), severity="high") == ""
    assert why(Bar(), criterion="C1") == ""
    assert why(Bar(late_fix=("any",))) == ""
    assert why(Bar(late_from=4)) == ""
    assert why(Bar(late_from=4), 4) == "new in round 4, on a line of the last fix, severity medium"
    assert why_below(ISSUE, "", 3, Bar(), "strict") == ""


def test_on_a_later_fix_what_a_reviewer_says_without_a_scenario_blocks_in_lenient_mode() -> None:
    bare = ISSUE.model_copy(update={"scenario": ""})
    assert why_below(bare, "fix-of-round-3", 3, Bar(), "lenient") == ""
    assert why_below(ISSUE, "fix-of-round-3", 3, Bar(), "lenient") != ""


@pytest.mark.parametrize(
    ("provenance", "high_blocks"),
    [("first-work", True), ("fix-of-round-2", True), ("nowhere", True), ("pre-existing", False)],
)
def test_severity_lifts_a_finding_except_on_lines_older_than_the_loop(
    provenance: str, high_blocks: bool
) -> None:
    high = ISSUE.model_copy(update={"severity": "high"})
    assert (why_below(high, provenance, 3, Bar(), "strict") == "") is high_blocks


@pytest.mark.parametrize("provenance", LATER)
def test_a_criterion_that_is_not_met_always_blocks(provenance: str) -> None:
    unmet = ISSUE.model_copy(update={"criterion": "C0", "scenario": ""})
    assert why_below(unmet, provenance, 3, Bar(), "strict") == ""


def test_only_strict_evidence_asks_for_a_scenario() -> None:
    vague = ISSUE.model_copy(update={"scenario": " "})
    why = "new in round 1, without a scenario of how it fails"
    assert why_below(vague, "", 1, Bar(), "strict") == why
    assert why_below(vague, "", 1, Bar(), "lenient") == ""
    assert why_below(vague, "", 1, Bar(scenario="always"), "lenient") == why
    assert why_below(vague, "", 1, Bar(scenario="never"), "strict") == ""
    assert why_below(vague, "pre-existing", 9, Bar(enabled=False), "strict") == ""


def test_every_cell_of_the_bar_is_a_setting() -> None:
    def below(**cells: Any) -> bool:
        return bool(why_below(ISSUE, "pre-existing", 2, Bar.model_validate(cells), "lenient"))

    assert below()
    assert not below(pre_existing=["medium"])
    assert not below(pre_existing=["any"])
    assert below(pre_existing=[])


def test_changes_of_which_none_blocks_are_a_question_for_a_person_and_no_approval() -> None:
    state = b.after(with_finding(), b.work_reported(2, 2))
    new = ReportedIssue(file="b.py", line=1, reason="a name could be better")
    report = b.review(2, "changes_required", new, dispositions=(b.said("F1", "fixed"),))
    state = b.after(state, ReviewReported(report, at=b.AT, provenance=("pre-existing",)))
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("bar",))
    assert [f.id for f in later_findings(state.findings)] == ["F2"]
    assert state.error == (
        "The reviewer requires changes, but no finding blocks: F2 is kept for later."
    )
    assert notes(state, "bar")[0] == (
        "F2 is kept for later: new in round 2, on a line that was there before the loop,"
        " severity medium."
    )


def nothing_blocks(state: LoopState, *, repeatable: bool = True) -> ReviewReported:
    """A review of round 2 by a program: F1 is fixed, and what is new is on an old line."""
    new = ReportedIssue(file="b.py", line=1, reason="a name could be better")
    kept = b.said("F2", "not_fixed") if len(state.findings) > 1 else None
    said = (b.said("F1", "fixed"), *([kept] if kept else []))
    report = b.review(2, "changes_required", new, dispositions=said)
    return ReviewReported(report, at=b.AT, provenance=("pre-existing",), is_repeatable=repeatable)


def test_a_reviewer_that_requires_changes_of_which_none_blocks_is_asked_once_more() -> None:
    state = b.after(with_finding(), b.work_reported(2, 2), b.attempted(Role.REVIEWER))
    state = b.after(state, nothing_blocks(state))
    assert (state.state, state.round, state.usage.rounds) == (Phase.AWAITING_REVIEW, 2, 1)
    assert [f.id for f in later_findings(state.findings)] == ["F2"]
    asked = outstanding(state)
    assert isinstance(asked, RunAgent)
    assert (asked.role, asked.attempt, asked.delay) == (Role.REVIEWER, 2, 0)
    assert "no finding blocks: F2 is kept for later. If one of them has to" in asked.feedback
    approved = b.after(state, b.attempted(Role.REVIEWER), b.approved(2))
    assert approved.outcome is Outcome.APPROVED
    assert [f.id for f in later_findings(approved.findings)] == ["F2"]


def test_a_reviewer_that_insists_is_a_question_for_a_person() -> None:
    state = b.after(with_finding(), b.work_reported(2, 2), b.attempted(Role.REVIEWER))
    state = b.after(state, nothing_blocks(state), b.attempted(Role.REVIEWER))
    state = b.after(state, nothing_blocks(state))
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("bar",))
    assert len(state.findings) == 2


@pytest.mark.parametrize(("repeatable", "asks"), [(False, True), (True, False)])
def test_a_person_is_not_asked_twice_and_nobody_where_that_is_off(
    repeatable: bool, asks: bool
) -> None:
    start = with_finding(limits(bar={"asks_again": asks}))
    state = b.after(start, b.work_reported(2, 2), b.attempted(Role.REVIEWER))
    assert b.after(state, nothing_blocks(state, repeatable=repeatable)).reasons == ("bar",)


def below_the_bar() -> LoopState:
    """Round 2 was sent back for F1; F2 is new in it, and kept for later."""
    state = b.after(with_finding(), b.work_reported(2, 2))
    new = ReportedIssue(file="b.py", line=1, reason="empty input is not handled")
    disposed = (b.said("F1", "not_fixed"),)
    report = b.review(2, "changes_required", new, dispositions=disposed)
    return b.after(state, ReviewReported(report, at=b.AT, provenance=("first-work",)))


def test_what_is_kept_for_later_is_not_closed_by_an_approval_and_does_not_hinder_it() -> None:
    state = b.after(below_the_bar(), b.work_reported(3, 3), b.approved(3))
    assert state.outcome is Outcome.APPROVED
    assert [(f.id, f.status) for f in state.findings] == [("F1", "fixed"), ("F2", "open")]


def test_a_finding_rises_only_by_something_new() -> None:
    state = b.after(below_the_bar(), b.work_reported(3, 3))
    both = (b.said("F1", "not_fixed"), b.said("F2", "not_fixed"))
    report = b.review(3, "changes_required", dispositions=both)
    again = b.after(state, ReviewReported(report, at=b.AT))
    assert [f.id for f in later_findings(again.findings)] == ["F2"]
    assert again.findings[1].not_fixed == 0
    worse = ReportedIssue(id="F2", severity="high", reason="empty input loses data")
    risen = b.after(state, ReviewReported(b.review(3, "changes_required", worse), at=b.AT))
    assert [f.id for f in open_findings(risen.findings)] == ["F1", "F2"]
    assert "F2 was kept for later and blocks from now on." in notes(risen, "bar")


def test_a_reviewer_of_the_seed_works_with_lenient_evidence() -> None:
    """It sends no scenario, no criterion, no line and no dispositions."""
    state = b.awaiting_review(MANY)
    for round_, words in enumerate(("double triples", "the cache is stale", "no test"), 1):
        issue = ReportedIssue(file="a.py", reason=words)
        origin = "first-work" if round_ == 1 else f"fix-of-round-{round_}"
        state = b.after(state, reviewed(round_, issue, provenance=origin))
        assert state.is_running
        assert [f.id for f in open_findings(state.findings)] == [f"F{n + 1}" for n in range(round_)]
        state = b.after(state, b.work_reported(round_ + 1, round_ + 1))
    old = ReportedIssue(file="b.py", reason="a name could be better")
    kept = b.after(state, reviewed(4, old, provenance="pre-existing"))
    assert (kept.is_running, [f.id for f in later_findings(kept.findings)]) == (True, ["F4"])
    assert b.after(state, b.approved(4)).outcome is Outcome.APPROVED


# --- joining --------------------------------------------------------------------------------------


def alike(text: str, other: str, line: int | None = 9, file: str = "a.py") -> bool:
    return Likeness(Place(file, line, other), Join()).of("a.py", 7, text) is not None


def test_the_same_complaint_in_another_order_nearby_is_one_finding() -> None:
    text, other = "division by zero for an empty list", "for an empty list: division by zero"
    assert alike(text, other)
    assert alike(text, other, line=None)
    assert not alike(text, other, line=18)
    assert not alike(text, other, file="b.py")
    assert not alike(text, "the list is changed while it is iterated")


def test_other_numbers_make_another_finding() -> None:
    assert not alike("month 13 is accepted as a date", "month 14 is accepted as a date")


def test_without_a_file_only_the_same_words_are_the_same_finding() -> None:
    one = Place("", None, "no test covers zero")
    assert Likeness(one, Join()).of("", None, "No test covers zero.") == 1.0
    assert Likeness(one, Join()).of("", None, "no test covers zeros") is None
    assert Likeness(one, Join(enabled=False)).of("", None, one.text) is None


def test_a_repeat_without_its_id_is_joined_shown_and_counted() -> None:
    state = b.after(with_finding(), b.work_reported(2, 2))
    repeat = ISSUE.model_copy(update={"line": 8, "reason": "its argument double triples"})
    state = b.after(state, reviewed(2, repeat))
    (finding,) = state.findings
    assert (finding.id, finding.line, finding.not_fixed) == ("F1", 8, 1)
    assert [(j.round, j.reason) for j in finding.joined] == [(2, "its argument double triples")]
    assert notes(state, "join") == ["F1 was raised again without its id."]


def test_a_repeat_of_a_closed_finding_opens_it_again() -> None:
    new = ReportedIssue(file="b.py", line=1, reason="something else", severity="high")
    report = b.review(2, "changes_required", new, dispositions=(b.said("F1", "fixed"),))
    state = b.after(with_finding(), b.work_reported(2, 2), ReviewReported(report, at=b.AT))
    assert state.findings[0].status == "fixed"
    state = b.after(state, b.work_reported(3, 3), reviewed(3, ISSUE, provenance="pre-existing"))
    assert [(f.id, f.status) for f in state.findings] == [("F1", "open"), ("F2", "open")]
    assert state.findings[0].blocking


@pytest.mark.parametrize("status", ["waived", "dismissed"])
def test_what_a_person_has_closed_stays_closed_when_it_is_raised_again(status: str) -> None:
    state = with_finding()
    closed = state.findings[0].model_copy(update={"status": status})
    state = state.model_copy(update={"findings": (closed,)})
    state = b.after(state, b.work_reported(2, 2), reviewed(2, ISSUE))
    assert (state.findings[0].status, len(state.findings[0].joined)) == (status, 1)
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("bar",))


# --- the approval ---------------------------------------------------------------------------------


def test_an_approval_that_leaves_a_finding_open_does_not_count() -> None:
    state = b.after(with_finding(), b.work_reported(2, 2), b.approved(2, b.said("F9", "fixed")))
    assert (state.state, state.history[-1].decision) == (Phase.AWAITING_WORK, "changes_required")
    assert notes(state, "approval") == ["The approval does not count: F1 is open."]


def test_an_approval_with_an_unmet_criterion_becomes_a_finding_for_it() -> None:
    met = CriterionVerdict(id="C2", met=False, evidence="add is missing")
    report = b.review(1, "approve").model_copy(update={"criteria": (met,)})
    state = b.after(b.awaiting_review(MANY), ReviewReported(report, at=b.AT))
    (finding,) = state.findings
    assert (finding.criterion, finding.blocking, state.state) == ("C2", True, Phase.AWAITING_WORK)


def test_a_strict_approval_without_evidence_is_never_an_approval() -> None:
    strict = MANY.model_copy(update={"evidence": "strict"})
    state = b.after(b.awaiting_review(strict), b.approved(1))
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("bar",))
    assert "does not count without evidence" in state.error


def test_a_finding_of_the_verification_is_closed_by_commands_that_pass() -> None:
    state = b.after(b.awaiting_review(MANY, verification=b.verified(1, 1)), b.approved(1))
    assert [(f.by, f.status, f.blocking) for f in state.findings] == [("verify", "open", True)]
    state = b.after(state, b.work_reported(2, 2, verification=b.verified(2, 0)))
    (finding,) = state.findings
    assert (finding.status, finding.closed_why) == ("fixed", "the verify commands succeed")
    assert b.after(state, b.approved(2)).outcome is Outcome.APPROVED


def _with_nothing_that_blocks(**changes: Any) -> ReviewReported:
    """A request for changes of round 2 that fixes F1, and of which nothing is above the bar."""
    small = ReportedIssue(file="b.py", line=1, reason="a long name", scenario="read it")
    report = b.review(2, "changes_required", small, dispositions=(b.said("F1", "fixed"),))
    report = report.model_copy(update=changes)
    return ReviewReported(report, at=b.AT, provenance=("pre-existing",))


def test_verify_commands_that_fail_block_where_what_the_reviewer_reports_does_not() -> None:
    failing = b.work_reported(2, 2, verification=b.verified(2, 1))
    state = b.after(with_finding(), failing, _with_nothing_that_blocks())
    assert [f.by for f in open_findings(state.findings)] == ["verify"]
    assert (state.state, state.round) == (Phase.AWAITING_WORK, 3)


def test_a_criterion_that_is_not_met_blocks_where_what_the_reviewer_reports_does_not() -> None:
    unmet = CriterionVerdict(id="C2", met=False, evidence="add is missing")
    event = _with_nothing_that_blocks(criteria=(unmet,))
    state = b.after(with_finding(), b.work_reported(2, 2), event)
    assert [f.criterion for f in open_findings(state.findings)] == ["C2"]
    assert (state.state, state.round) == (Phase.AWAITING_WORK, 3)


# --- the stops ------------------------------------------------------------------------------------


def test_a_finding_that_is_not_fixed_twice_gets_a_fresh_conversation_and_then_a_person() -> None:
    state = with_finding().model_copy(
        update={"sessions": {"worker": Session(session_id="s", backend="fake")}}
    )
    state = sent_back(state, 1)
    assert not state.fresh_round
    state = sent_back(state, 1)
    assert (state.fresh_round, state.sessions) == (True, {})
    state = sent_back(state, 1)
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("stalled",))
    assert state.error == (
        "F1 was not fixed in 3 rounds running, the last time in a fresh conversation."
    )
    assert (state.last_round, state.resume_phase) == (4, Phase.AWAITING_WORK)


@pytest.mark.parametrize("pushed", ["", b.sha(77)])
def test_no_count_falls_by_a_retry_or_by_a_commit_of_a_person(pushed: str) -> None:
    stalled = sent_back(with_finding(), 3)
    again = sent_back(b.after(stalled, b.resumed(MANY, pushed)), 1)
    assert (again.reasons, again.findings[0].not_fixed) == (("stalled",), 4)


def test_a_round_to_simplify_goes_before_the_fresh_one_and_does_not_replace_it() -> None:
    state = with_finding()
    for n, lines in ((2, 100), (3, 900)):
        state = b.after(state, grown(n, lines), settled(n, b.said("F1", "not_fixed")))
    assert (state.simplify, state.fresh_round) == (True, False)
    state = b.after(state, grown(4, 90), settled(4, b.said("F1", "not_fixed")))
    assert (state.simplify, state.fresh_round, state.is_running) == (False, True, True)
    assert sent_back(state, 1).reasons == ("stalled",)


def test_a_finding_that_was_fixed_in_between_is_not_stalled() -> None:
    state = sent_back(with_finding(), 1)
    new = ReportedIssue(file="b.py", reason="other", criterion="C1")
    report = b.review(3, "changes_required", new, dispositions=(b.said("F1", "fixed"),))
    state = b.after(state, b.work_reported(3, 3), ReviewReported(report, at=b.AT))
    state = b.after(state, b.work_reported(4, 4), reviewed(4, ISSUE))
    assert (state.fresh_round, state.findings[0].not_fixed, state.findings[0].running) == (
        *(False, 2, 1),
    )


def test_without_a_fresh_round_a_stalled_loop_stops_at_once_and_switched_off_never() -> None:
    at_once = sent_back(with_finding(limits(stalled={"fresh_round": False})), 2)
    assert at_once.error == "F1 was not fixed in 2 rounds running."
    never = sent_back(with_finding(limits(stalled={"enabled": False})), 6)
    assert never.is_running


def dispute(state: LoopState, times: int) -> LoopState:
    for _ in range(times):
        n = state.round
        answer = Response(id="F1", action="disputed", evidence="2 * 2 is 4")
        event = b.work_reported(n, n)
        report = event.report.model_copy(update={"responses": (answer,)})
        upheld = settled(n, b.said("F1", "upheld", "it is 6"))
        state = b.after(state, replace(event, report=report), upheld)
    return state


def test_a_dispute_that_is_upheld_twice_is_for_a_person() -> None:
    once = dispute(with_finding(), 1)
    assert (once.is_running, once.findings[0].not_fixed) == (True, 0)
    assert notes(once, "contested") == ["F1 was disputed and upheld."]
    twice = dispute(once, 1)
    assert (twice.outcome, twice.reasons) == (Outcome.NEEDS_HUMAN, ("contested",))
    assert "disputed by the worker and upheld by the reviewer 2 times" in twice.error
    assert (twice.findings[0].disputes, twice.findings[0].dispute) == (2, "2 * 2 is 4")
    assert dispute(with_finding(limits(contested={"enabled": False})), 4).is_running


def test_what_a_person_requires_is_beyond_dispute() -> None:
    state = with_finding()
    required = state.findings[0].model_copy(update={"required": True})
    state = dispute(state.model_copy(update={"findings": (required,)}), 2)
    assert (state.findings[0].disputes, state.findings[0].upheld) == (0, 0)
    assert (state.findings[0].not_fixed, state.fresh_round) == (2, True)


def sprawling(limits: Limits = MANY, source: int = 500, tests: int = 0) -> LoopState:
    state = b.after(b.awaiting_work(limits), grown(1, 100, 10), b.rejected(1, ISSUE))
    return b.after(state, grown(2, source, tests), settled(2, b.said("F1", "not_fixed")))


def test_a_change_that_sprawls_gets_one_round_to_simplify_that_counts_against_no_finding() -> None:
    state = sprawling()
    assert (state.simplify, state.is_running) == (True, True)
    assert "5.0 and 0.0 times as many, with 4 allowed" in notes(state, "diff_growth")[0]
    simpler = b.after(state, grown(3, 300), settled(3, b.said("F1", "not_fixed")))
    assert (simpler.simplify, simpler.is_running) == (False, True)
    assert simpler.findings[0].not_fixed == 1
    same = b.after(state, grown(3, 500), settled(3, b.said("F1", "not_fixed")))
    assert (same.outcome, same.reasons) == (Outcome.NEEDS_HUMAN, ("diff_growth",))


def test_a_worker_that_changes_nothing_when_asked_to_simplify_leaves_it_to_a_person() -> None:
    state = b.after(sprawling(), b.attempted(Role.WORKER), b.failed(Role.WORKER, Failure.NOOP))
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("diff_growth",))
    assert state.error.startswith("The worker was asked to simplify the change and left it")


def test_tests_and_source_are_measured_apart_and_a_small_start_counts_as_fifty_lines() -> None:
    assert not sprawling(source=400, tests=200).simplify
    assert sprawling(source=100, tests=201).simplify


@pytest.mark.parametrize("rule", [{"enabled": False}, {"limit": 0}])
def test_the_diff_growth_can_be_switched_off(rule: dict[str, Any]) -> None:
    assert not sprawling(limits(diff_growth=rule), source=9000).simplify


def test_a_fix_that_takes_back_the_last_one_is_reported_and_no_stop() -> None:
    state = with_finding()
    not_fixed = settled(2, b.said("F1", "not_fixed"))
    state = b.after(state, grown(2, 1, restores=("a.py",)), not_fixed)
    assert notes(state, "oscillation") == ["The fix takes back what the last one did in a.py."]
    assert state.is_running


def taking_back(state: LoopState, *rounds: int, same: bool = True) -> LoopState:
    """`state` after rounds whose fixes take back what the one before them did.

    All but the first do so with the same lines, where `same` is true.
    """
    for n in rounds:
        not_fixed = settled(n, b.said("F1", "not_fixed"))
        again = ("a.py",) if same and n > rounds[0] else ()
        state = b.after(state, grown(n, 1, restores=("a.py",), again=again), not_fixed)
    return state


def test_two_fixes_running_that_take_each_other_back_leave_it_to_a_person() -> None:
    state = taking_back(with_finding(limits(stalled={"enabled": False})), 2, 3)
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("stalled",))
    assert state.error == (
        "The fix takes back what the last one did in a.py, as 2 fixes running have done:"
        " a person has to decide which is right."
    )


def test_two_fixes_that_take_back_different_lines_are_only_reported() -> None:
    state = with_finding(limits(stalled={"enabled": False}))
    state = taking_back(state, 2, 3, 4, same=False)
    assert state.is_running
    assert notes(state, "oscillation") == ["The fix takes back what the last one did in a.py."]


def test_a_fix_that_a_person_required_may_take_back_what_it_likes() -> None:
    state = with_finding(limits(stalled={"enabled": False}))
    required = state.findings[0].model_copy(update={"required": True})
    state = taking_back(state.model_copy(update={"findings": (required,)}), 2, 3)
    assert state.is_running
    assert notes(state, "oscillation") == [
        "The fix takes back what the last one did in a.py,"
        " in a round for which a person required a fix."
    ]


def test_after_a_person_has_decided_the_next_fix_may_take_the_last_one_back() -> None:
    state = taking_back(with_finding(limits(stalled={"enabled": False})), 2, 3)
    state = b.after(state, b.resumed(state.limits))
    fourth = grown(4, 1, restores=("a.py",), again=("a.py",))
    state = b.after(state, fourth, settled(4, b.said("F1", "not_fixed")))
    assert state.is_running
    fifth = grown(5, 1, restores=("a.py",), again=("a.py",))
    state = b.after(state, fifth, settled(5, b.said("F1", "not_fixed")))
    assert "as 4 fixes running have done" in state.error


@pytest.mark.parametrize("rule", [{"rounds": 0}, {"rounds": 3}])
def test_how_many_fixes_may_take_each_other_back_is_a_setting(rule: dict[str, Any]) -> None:
    rules = limits(stalled={"enabled": False}, oscillation=rule)
    assert taking_back(with_finding(rules), 2, 3).is_running


def test_a_fix_in_between_that_takes_nothing_back_ends_the_oscillation() -> None:
    state = taking_back(with_finding(limits(stalled={"enabled": False})), 2)
    state = b.after(state, grown(3, 1), settled(3, b.said("F1", "not_fixed")))
    assert taking_back(state, 4).is_running


def test_of_many_files_that_are_taken_back_ten_are_named() -> None:
    restores = tuple(f"{n}.py" for n in range(12))
    not_fixed = settled(2, b.said("F1", "not_fixed"))
    state = b.after(with_finding(), grown(2, 1, restores=restores), not_fixed)
    assert notes(state, "oscillation")[0].endswith("8.py, 9.py and 2 more.")


def test_the_size_of_a_change_is_given_as_added_and_deleted_lines() -> None:
    state = b.after(with_finding(), grown(2, 90, 8), settled(2, b.said("F1", "not_fixed")))
    (note,) = notes(state, "diff_growth")
    assert "is 90 added and deleted lines of source and 8 of tests" in note


def test_with_every_rule_switched_off_only_the_rounds_count() -> None:
    off = {name: {"enabled": False} for name in Rules.model_fields if name != "later"}
    few = limits(**off).model_copy(update={"max_rounds": 9})
    state = sent_back(with_finding(few), 8)
    assert state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    assert [note.rule for note in state.history[-1].rules] == []
