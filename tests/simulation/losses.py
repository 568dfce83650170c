"""What cost a loop its right approval: one event for each loop that did not get one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tests.simulation.agents import Cast
from tests.simulation.world import Change, Defect

from loop_kit.core.loop.findings import Finding, open_findings
from loop_kit.core.loop.state import LoopState, Outcome

NONE = ""
UNSEEN = "approved with a bug that its reviewer cannot see"
MISSED = "approved with a bug that its reviewer missed in each pass"
ASIDE = "approved with a bug that its reviewer found, and did not let block"
CLOSED = "approved with a bug that was recorded as fixed or withdrawn"
SMALL = "rounds used up with a right change: a small defect is open"
FALSE = "rounds used up with a right change: what is open is on correct code, or fixed"
WRONG = "rounds used up before the change was right"
STOPPED = "stopped as `{}`, the change being {}"
FAILED = "ended by a failure of an agent"

_APPROVED = (CLOSED, ASIDE, MISSED, UNSEEN)
"""The first that holds is the event where several bugs are left."""


def event(state: LoopState, cast: Cast) -> str:
    """What kept this loop from a right approval; `NONE` where it got one."""
    change = cast.change
    if state.outcome is Outcome.APPROVED:
        left = {_why_left(bug, state, cast) for bug in change.live() if bug.production}
        return next((why for why in _APPROVED if why in left), NONE)
    if state.outcome is Outcome.NEEDS_HUMAN:
        how = "wrong" if change.hides_blocker() else "right"
        return STOPPED.format(", ".join(state.reasons), how)
    if state.outcome is not Outcome.MAX_ROUNDS_EXHAUSTED:
        return FAILED
    if change.hides_blocker():
        return WRONG
    blocking = open_findings(state.findings)
    return SMALL if any(_is_small_defect(each, change) for each in blocking) else FALSE


def _is_small_defect(finding: Finding, change: Change) -> bool:
    defect = change.about(finding.reason)
    return defect is not None and defect.open and not defect.false


def _why_left(bug: Defect, state: LoopState, cast: Cast) -> str:
    """How a bug came through an approval."""
    recorded = [f for f in state.findings if cast.change.about(f.reason) is bug]
    if recorded and recorded[-1].status != "open":
        return CLOSED
    if recorded or any(bug in found for found in cast.passes.values()):
        return ASIDE
    return MISSED if bug.seen_by[0] else UNSEEN


def lost(
    loops: Iterable[tuple[str, int, str]], right_in: Mapping[tuple[str, int], int], rounds: int
) -> Counter[tuple[str, str]]:
    """How many loops that could be approved rightly each event cost, by population and event.

    Each loop is its population, its seed and its event; `right_in` is the first round in which an
    omniscient policy could have approved it, 0 for never.
    """
    return Counter(
        (population, why)
        for population, seed, why in loops
        if why and 0 < right_in[population, seed] <= rounds
    )
