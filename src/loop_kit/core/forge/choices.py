"""What a person can decide about the findings of a loop that stopped, each with what it means.

A choice is offered only where following it continues the loop: what the verify commands found is
not a person's to waive, and a finding that nobody named needs no decision.
"""

from typing import Literal

from loop_kit.core.loop.decisions import asked_findings, named_findings
from loop_kit.core.loop.findings import VERIFICATION, Ledger
from loop_kit.core.loop.state import LoopState, Outcome
from loop_kit.frozen import frozen

MAX_NAMED = 20
"""The findings that one choice names; a person may name others."""

Act = Literal["require", "dismiss", "waive", "extend", "retry"]


@frozen
class Choice:
    """One answer: what it `means`, also in `short`, and the command `act` with what follows it."""

    means: str
    short: str
    act: Act
    ids: tuple[str, ...] = ()
    rest: str = ""

    @property
    def command(self) -> str:
        """The comment that takes it."""
        return " ".join(["/loop", self.act, *self.ids, *([self.rest] if self.rest else [])])


ANOTHER = Choice("Another agent should try", "another agent", "retry", rest="with …")


def asked(state: LoopState) -> Ledger:
    """The findings that the stop asks about; none where it is about something else."""
    by_rule = {"contested", "stalled", "bar", "diff_growth"} & set(state.reasons)
    if not by_rule and state.outcome is not Outcome.MAX_ROUNDS_EXHAUSTED:
        return ()
    return asked_findings(state)[:MAX_NAMED]


def choices(state: LoopState) -> tuple[Choice, ...]:
    """The answers to a stop over findings, in the order of how much they change; or none."""
    findings = asked(state)
    ids = tuple(finding.id for finding in findings)
    open_to_opinion = all(finding.by != VERIFICATION for finding in findings)
    reasons = set(state.reasons)
    out_of_rounds = state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    if out_of_rounds:
        first = Choice("It has to be fixed", "two more rounds", "extend", rest="2")
    elif "stalled" in reasons and (named_findings(state) or not ids):
        first = ANOTHER
    elif "diff_growth" in reasons:
        first = Choice("It may be as large as it is", "the size is right", "retry")
    elif not reasons & {"contested", "bar", "stalled"}:
        return ()
    elif not ids:
        return (
            Choice("Have the same commit reviewed again", "another review", "retry"),
            Choice(
                "Another agent should review it",
                "another reviewer",
                "retry",
                rest="with … as reviewer",
            ),
        )
    else:
        right = "The reviewer is right"
        means = right if "contested" in reasons else "It has to be fixed"
        first = Choice(means, "it is right", "require", ids)
    if not ids or not open_to_opinion:
        return (first,)
    wrong = "The worker is right" if "contested" in reasons else "It is wrong"
    real = "It is real, but does not block"
    if "diff_growth" in reasons:
        real = "What is open does not block"
    return (
        first,
        Choice(wrong, "it is wrong", "dismiss", ids, "because …"),
        Choice(real, "it does not block", "waive", ids),
    )
