"""Oscillation: a fix that takes back what the last one did. It is reported and judges nothing.

A fix may well be right to undo another, and a loop that goes to and fro ends by its findings.
"""

from loop_kit.core.loop.rules.judgement import Judgement, listed
from loop_kit.core.loop.state import LoopState

_MAX_NAMED = 10


def judge(_before: LoopState, after: LoopState) -> Judgement | None:
    """Which files the fix of this round takes back; None where that is off."""
    if not after.limits.rules.oscillation.enabled or not after.history:
        return None
    paths = list(after.history[-1].restores)
    if not paths:
        return Judgement("oscillation", "The fix takes back nothing of the last one.")
    more = len(paths) - _MAX_NAMED
    named = [*paths[:_MAX_NAMED], f"{more} more"] if more > 0 else paths
    return Judgement("oscillation", f"The fix takes back what the last one did in {listed(named)}.")
