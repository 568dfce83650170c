"""What holds for any sequence of events: bounds, approvals, ids, replays, and one finding more."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.core import builders as b

from loop_kit.core.agent.reports import (
    CriterionVerdict,
    Disposition,
    ReportedIssue,
    ReviewReport,
)
from loop_kit.core.loop.effects import (
    RunAgent,
    Verify,
)
from loop_kit.core.loop.evidence import objection
from loop_kit.core.loop.findings import contradiction, open_findings
from loop_kit.core.loop.machine import outstanding, transition
from loop_kit.core.loop.messages import (
    Event,
    Failure,
    ReviewReported,
)
from loop_kit.core.loop.rules.settings import Rules
from loop_kit.core.loop.state import Growth, Limits, LoopState, Outcome, Phase, Role, parse_state

CARD = b.card(acceptance_criteria=("it adds", "it is tested"))
PLACES = ("", "pre-existing", "first-work", "nowhere", "fix-of-round-1", "fix-of-round-2")
WORDS = ("the sum is wrong", "the cache is stale", "no test covers it", "it leaks")
VERIFY = ("check 1",)
TAKEN = ("a.py",)

quick = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

switches = st.builds(
    lambda off: Rules(**{name: {"enabled": False} for name in off}),
    st.sets(st.sampled_from(sorted(Rules.model_fields))),
)
limits = st.builds(
    Limits,
    max_rounds=st.integers(1, 5),
    dispatch_retries=st.integers(0, 2),
    evidence=st.sampled_from(("lenient", "strict")),
    rules=st.one_of(st.just(Rules()), switches),
)
issues = st.builds(
    ReportedIssue,
    id=st.sampled_from(("", "", "", "F1", "F2", "F9")),
    severity=st.sampled_from(("high", "medium", "low")),
    file=st.sampled_from(("", "a.py", "b.py")),
    line=st.sampled_from((None, 1, 90)),
    reason=st.sampled_from(WORDS),
    scenario=st.sampled_from(("", "add(1, 1) is 3")),
    criterion=st.sampled_from(("", "C0", "C1")),
)
statuses = st.sampled_from(("fixed", "not_fixed", "withdrawn", "upheld"))
places = st.sampled_from(PLACES)


@st.composite
def reviews(draw: st.DrawFn, state: LoopState) -> ReviewReported:
    """Any review of this state, sensible or not."""
    ids = [finding.id for finding in state.findings]
    judged = [id_ for id_ in ids if draw(st.booleans())]
    raised = draw(st.lists(issues, max_size=3))
    report = ReviewReport(
        task_id=state.task_id,
        round=state.round,
        decision=draw(st.sampled_from(("approve", "changes_required"))),
        head_sha=draw(st.sampled_from(("", state.head_sha))),
        blocking_issues=tuple(raised),
        dispositions=tuple(Disposition(id=id_, status=draw(statuses)) for id_ in judged),
        criteria=tuple(
            CriterionVerdict(
                id=id_, met=draw(st.sampled_from((True, True, False))), evidence=draw(evidence)
            )
            for id_ in draw(st.sampled_from(((), ("C1",), ("C1", "C2"), ("C1", "C2"))))
        ),
        files_examined=draw(st.sampled_from(((), ("a.py",), ("a.py",)))),
    )
    origins = tuple(draw(places) for _ in raised)
    return ReviewReported(report, at=b.AT, provenance=draw(st.sampled_from((origins, ()))))


evidence = st.sampled_from(("", "test_add", "test_add"))


def is_refused(state: LoopState, report: ReviewReport) -> bool:
    """Whether the reviewer's pass sends it back: it is no event then."""
    broken = report.decision == "approve" and report.blocking_issues
    evidence_asked = state.limits.evidence
    return bool(
        broken
        or contradiction(state.findings, report)
        or objection(report, CARD, state.head_sha, evidence_asked)
    )


@st.composite
def steps(draw: st.DrawFn, state: LoopState, number: int) -> Event:
    """Something that may happen in this state."""
    if state.state is Phase.IDLE:
        return b.task_started(draw(limits), verify=draw(st.sampled_from(((), VERIFY))))
    if state.state not in {Phase.AWAITING_WORK, Phase.AWAITING_REVIEW}:
        return b.resumed(state.limits)
    role = Role.WORKER if state.state is Phase.AWAITING_WORK else Role.REVIEWER
    if draw(st.integers(0, 5)) == 0:
        return b.failed(role, draw(st.sampled_from(b.AGENT_FAILURES[role])))
    if role is Role.REVIEWER:
        event = draw(reviews(state))
        refused = b.failed(role, Failure.INVALID_REPORT)
        return refused if is_refused(state, event.report) else event
    checked = b.verified(number, draw(st.sampled_from((0, 0, 1))))
    event = b.work_reported(state.round, number, verification=checked if state.verify else None)
    size = Growth(source=draw(st.integers(0, 900)), tests=draw(st.integers(0, 300)))
    restores, again = draw(st.sampled_from((((), ()), (TAKEN, ()), (TAKEN, TAKEN))))
    grown = draw(st.sampled_from((None, size)))
    work = replace(event.work, growth=grown, restores=restores, restores_again=again)
    return replace(event, work=work)


@st.composite
def histories(draw: st.DrawFn, length: int = 12) -> list[tuple[LoopState, Event, LoopState]]:
    """Each event of a loop, with the state before and after it."""
    state, walked = LoopState(), []
    for number in range(1, length):
        if state.outcome is Outcome.APPROVED:
            break
        event = draw(steps(state, number))
        after = transition(state, event)
        walked.append((state, event, after))
        state = after
    return walked


@quick
@given(histories())
def test_an_approval_has_no_open_finding_and_its_head_verifies(
    history: list[tuple[LoopState, Event, LoopState]],
) -> None:
    for before, event, after in history:
        if after.outcome is not Outcome.APPROVED:
            continue
        assert open_findings(after.findings) == ()
        assert before.verification is None or before.verification.passed
        assert isinstance(event, ReviewReported)
        disposed = {d.id for d in event.report.dispositions if d.status in {"fixed", "withdrawn"}}
        spared = before.limits.evidence == "lenient" and not event.report.dispositions
        assert spared or {f.id for f in open_findings(before.findings)} <= disposed


@quick
@given(histories())
def test_a_strict_approval_shows_the_commit_the_criteria_and_the_files(
    history: list[tuple[LoopState, Event, LoopState]],
) -> None:
    for before, event, after in history:
        if after.outcome is Outcome.APPROVED and before.limits.evidence == "strict":
            report = event.report
            assert report.head_sha == before.head_sha
            assert {c.id for c in report.criteria} >= {id_ for id_, _ in CARD.criteria}
            assert all(c.met and c.evidence for c in report.criteria)
            assert report.files_examined


@quick
@given(histories())
def test_no_finding_is_lost_or_renumbered(
    history: list[tuple[LoopState, Event, LoopState]],
) -> None:
    for before, _, after in history:
        ids = [finding.id for finding in after.findings]
        assert ids == [f"F{n}" for n in range(1, len(ids) + 1)]
        assert ids[: len(before.findings)] == [finding.id for finding in before.findings]
        for old, new in zip(before.findings, after.findings, strict=False):
            assert (old.round, old.by) == (new.round, new.by)
            assert old.not_fixed <= new.not_fixed
            assert old.upheld <= new.upheld
            assert len(old.joined) <= len(new.joined)


@quick
@given(histories())
def test_the_same_events_give_the_same_state_from_any_saved_one(
    history: list[tuple[LoopState, Event, LoopState]],
) -> None:
    replayed = LoopState()
    for _, event, after in history:
        replayed = transition(parse_state(replayed.to_json()), event)
        assert replayed == after


@quick
@given(st.data())
def test_one_finding_more_never_makes_an_approval_likelier(data: st.DataObject) -> None:
    history = data.draw(histories())
    waiting = [s for s, _, _ in history if s.state is Phase.AWAITING_REVIEW]
    assume(waiting)
    state = data.draw(st.sampled_from(waiting))
    event = data.draw(reviews(state))
    issue, place = data.draw(issues), data.draw(places)
    at = data.draw(st.integers(0, len(event.report.blocking_issues)))
    more = list(event.report.blocking_issues)
    more.insert(at, issue)
    placed = list(event.provenance)
    if placed:
        placed.insert(at, place)
    longer = ReviewReported(
        event.report.model_copy(update={"blocking_issues": tuple(more)}),
        at=event.at,
        provenance=tuple(placed),
    )

    if transition(state, longer).outcome is Outcome.APPROVED:
        assert transition(state, event).outcome is Outcome.APPROVED


@quick
@given(st.data())
def test_no_path_is_longer_than_its_bounds(data: st.DataObject) -> None:
    state = transition(
        LoopState(), b.task_started(data.draw(limits), verify=data.draw(st.just(())))
    )
    bounds = state.limits
    attempts = 2 * (1 + bounds.dispatch_retries + 1)
    for number in range(1, bounds.max_rounds * attempts + 2):
        effect = outstanding(state)
        if effect is None:
            break
        assert isinstance(effect, RunAgent | Verify)
        state = transition(state, data.draw(steps(state, number)))
    assert outstanding(state) is None
    assert state.usage.rounds <= bounds.max_rounds
