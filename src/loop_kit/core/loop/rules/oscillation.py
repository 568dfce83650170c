"""Oscillation: a fix that takes back what the last one did.

One fix may well be right to undo another, so that is only reported. When the next fix takes it back
again, most of it in the very same lines, the reviewer orders one thing and its reverse in turn, and
a person has to decide between them. A round that changed nothing is no fix, and one that was to
simplify may remove what it likes. Who has decided already is not asked: not where a person required
a fix of this round, and after a stop not before as many fixes again.
"""

from itertools import pairwise

from loop_kit.core.loop.findings import CHECKS, VERIFICATION, open_findings
from loop_kit.core.loop.rules.judgement import Judgement, listed
from loop_kit.core.loop.state import LoopState

_MAX_NAMED = 10
_NO_PERSON = {"", "second", VERIFICATION, CHECKS}


def judge(before: LoopState, after: LoopState) -> Judgement | None:
    """Which files the fix of this round takes back, and whether too often; None where it is off."""
    rule = after.limits.rules.oscillation
    if not rule.enabled or not after.history:
        return None
    paths = list(after.history[-1].restores)
    if not paths:
        return Judgement("oscillation", "The fix takes back nothing of the last one.")
    more = len(paths) - _MAX_NAMED
    named = [*paths[:_MAX_NAMED], f"{more} more"] if more > 0 else paths
    seen = f"The fix takes back what the last one did in {listed(named)}"
    running = fixes_running(after)
    if not rule.rounds or not running or running % rule.rounds:
        return Judgement("oscillation", f"{seen}.")
    if _is_decided(before):
        return Judgement("oscillation", f"{seen}, in a round for which a person required a fix.")
    text = f"{seen}, as {running} fixes running have done: a person has to decide which is right."
    return Judgement("oscillation", text, stop="stalled")


def fixes_running(state: LoopState) -> int:
    """How many fixes running, up to the last one, took back what the one before them did.

    From the second on they did so with the lines of the one before.
    """
    fixes = [record for record in reversed(state.history) if record.parent_sha != record.head_sha]
    if not fixes or not fixes[0].restores or fixes[0].kind == "simplify":
        return 0
    running = 1
    for fix, before in pairwise(fixes):
        if not fix.restores_again or before.kind == "simplify":
            break
        running += 1
    return running


def _is_decided(before: LoopState) -> bool:
    """Whether the worker of this round was asked for a fix by a person."""
    asked = open_findings(before.findings)
    return any(finding.required or finding.by not in _NO_PERSON for finding in asked)
