"""What people decide about findings: what it changes, what it outlives, and when it continues."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.findings import Finding, open_findings
from loop_kit.core.loop.machine import outstanding, transition
from loop_kit.core.loop.messages import (
    Commanded,
    Halted,
)
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Phase, Reason, Role, Wip


def command(verb: str, *ids: str, comment: int = 1, **more: Any) -> Commanded:
    values = {"comment": comment, "verb": verb, "by": "mona", "findings": ids, **more}
    return Commanded(Command.model_validate(values), b.LATER)


def decided(state: LoopState, verb: str, *ids: str, comment: int = 1, **more: Any) -> LoopState:
    return transition(state, command(verb, *ids, comment=comment, **more))


def finding(state: LoopState, id_: str) -> Finding:
    return next(each for each in state.findings if each.id == id_)


def sent_back(count: int = 1, limits: Limits | None = None) -> LoopState:
    """A loop in round 2, with that many findings of round 1."""
    issues = [ReportedIssue(reason=f"wrong {n}") for n in range(1, count + 1)]
    return b.after(b.awaiting_review(limits), b.rejected(1, *issues))


def stopped(state: LoopState, *reasons: Reason, **finding_changes: Any) -> LoopState:
    """`state`, stopped for a person; F1 with these changes."""
    findings = tuple(
        f.model_copy(update=finding_changes) if f.id == "F1" else f for f in state.findings
    )
    changed = state.model_copy(update={"findings": findings})
    return transition(changed, Halted(Outcome.NEEDS_HUMAN, "it stopped", b.AT, reasons))


def used_up(count: int = 1) -> LoopState:
    """A loop whose only round found something."""
    state = sent_back(count, Limits(max_rounds=1))
    assert state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    return state


@pytest.mark.parametrize(("verb", "status"), [("waive", "waived"), ("dismiss", "dismissed")])
def test_a_closed_finding_says_who_closed_it_and_why(verb: str, status: str) -> None:
    state = decided(sent_back(2), verb, "F1", because="it is intended")

    closed = finding(state, "F1")
    assert (closed.status, closed.closed_round) == (status, 2)
    assert closed.closed_why == f"{status} by mona: it is intended"
    assert [f.id for f in open_findings(state.findings)] == ["F2"]
    assert state.state is Phase.AWAITING_WORK


def test_a_required_finding_blocks_and_says_who_required_it() -> None:
    below = {"blocking": False, "below": "older code"}
    state = decided(stopped(sent_back(2), "contested", **below), "require", "F1")

    required = finding(state, "F1")
    assert (required.required, required.blocking, required.below) == (True, True, "")
    assert required.closed_why == "by mona"


def test_a_person_may_decide_otherwise_later() -> None:
    state = decided(sent_back(2), "dismiss", "F1", because="no")
    state = decided(state, "require", "F1", comment=2)
    assert (finding(state, "F1").status, finding(state, "F1").closed_round) == ("open", None)
    state = decided(state, "waive", "F1", comment=3)
    assert (finding(state, "F1").status, finding(state, "F1").required) == ("waived", False)


def test_ids_that_are_unknown_or_settled_change_nothing() -> None:
    state = b.after(
        sent_back(), b.work_reported(2, 2), b.rejected(2, dispositions=(b.said("F1", "fixed"),))
    )
    after = decided(state, "waive", "F1", "F9")
    assert after.findings == state.findings


def test_what_the_verify_commands_found_is_not_waived() -> None:
    state = stopped(sent_back(2), "contested", by="verify")
    assert decided(state, "waive", "F1").findings == state.findings
    assert decided(state, "dismiss", "F1", because="no").findings == state.findings


def test_a_reviewer_neither_reopens_nor_withdraws_what_a_person_decided() -> None:
    state = decided(sent_back(3), "waive", "F1")
    state = decided(state, "require", "F2", comment=2)
    again = ReportedIssue(id="F1", reason="wrong 1")
    withdrawn = (b.said("F2", "withdrawn"), b.said("F3", "withdrawn"))
    state = b.after(state, b.work_reported(2, 2), b.rejected(2, again, dispositions=withdrawn))
    statuses = [each.status for each in state.findings]
    assert statuses == ["waived", "open", "withdrawn"]


def test_the_same_comment_decides_once() -> None:
    state = decided(sent_back(2), "waive", "F1")
    again = decided(state, "require", "F1")
    assert again.findings == state.findings


def test_a_worker_without_anything_to_do_is_skipped() -> None:
    state = decided(sent_back(), "waive", "F1")

    assert (state.state, state.round) == (Phase.AWAITING_REVIEW, 2)
    effect = outstanding(state)
    assert isinstance(effect, RunAgent)
    assert (effect.role, effect.round) == (Role.REVIEWER, 2)
    record = state.history[-1]
    assert (record.round, record.head_sha, record.commits) == (2, b.sha(1), ())
    assert state.contradiction is None
    approved = transition(state, b.approved(2))
    assert (approved.outcome, approved.round) == (Outcome.APPROVED, 2)


def test_a_worker_that_has_begun_is_not_skipped() -> None:
    begun = sent_back().model_copy(update={"wip": Wip(sha=b.sha(8), commits=1)})
    assert decided(begun, "waive", "F1").state is Phase.AWAITING_WORK


def test_a_paused_loop_is_not_resumed_by_a_decision() -> None:
    paused = transition(sent_back(), command("pause"))
    state = decided(paused, "waive", "F1", comment=2)
    assert state.state is Phase.PAUSED
    resumed = transition(state, command("resume", comment=3))
    assert resumed.state is Phase.AWAITING_REVIEW


@pytest.mark.parametrize(
    ("verb", "phase"),
    [
        ("require", Phase.AWAITING_WORK),
        ("waive", Phase.AWAITING_REVIEW),
        ("dismiss", Phase.AWAITING_REVIEW),
    ],
)
@pytest.mark.parametrize(
    ("reason", "counts"), [("contested", {"upheld": 2}), ("stalled", {"running": 2})]
)
def test_the_decision_that_a_stop_waited_for_continues_it(
    verb: str, phase: Phase, reason: Reason, counts: dict[str, int]
) -> None:
    state = decided(stopped(sent_back(), reason, **counts), verb, "F1", because="so")
    assert (state.state, state.outcome, state.reasons) == (phase, None, ())
    assert state.starter == "mona"


def test_a_decision_about_another_finding_is_only_recorded() -> None:
    stop = stopped(sent_back(2), "contested", upheld=2)
    state = decided(stop, "waive", "F2")
    assert (state.state, state.reasons) == (Phase.DONE, ("contested",))
    assert finding(state, "F2").status == "waived"
    assert decided(state, "require", "F1", comment=2).state is Phase.AWAITING_WORK


def test_a_decision_leaves_what_else_blocks_to_the_worker() -> None:
    stop = stopped(sent_back(2), "contested", upheld=2)
    state = decided(stop, "dismiss", "F1", because="no")
    assert (state.state, state.round) == (Phase.AWAITING_WORK, 2)


def test_below_the_bar_one_required_finding_is_enough_and_all_closed_ones_are() -> None:
    stop = stopped(sent_back(), "bar", blocking=False)
    assert decided(stop, "require", "F1").state is Phase.AWAITING_WORK
    assert decided(stop, "waive", "F1").state is Phase.AWAITING_REVIEW
    both = stopped(sent_back(2), "bar")
    later = tuple(f.model_copy(update={"blocking": False}) for f in both.findings)
    both = both.model_copy(update={"findings": later})
    one = decided(both, "waive", "F1")
    assert one.state is Phase.DONE
    assert decided(one, "dismiss", "F2", comment=2, because="no").state is Phase.AWAITING_REVIEW


def test_growth_is_not_answered_by_a_decision_that_leaves_something_to_fix() -> None:
    stop = stopped(sent_back(2), "diff_growth")
    one = decided(stop, "waive", "F1")
    assert one.state is Phase.DONE
    assert decided(one, "waive", "F2", comment=2).state is Phase.AWAITING_REVIEW


def test_a_loop_out_of_rounds_gets_the_one_that_its_answer_needs() -> None:
    state = decided(used_up(2), "waive", "F1")
    assert state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    state = decided(state, "waive", "F2", comment=2)
    assert (state.state, state.round) == (Phase.AWAITING_REVIEW, 2)
    assert (state.limits.max_rounds, state.added_rounds) == (2, 1)


def test_a_requirement_does_not_add_rounds_to_a_loop_that_used_all() -> None:
    state = decided(used_up(), "require", "F1")
    assert state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    assert finding(state, "F1").required


@pytest.mark.parametrize("reason", ["budget", "scope", "human_push"])
def test_another_stop_only_records_decisions(reason: Reason) -> None:
    state = decided(stopped(sent_back(), reason), "waive", "F1")
    assert (state.state, finding(state, "F1").status) == (Phase.DONE, "waived")
    again = transition(state, command("retry", comment=2))
    assert again.state is Phase.AWAITING_REVIEW


def test_an_approved_loop_is_past_decisions() -> None:
    state = b.after(sent_back(2), b.work_reported(2, 2), b.approved(2, b.said("F1", "fixed")))
    after = decided(state, "require", "F1")
    assert after == state.model_copy(
        update={"seq": state.seq + 1, "handled_commands": (1,), "commands": after.commands}
    )
    (given,) = after.commands
    assert given.asked == "/loop require F1"
    assert given.answer.startswith("F1 was fixed in round 2 already.")


@pytest.mark.parametrize(
    ("state", "role"),
    [
        (stopped(sent_back(), "stalled"), Role.WORKER),
        (transition(b.awaiting_review(), b.halted(Outcome.REVIEWER_TIMEOUT)), Role.REVIEWER),
    ],
    ids=["work", "review"],
)
def test_a_retry_with_another_backend_is_for_whose_turn_it_is(state: LoopState, role: Role) -> None:
    again = transition(state, command("retry", backend="claude"))
    assert again.is_running
    assert again.retry_with == {role.value: "claude"}
    other = transition(state, command("retry", backend="codex", role="reviewer"))
    assert other.retry_with == {"reviewer": "codex"}


def test_a_retry_with_another_backend_counts_for_a_running_loop_too() -> None:
    state = transition(sent_back(), command("retry", backend="claude"))
    assert state.retry_with == {"worker": "claude"}
    kept = transition(state, command("retry", comment=2))
    assert kept.retry_with == {"worker": "claude"}
