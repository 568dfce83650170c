"""Diff growth: fixes that make the change several times as large as round 1 made it.

Each hundred lines of a fix bring new findings of their own, so a change that only grows does not
converge. Source and tests are counted apart: a test that pins a fix is no sprawl. One round may
only simplify the change or justify its size; if it is still as large, a person decides. A size that
a person has found right is not asked about again until it grows by as many lines as a small change.
"""

from loop_kit.core.loop.rules.judgement import Judgement
from loop_kit.core.loop.rules.settings import DiffGrowth
from loop_kit.core.loop.state import Growth, LoopState


def judge(before: LoopState, after: LoopState) -> Judgement | None:
    """Whether the change has grown too much; None where that is off or not known."""
    rule = after.limits.rules.diff_growth
    sizes = [record.growth for record in after.history if record.growth is not None]
    if not rule.enabled or not rule.limit or not sizes or after.history[-1].growth is None:
        return None
    ratios = _ratios(sizes[0], sizes[-1], rule)
    seen = _words(sizes[0], sizes[-1], ratios, rule)
    if max(ratios) <= rule.limit:
        return Judgement("diff_growth", f"{seen}.")
    accepted = after.accepted_growth
    if accepted is not None and _is_within(sizes[-1], accepted, rule.smallest_start):
        text = f"{seen}; a person found {accepted.source} and {accepted.tests} right."
        return Judgement("diff_growth", text)
    if rule.simplify_round and not before.simplify:
        text = f"{seen}: the next round may only simplify the change, or justify its size."
        return Judgement("diff_growth", text, next_round="simplify")
    after_all = ", also after a round to simplify it" if before.simplify else ""
    return Judgement("diff_growth", f"{seen}{after_all}.", stop="diff_growth")


def _is_within(now: Growth, accepted: Growth, more: int) -> bool:
    """Whether the change is as large as a person accepted, or a little larger."""
    return now.source <= accepted.source + more and now.tests <= accepted.tests + more


def _ratios(first: Growth, last: Growth, rule: DiffGrowth) -> tuple[float, float]:
    return (
        last.source / max(first.source, rule.smallest_start),
        last.tests / max(first.tests, rule.smallest_start),
    )


def _words(first: Growth, last: Growth, ratios: tuple[float, float], rule: DiffGrowth) -> str:
    source, tests = ratios
    return (
        f"The change is {last.source} added and deleted lines of source and {last.tests} of tests,"
        f" after {first.source} and {first.tests} in round 1:"
        f" {source:.1f} and {tests:.1f} times as many, with {rule.limit:g} allowed"
        f" (fewer than {rule.smallest_start} count as {rule.smallest_start})"
    )
