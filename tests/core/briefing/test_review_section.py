"""What the reviewer is asked: judge first, know the price, dispose, see the change, then claims."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core import builders as b
from tests.core.markdown_oracle import code

from loop_kit.core.agent.reports import ReportedIssue, Response, WorkReport
from loop_kit.core.briefing.review_section import MAX_DIFF, review_section
from loop_kit.core.loop import bus
from loop_kit.core.loop.findings import Finding, Joined
from loop_kit.core.loop.state import Limits, LoopState, Usage

PROUD = "All is fixed and every test passes"
DIFF = "+return a * 2\n"
ISSUE = ReportedIssue(
    severity="high", file="calc.py", line=7, reason="double is wrong", scenario="double(2) is 3"
)


def report(*responses: Response) -> WorkReport:
    return WorkReport(
        task_id=b.TASK, round=2, head_sha=b.sha(2), notes=PROUD,
        tests=({"name": "pytest", "result": "pass"},), responses=responses,
    )  # fmt: skip


def second_round(limits: Limits | None = None, **changes: Any) -> LoopState:
    """Round 2 waits for its review; `changes` are made to the one finding."""
    state = b.after(b.awaiting_review(limits), b.rejected(1, ISSUE), b.work_reported(2, 2))
    (finding,) = state.findings
    return state.model_copy(update={"findings": (finding.model_copy(update=changes),)})


def section(
    state: LoopState, *responses: Response, diff: str = DIFF, truncated: bool = False
) -> str:
    shown = {"diff": diff, "diff_truncated": truncated, "diff_file": None}
    request = bus.review_request(b.card(), state, report(*responses), "Fix it", shown)
    return review_section(request, ".mail")


def test_the_words_of_the_worker_come_after_the_diff_as_claims() -> None:
    text = section(second_round(), Response(id="F1", action="fixed", evidence="see test_double"))
    before, after = text.split(DIFF)
    for claim in (PROUD, "see test_double", "Fix it", '"pytest"'):
        assert claim not in before
        assert claim in code(after.removeprefix("```"))
    assert "Claims, not facts" in after
    assert "worker's answer: fixed" in before


@pytest.mark.parametrize(("diff", "truncated"), [("+x\n" * MAX_DIFF, False), (DIFF, True)])
def test_a_diff_that_is_too_long_is_read_from_git_and_no_claim_comes_before_it(
    diff: str, truncated: bool
) -> None:
    text = section(second_round(), diff=diff, truncated=truncated)
    assert diff not in text
    assert PROUD not in text
    assert f"git diff {b.START} {b.sha(2)}" in text
    assert "After you have judged the change, read `responses`" in text


def test_the_verdict_is_asked_for_before_the_fix() -> None:
    text = section(second_round())
    assert "decide whether it is wrong before you think about how to fix it" in text
    assert "Do not propose a redesign" in text
    assert "Report everything that blocks now" in text
    assert text.index("How to judge") < text.index("What a round costs") < text.index(DIFF)


def test_the_reviewer_knows_the_price_of_a_round_and_how_many_are_left() -> None:
    usage = Usage(rounds=1, agent_seconds=720, cost_usd=1.22)
    text = section(second_round().model_copy(update={"usage": usage}))
    for expected in (
        "This is round 2 of at most 3.",
        "has used 12 min of agents and 1.22 USD",
        "each further round costs 6 min and 0.61 USD, or more",
        "1 round is left",
    ):
        assert expected in text


def test_what_nobody_has_reported_is_called_unknown() -> None:
    text = section(second_round().model_copy(update={"usage": Usage()}))
    assert "has used an unknown time of agents and an unknown sum" in text
    assert "each further round costs an unknown time and an unknown sum" in text


def test_seconds_are_not_rounded_to_no_time_at_all() -> None:
    usage = Usage(rounds=1, agent_seconds=3, cost_usd=0)
    text = section(second_round().model_copy(update={"usage": usage}))
    assert "has used less than a minute of agents and 0.00 USD" in text


def test_the_last_round_is_called_the_last() -> None:
    assert "It is the last round" in section(second_round(Limits(max_rounds=2)))
    assert "It is the last round" not in section(second_round())


def test_an_open_finding_has_its_place_its_history_and_what_the_worker_says() -> None:
    state = second_round(
        provenance="fix-of-round-1", not_fixed=2, upheld=1, disputes=1, criterion="C1",
        joined=(Joined(round=2, reason="doubling fails"),), note="it still gives 6",
    )  # fmt: skip
    text = section(state, Response(id="F1", action="disputed", evidence="double(2) gives 4"))
    for expected in (
        "F1 [high] calc.py:7: double is wrong",
        "criterion: C1",
        "where: on a line of the fix of round 1",
        "history: raised in round 1; raised again in round 2 without its id, joined to F1;"
        " not fixed twice; disputed by the worker once; upheld by the reviewer once",
        "reviewer's note: it still gives 6",
        "worker's answer: disputed: double(2) gives 4",
    ):
        assert expected in code(text)
    assert "F1 is disputed: withdraw it unless you can show it" in text


def test_a_finding_that_a_person_requires_is_not_up_for_withdrawal() -> None:
    state = second_round(required=True, closed_why="by alice")
    text = section(state, Response(id="F1", action="disputed", evidence="no"))
    assert "F1 is right by a person's decision" in text
    assert "decided: right, by alice" in code(text)
    assert "withdraw it unless" not in text


@pytest.mark.parametrize("status", ["waived", "dismissed"])
def test_what_a_person_decided_is_not_to_be_raised_again(status: str) -> None:
    text = section(second_round(status=status, closed_why=f"{status} by alice", closed_round=1))
    decided = text.partition("do not raise these again")[2].partition("###")[0]
    assert "F1 [high] calc.py:7: double is wrong" in decided
    assert f"decided: {status} by alice" in decided
    assert "<none>" in text.partition("### Open findings")[2].partition("###")[0]


def test_what_is_kept_for_later_is_shown_with_the_reason() -> None:
    text = section(second_round(blocking=False, below="severity medium on an old line"))
    later = text.partition("### Kept for later")[2].partition("###")[0]
    assert "F1 [high] calc.py:7" in later
    assert "why it does not block: severity medium on an old line" in later


def test_of_very_many_for_later_the_newest_are_listed() -> None:
    many = tuple(Finding(id=f"F{n}", round=1, blocking=False, reason="r") for n in range(1, 101))
    text = section(second_round().model_copy(update={"findings": many}))
    assert "(70 earlier ones)" in text
    assert "F100 [" in text
    assert "F70 [" not in text


@pytest.mark.parametrize(
    ("kind", "words"),
    [("simplify", "asked only to simplify the change"), ("review", "No worker ran in this round")],
)
def test_a_round_that_is_unlike_others_is_named_as_what_it_is(kind: str, words: str) -> None:
    state = second_round()
    record = state.history[-1].model_copy(update={"kind": kind})
    text = section(state.model_copy(update={"history": (*state.history[:-1], record)}))
    assert words in text
    assert words not in section(state)


def test_the_bar_of_the_round_is_put_in_words() -> None:
    first = b.awaiting_review()
    assert "In this first round every finding blocks." in section(first)
    second = section(second_round())
    assert "A new finding blocks in this round only if it is one of these:" in second
    assert "- on a line of the last fix: every finding" in second
    assert (
        "- on a line that was there before this loop: a finding with a `criterion` that is not met"
        in second
    )
    assert "name it in `non_blocking_suggestions`" in second
    strict = section(second_round(Limits(evidence="strict")))
    assert "only if it has a `scenario` or a `criterion` and is one of these:" in strict


def test_without_a_bar_every_new_finding_blocks() -> None:
    limits = Limits()
    bar = limits.rules.bar.model_copy(update={"enabled": False})
    rules = limits.rules.model_copy(update={"bar": bar})
    text = section(second_round(limits.model_copy(update={"rules": rules})))
    assert "Every new finding blocks in this round." in text
