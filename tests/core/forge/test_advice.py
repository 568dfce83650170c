"""What a post advises after a push was refused: for each kind of refusal what ends it."""

from __future__ import annotations

import pytest
from tests.core import builders as b

from loop_kit.core.forge.advice import next_step, ways
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.messages import (
    Halted,
)
from loop_kit.core.loop.outcomes import Outcome
from loop_kit.core.loop.push_refusal import RefusalKind

RUN = "run the workflow again with `task-id: T-001`"
ADVICE = {
    RefusalKind.SECRET: "say in the card how to do without it",
    RefusalKind.CONTENT: "change the rule of the repository that it names",
    RefusalKind.RULE: "exempt `loop/T-001/work` from the rule that it names",
    RefusalKind.RIGHTS: "give the job the permission that it names",
    RefusalKind.TOKEN: "use a token that lives as long as the job",
    RefusalKind.FAULT: "when the git server answers again",
}


@pytest.mark.parametrize("kind", RefusalKind)
def test_each_kind_of_refusal_has_advice_of_its_own(kind: RefusalKind) -> None:
    state = b.awaiting_review()
    for _ in range(2):
        if state.is_running:
            state = transition(state, b.push_refused(kind, kept=True))

    advice = next_step(state)

    assert advice.startswith(ADVICE[kind])
    assert RUN in advice
    artifact = kind in {RefusalKind.TOKEN, RefusalKind.FAULT}
    assert ("push what the artifact holds" in advice) == artifact


def test_commits_that_are_too_large_for_the_state_are_pushed_from_the_artifact() -> None:
    state = transition(b.awaiting_review(), b.push_refused(RefusalKind.RULE, kept=False))

    assert "then push what the artifact holds with the command above" in next_step(state)


def test_work_that_only_an_earlier_run_has_is_pushed_from_its_artifact() -> None:
    stop = Halted(Outcome.NEEDS_HUMAN, "not at hand", b.AT, ("push_refused",))
    state = transition(b.awaiting_review(), stop)

    assert next_step(state).startswith("push what the artifact holds with the command above")


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("scope", "if the card should allow it, edit the card"),
        ("protected_path", "make that change yourself if it is wanted: no card allows it"),
    ],
)
def test_after_a_refused_change_the_card_is_named_only_where_it_decides(
    reason: str, advice: str
) -> None:
    stop = Halted(Outcome.NEEDS_HUMAN, "x was refused", b.AT, (reason,))

    text = " ".join(ways(transition(b.awaiting_review(), stop)))

    assert "the worker tries again without the refused change" in text
    assert advice in text
    assert ("card should" in text) == (reason == "scope")
