"""Contested: the worker disputes a finding and the reviewer upholds it, again and again.

Two agents that disagree twice will disagree a third time, and each of them may be right. A finding
that a person has required is beyond dispute: there the worker has only failed to fix it.
"""

from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.rules.judgement import Judgement, listed
from loop_kit.core.loop.state import LoopState


def judge(before: LoopState, after: LoopState) -> Judgement | None:
    """Whether a finding was upheld in this review, and too often; None where that is off."""
    rule = after.limits.rules.contested
    if not rule.enabled:
        return None
    upheld = {finding.id: finding.upheld for finding in before.findings}
    now = [f for f in open_findings(after.findings) if f.upheld > upheld.get(f.id, 0)]
    contested = [f.id for f in now if f.upheld >= rule.upheld]
    if contested:
        text = (
            f"{listed(contested)} was disputed by the worker and upheld by the reviewer"
            f" {rule.upheld} times: a person has to decide who is right."
        )
        return Judgement("contested", text, stop="contested")
    if now:
        return Judgement("contested", f"{listed([f.id for f in now])} was disputed and upheld.")
    return Judgement("contested", "No disputed finding was upheld.")
