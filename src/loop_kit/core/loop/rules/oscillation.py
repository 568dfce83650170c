"""Oscillation: a fix that takes back what the last one did.

One fix may well be right to undo another, so that is only reported. When the next fix takes it back
again, the reviewer orders one thing and its reverse in turn, and a person has to decide between
them. A round that changed nothing is no fix, and one that was to simplify may remove what it likes.
"""

from loop_kit.core.loop.rules.judgement import Judgement, listed
from loop_kit.core.loop.state import LoopState

_MAX_NAMED = 10


def judge(_before: LoopState, after: LoopState) -> Judgement | None:
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
    if not rule.rounds or running < rule.rounds:
        return Judgement("oscillation", f"{seen}.")
    text = f"{seen}, as {running} fixes running have done: a person has to decide which is right."
    return Judgement("oscillation", text, stop="stalled")


def fixes_running(state: LoopState) -> int:
    """How many fixes running, up to the last one, took back what the one before them did."""
    running = 0
    for record in reversed(state.history):
        if record.parent_sha == record.head_sha:
            continue
        if not record.restores or record.kind == "simplify":
            break
        running += 1
    return running
