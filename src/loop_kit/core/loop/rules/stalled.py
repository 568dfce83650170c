"""Stalled: a finding that was sent back as not fixed, round after round.

Most of the power to repair is gone after two or three attempts, and a fresh start restores it. So
the next worker starts a new conversation and is given what failed; if that does not fix it either,
more rounds of the same kind will not. A round to simplify the change goes before the fresh one.
"""

from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.rules.judgement import Judgement, listed
from loop_kit.core.loop.state import LoopState


def judge(before: LoopState, after: LoopState) -> Judgement | None:
    """Whether a finding was sent back too often; None where that is off."""
    rule = after.limits.rules.stalled
    if not rule.enabled:
        return None
    counted = {finding.id: finding.not_fixed for finding in before.findings}
    stuck = [
        f
        for f in open_findings(after.findings)
        if f.running >= rule.rounds and (before.simplify or f.not_fixed > counted.get(f.id, 0))
    ]
    fresh = [record.round for record in after.history if record.kind == "fresh"]
    since = {f.id: after.history[-1].round - f.running for f in stuck}
    tried = [
        f
        for f in stuck
        if not rule.fresh_round
        or (f.running > rule.rounds and any(round_ > since[f.id] for round_ in fresh))
    ]
    if tried:
        ended = ", the last time in a fresh conversation" if rule.fresh_round else ""
        text = (
            f"{listed([f.id for f in tried])} was not fixed in"
            f" {max(f.running for f in tried)} rounds running{ended}."
        )
        return Judgement("stalled", text, stop="stalled")
    if stuck:
        text = (
            f"{listed([f.id for f in stuck])} was not fixed in"
            f" {max(f.running for f in stuck)} rounds running:"
            f" the next worker{_named(rule.backend)} starts a fresh conversation and is given what"
            " failed."
        )
        return Judgement("stalled", text, next_round="fresh")
    return Judgement("stalled", f"No finding was not fixed in {rule.rounds} rounds running.")


def _named(backend: str) -> str:
    return f", `{backend}`," if backend else ""
