"""The rows of the threat model, and what is found about each."""

from __future__ import annotations

from dataclasses import dataclass

ROWS = {
    1: "hidden text and late edits of an issue do not reach the card",
    2: "files that steer agents cannot be changed",
    3: "no expression is spliced into a shell",
    4: "who may not write starts nothing",
    5: "a continuation counts only where the state asks for it",
    6: "nothing runs from a branch that agents write to",
    7: "pull requests of forks are refused",
    8: "a branch that somebody moved stops the loop",
    9: "what agents print is no workflow command",
    10: "files that configure later steps stay as they are",
    11: "outputs cannot be forged",
    12: "the GitHub token cannot be read",
    13: "model keys of others and logins of the user cannot be read",
    14: "hooks and git configuration of a clone are never run",
    15: "the verdict is the reviewer's",
    16: "a reviewer cannot change the code",
    17: "no process outlives its agent",
    18: "what is out of scope or out of the tree is not pushed",
    19: "a poisoned bundle publishes nothing",
    20: "posts do nothing but inform",
    21: "an approval needs evidence",
    22: "our own comments start nothing",
    23: "verify commands reach no secret",
    24: "ids and names lead out of nothing",
    25: "endless output fills nothing",
    26: "a worker configures neither reviewer nor verify nor us",
    27: "commits close, skip and sign nothing",
    28: "secrets of the job are not published",
    29: "nothing hangs the job",
    30: "the checkout does not steer our own code",
    31: "a card in an issue takes no other branch and no other id",
}
"""What must hold, by the number of the row."""

BY_EVENTS = frozenset({1, 3, 4, 5, 6, 7, 8, 19, 22, 24, 30, 31})
"""The rows that events and cards try; no agent has a part in them."""

NOT_HELD_IN = {
    "none as root": frozenset({12, 13, 23, 26}),
    "none as a user": frozenset({12, 13, 23, 26}),
    "three jobs": frozenset({13, 23, 26}),
}
"""The rows that are not promised without a room; in three jobs the token is in another job."""


def promised(mode: str) -> frozenset[int]:
    """The rows that hold where agents are confined like this."""
    bundle = frozenset() if mode == "three jobs" else {19}
    return frozenset(ROWS) - NOT_HELD_IN.get(mode, frozenset()) - bundle


@dataclass(frozen=True)
class Verdict:
    """Whether a row holds, and what shows that it does not."""

    row: int
    holds: bool
    why: str = ""
