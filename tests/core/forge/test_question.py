"""What a stopped loop asks, and that each answer continues it when it is followed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.core import builders as b

from loop_kit.core.agent.report_values import DispositionStatus
from loop_kit.core.agent.reports import ReportedIssue, Response, WorkReport
from loop_kit.core.forge.acknowledgement import acknowledgement
from loop_kit.core.forge.choices import Choice, choices
from loop_kit.core.forge.question import findings_table, question, question_lines, tried_words
from loop_kit.core.forge.status import status_comment
from loop_kit.core.loop.commands import Command, read_command
from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.findings import Joined
from loop_kit.core.loop.machine import outstanding, transition
from loop_kit.core.loop.messages import (
    Commanded,
    Halted,
    ReviewReported,
    Work,
    WorkReported,
)
from loop_kit.core.loop.state import (
    Growth,
    Limits,
    LoopState,
    Outcome,
    Phase,
    Reason,
    Role,
    Source,
)

ISSUE = Source(kind="issue", ref="7")
ONE_ROUND = Limits(max_rounds=1)


def sent_back(limits: Limits | None = None, **issue: Any) -> LoopState:
    """A loop of issue 7 in round 2, with one finding."""
    reported = ReportedIssue(reason="double is wrong", file="calc.py", line=6, **issue)
    state = b.after(worked(b.awaiting_work(limits)), b.rejected(1, reported))
    return state.model_copy(update={"source": ISSUE})


def with_finding(state: LoopState, **changes: Any) -> LoopState:
    findings = tuple(finding.model_copy(update=changes) for finding in state.findings)
    return state.model_copy(update={"findings": findings})


def stopped(reason: Reason, **changes: Any) -> LoopState:
    """A loop that a rule stopped, with one finding that has these changes."""
    state = with_finding(sent_back(), **changes)
    return transition(state, Halted(Outcome.NEEDS_HUMAN, "it stopped", b.AT, (reason,)))


MANY = Limits(max_rounds=9)
EVIDENCE = "the test of double passes"


def worked(state: LoopState, *, disputes: bool = False, source: int = 10) -> LoopState:
    """The state after the worker of its round."""
    round_ = state.round
    answer = Response(id="F1", action="disputed" if disputes else "fixed", evidence=EVIDENCE)
    report = WorkReport(task_id=b.TASK, round=round_, head_sha=b.sha(round_), responses=(answer,))
    work = Work(head_sha=b.sha(round_), growth=Growth(source=source))
    return transition(state, WorkReported(report, work, b.AT))


def reviewed(
    state: LoopState,
    status: DispositionStatus,
    *issues: ReportedIssue,
    provenance: tuple[str, ...] = (),
) -> LoopState:
    """The state after a reviewer who says this about F1, and raises these."""
    report = b.review(
        state.round, "changes_required", *issues, dispositions=(b.said("F1", status),)
    )
    return transition(state, ReviewReported(report, b.AT, provenance=provenance))


def contested() -> LoopState:
    """The worker has disputed the finding twice, and the reviewer upheld it."""
    state = sent_back(MANY)
    for _ in range(2):
        state = reviewed(worked(state, disputes=True), "upheld")
    return state


def stalled() -> LoopState:
    """The finding was not fixed in a fresh conversation either."""
    state = sent_back(MANY)
    for _ in range(3):
        state = reviewed(worked(state), "not_fixed")
    return state


def grown() -> LoopState:
    """The change was not simplified when that was asked for."""
    state = reviewed(worked(sent_back(MANY), source=900), "not_fixed")
    return reviewed(worked(state, source=900), "not_fixed")


def below_the_bar() -> LoopState:
    """All that is left is one new finding on old code."""
    old = ReportedIssue(reason="no docstring", file="old.py", line=1, severity="low")
    return reviewed(worked(sent_back(MANY)), "fixed", old, provenance=("pre-existing",))


def to_and_fro() -> LoopState:
    """Two fixes took each other back: each review asks for what the one before did not want."""
    state = sent_back(MANY)
    for again, words in (((), "a guard is missing"), (("calc.py",), "the guard is too strict")):
        head = b.sha(state.round)
        report = WorkReport(task_id=b.TASK, round=state.round, head_sha=head)
        work = Work(head_sha=head, restores=("calc.py",), restores_again=again)
        new = ReportedIssue(reason=words, file="calc.py", line=6, severity="high")
        state = reviewed(transition(state, WorkReported(report, work, b.AT)), "fixed", new)
    return state


def without_evidence() -> LoopState:
    """An approval that shows nothing of what was judged."""
    state = worked(sent_back(Limits(max_rounds=9, evidence="strict"), scenario="double(2)"))
    return transition(state, b.approved(2, b.said("F1", "fixed")))


STOPS: dict[str, LoopState] = {
    "contested": contested(),
    "stalled": stalled(),
    "bar": below_the_bar(),
    "bar without findings": without_evidence(),
    "growth": grown(),
    "to and fro": to_and_fro(),
    "rounds": sent_back(ONE_ROUND),
}
FOLLOWED = [(name, choice) for name, state in STOPS.items() for choice in choices(state)]


@pytest.mark.parametrize(
    ("name", "choice"), FOLLOWED, ids=[f"{name}-{choice.act}" for name, choice in FOLLOWED]
)
def test_every_choice_continues_the_loop_as_it_says(name: str, choice: Choice) -> None:
    state = STOPS[name]
    text = choice.command.replace("because …", "because it is").replace("…", "claude")
    command = read_command(text, 7, by="mona")
    assert isinstance(command, Command)

    after = transition(state, Commanded(command, b.LATER))

    assert after.is_running, after.error
    effect = outstanding(after)
    assert isinstance(effect, RunAgent)
    closes = choice.act in {"waive", "dismiss"} or name == "bar without findings"
    assert effect.role is (Role.REVIEWER if closes else Role.WORKER)
    if "…" in choice.command and choice.act == "retry":
        assert "claude" in after.retry_with.values()


def test_the_stops_are_those_of_the_rules() -> None:
    reasons = [state.reasons for state in STOPS.values()]
    by_rule = [("contested",), ("stalled",), ("bar",), ("bar",), ("diff_growth",), ("stalled",)]
    assert reasons == [*by_rule, ()]
    assert all(state.state is Phase.DONE for state in STOPS.values())


@pytest.mark.parametrize("name", STOPS)
def test_a_stop_over_findings_offers_two_or_three_answers(name: str) -> None:
    asked = question(STOPS[name])
    assert asked is not None
    assert 2 <= len(asked.answers) <= 3
    for post in (status_comment(STOPS[name]), acknowledgement(STOPS[name])):
        assert post.count(f"**{asked.text} Choose one:**") == 1
        assert "**Next:**" not in post
        for answer in asked.answers:
            assert f"\n- {answer}\n" in f"{post}\n"


def test_where_fixes_took_each_other_back_a_person_says_which_finding_is_right() -> None:
    acts = [(choice.act, choice.ids) for choice in choices(STOPS["to and fro"])]
    both = ("F2", "F3")
    assert acts == [("require", both), ("dismiss", both), ("waive", both)]
    assert next(choice.act for choice in choices(STOPS["stalled"])) == "retry"


def test_who_disagrees_about_what_is_in_the_question_and_harmless() -> None:
    state = stopped(
        "contested",
        upheld=2,
        note="@octocat says\n# so",
        dispute="```\nsee <!-- loop-kit:T-001:x --> #3",
    )
    lines = question_lines(state)
    assert "**Who is right about F1? Choose one:**" in lines
    assert "- About **F1** the reviewer says: `@octocat` says # so" in lines
    (worker,) = [line for line in lines if "the worker says: " in line]
    assert "<!--" not in worker
    assert not any("\n" in line for line in lines)


def test_what_the_verify_commands_found_is_nobodys_to_waive() -> None:
    state = with_finding(sent_back(ONE_ROUND), by="verify")
    assert [choice.act for choice in choices(state)] == ["extend"]
    asked = question(state)
    assert asked is not None
    assert "Edit the card, comment `/loop refresh` and then `/loop retry`" in asked.answers[1]


@pytest.mark.parametrize(
    "outcome",
    [each for each in Outcome if each not in {"approved", "cancelled", "interrupted"}],
)
def test_every_end_that_waits_for_a_person_asks_with_at_least_two_answers(
    outcome: Outcome,
) -> None:
    state = transition(sent_back(), b.halted(outcome))
    asked = question(state)
    assert asked is not None
    assert 2 <= len(asked.answers) <= 3
    assert all("/loop" in answer for answer in asked.answers[:-1])


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.INTERRUPTED])
def test_an_end_by_a_person_asks_nothing(outcome: Outcome) -> None:
    assert question(transition(sent_back(), b.halted(outcome))) is None


def test_a_loop_that_nobody_can_comment_on_asks_nothing() -> None:
    state = STOPS["rounds"].model_copy(update={"source": Source()})
    assert question(state) is None
    assert question_lines(state) == []


def test_a_running_loop_asks_nothing() -> None:
    assert question_lines(sent_back()) == []


def of_two_rounds(state: LoopState) -> LoopState:
    """`state` with a second round, where it has one only."""
    (*_, last) = state.history
    second = last.model_copy(update={"round": last.round + 1})
    more = (second,) * (len(state.history) < 2)
    return state.model_copy(update={"history": (*state.history, *more)})


def table(state: LoopState) -> dict[str, list[str]]:
    """The cells of each finding's row."""
    rows = [line for line in findings_table(of_two_rounds(state)) if line.startswith("| **")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {re.findall(r"F\d+", row[0])[0]: row[1:] for row in cells}


def test_the_table_shows_what_each_finding_was_in_each_round() -> None:
    state = sent_back()
    disputed = WorkReport(
        task_id=b.TASK,
        round=2,
        head_sha=b.sha(2),
        responses=(Response(id="F1", action="disputed"),),
    )
    work = b.work_reported(2, 2)
    state = b.after(
        state,
        WorkReported(disputed, work.work, b.AT),
        b.rejected(2, ReportedIssue(reason="add is wrong"), dispositions=(b.said("F1", "upheld"),)),
        b.work_reported(3, 3),
        b.rejected(
            3,
            ReportedIssue(reason="an entirely different thing"),
            dispositions=(b.said("F1", "withdrawn"), b.said("F2", "not_fixed")),
        ),
    )
    assert table(state) == {
        "F2": ["", "raised", "open"],
        "F3": ["", "", "raised"],
        "F1": ["raised", "disputed", "withdrawn"],
    }


def test_the_table_shows_what_is_for_later_joined_or_decided() -> None:
    state = b.after(sent_back(), b.work_reported(2, 2))
    assert table(with_finding(state, blocking=False))["F1"] == ["later", "later"]
    joined = with_finding(state, joined=(Joined(round=2, reason="again"),))
    assert table(joined)["F1"] == ["raised", "joined"]
    waived = with_finding(state, status="waived", closed_round=3)
    assert table(waived)["F1"] == ["raised", "waived"]


def test_the_table_is_bounded_and_has_open_findings_first() -> None:
    state = sent_back()
    (first,) = state.findings
    closed = [
        first.model_copy(update={"id": f"F{n}", "closed_round": 1, "status": "fixed"})
        for n in range(1, 40)
    ]
    still = first.model_copy(update={"id": "F40", "file": "a|b`c.py"})
    found = state.model_copy(update={"findings": (*closed, still)})
    lines = findings_table(of_two_rounds(found))
    assert lines[1] == "<details><summary>What became of each finding</summary>"
    assert lines[5].startswith("| **F40** medium `a\\|b'c.py:6` | raised |")
    assert lines[-3] == "And 20 more in `state.json`."


def test_what_was_tried_is_in_the_post() -> None:
    state = stopped("stalled", not_fixed=3)
    (record,) = state.history
    tried = state.model_copy(
        update={
            "history": (record, record.model_copy(update={"round": 2, "kind": "fresh"})),
            "retry_with": {"worker": "claude"},
        }
    )
    assert tried_words(tried) == "a fresh conversation in round 2, `claude` as the worker"
    assert f"Tried already: {tried_words(tried)}." in status_comment(tried)
