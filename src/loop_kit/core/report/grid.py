"""Findings and criteria over the rounds: one row each, in runs of rounds with the same answer."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.state import LoopState
from loop_kit.frozen import frozen


@frozen
class Run:
    """Rounds one after the other with the same answer; "" is none."""

    status: str
    first: int
    rounds: int

    @property
    def words(self) -> str:
        """The answer, and for how many rounds."""
        return f"{self.status}, {self.rounds} rounds" if self.rounds > 1 else self.status

    @property
    def style(self) -> str:
        """The answer as the name of a style."""
        return self.status.replace(" ", "-")


def runs(rounds: Sequence[int], answer: Callable[[int], str]) -> list[Run]:
    """What `answer` says of each of `rounds`, in runs."""
    grouped = ((status, list(group)) for status, group in groupby(rounds, answer))
    return [Run(status, group[0], len(group)) for status, group in grouped]


def finding_runs(state: LoopState, finding: Finding) -> list[Run]:
    """What became of a finding, round by round."""
    disputed = {r.round for r in state.history if finding.id in r.disputed}
    last = finding.closed_round or state.history[-1].round if state.history else 0

    def answer(round_: int) -> str:
        if round_ < finding.round or round_ > last:
            return ""
        if round_ == finding.closed_round and finding.status != "open":
            return finding.status
        if round_ == finding.round:
            return "raised"
        if round_ in disputed:
            return "disputed"
        return "raised again" if any(o.round == round_ for o in finding.joined) else "open"

    return runs([record.round for record in state.history], answer)


def verify_runs(state: LoopState) -> list[Run]:
    """How the verify commands ended in each round."""
    words: Mapping[bool | None, str] = {None: "", True: "passed", False: "failed"}
    known = {record.round: words[record.verified] for record in state.history}
    return runs(list(known), lambda round_: known[round_])
