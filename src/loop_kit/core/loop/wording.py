"""Findings, the bar and the price of a round in words: the same in prompts, posts and bus files."""

from collections.abc import Mapping, Sequence
from typing import Any

from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.rules.bar import asks_for_scenario, last_fix
from loop_kit.core.loop.rules.settings import Bar
from loop_kit.core.loop.state import LoopState
from loop_kit.core.text.numbers import counted

MAX_CHECKS = 10
"""The checks that are named in one sentence."""

_FIX_OF = "fix-of-round-"
_PROVENANCE: Mapping[str, str] = {
    "pre-existing": "on a line that was there before this loop",
    "first-work": "on a line of the first work",
    "nowhere": "at no line of the reviewed code",
}
_RAISED_BY: Mapping[str, str] = {
    "": "",
    "second": "by the second reviewer",
    "verify": "by the verify commands",
    "checks": "by a failed check",
}
_CRITERION = "with a `criterion` that is not met (`C0` is the goal)"


def provenance_words(provenance: str) -> str:
    """Where the line of a finding comes from, as part of a sentence; '' where it is unknown."""
    if provenance.startswith(_FIX_OF):
        return f"on a line of the fix of round {provenance.removeprefix(_FIX_OF)}"
    return _PROVENANCE.get(provenance, "")


def joined_words(finding: Finding) -> list[str]:
    """One phrase for each time that the finding was raised again without its id."""
    return [
        f"raised again in round {again.round} without its id, joined to {finding.id}"
        for again in finding.joined
    ]


def raised_by_words(finding: Finding) -> str:
    """Who raised a finding; '' for the reviewer."""
    return _RAISED_BY.get(finding.by, f"by {finding.by}")


def waiting_words(state: LoopState) -> str:
    """The checks that a held approval waits for; untrusted, as their names are."""
    names = state.waiting_for
    more = f" and {len(names) - MAX_CHECKS} more" if len(names) > MAX_CHECKS else ""
    named = f"{counted(len(names), 'check')}: {', '.join(names[:MAX_CHECKS])}{more}"
    return named if names else "its checks"


def history_words(finding: Finding) -> list[str]:
    """What has happened to a finding so far, one phrase each."""
    raised = f"raised in round {finding.round} {raised_by_words(finding)}".rstrip()
    phrases = [raised, *joined_words(finding)]
    if finding.not_fixed:
        phrases.append(f"not fixed {_times(finding.not_fixed)}")
    if finding.disputes:
        phrases.append(f"disputed by the worker {_times(finding.disputes)}")
    if finding.upheld:
        phrases.append(f"upheld by the reviewer {_times(finding.upheld)}")
    return phrases


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def bar_words(state: LoopState) -> list[str]:
    """What a new finding needs to block in this round; the first line is a whole sentence."""
    bar = state.limits.rules.bar
    asks = asks_for_scenario(bar, state.limits.evidence)
    if not bar.enabled:
        return ["Every new finding blocks in this round."]
    if state.round == 1:
        needs = " It needs a `scenario` or a `criterion`." if asks else ""
        return [f"In this first round {_conditions(bar.first_round)} blocks.{needs}"]
    needs = "has a `scenario` or a `criterion` and is" if asks else "is"
    return [
        f"A new finding blocks in this round only if it {needs} one of these:",
        *_cells(bar, state.round),
    ]


def _cells(bar: Bar, round_: int) -> list[str]:
    places = (
        ("on a line of the last fix", last_fix(bar, round_)),
        ("on a line of earlier work of this loop", bar.older_work),
        ("on a line that was there before this loop", bar.pre_existing),
        ("at no line of the reviewed code", bar.nowhere),
    )
    return [f"{place}: {_conditions(conditions)}" for place, conditions in places]


def _conditions(conditions: Sequence[str]) -> str:
    if not conditions:
        return "no finding"
    if "any" in conditions:
        return "every finding"
    needs = [_CRITERION if c == "criterion" else f"of severity `{c}`" for c in conditions]
    return f"a finding {' or '.join(needs)}"


def round_price(state: LoopState) -> Mapping[str, Any]:
    """What the loop has cost up to this review, and what is left; None is unknown.

    The review that is asked for is not in it, so that a round costs at least its share.
    """
    usage, limits = state.usage, state.limits
    rounds = max(usage.rounds + 1, 1)
    minutes = round(usage.agent_seconds / 60, 1) if usage.agent_seconds else None
    return {
        "max_rounds": limits.max_rounds,
        "rounds_left": max(limits.max_rounds - state.round, 0),
        "agent_minutes": minutes,
        "cost_usd": usage.cost_usd,
        "estimated_cost_usd": usage.estimated_cost_usd,
        "minutes_per_round": None if minutes is None else round(minutes / rounds, 1),
        "cost_usd_per_round": _share(usage.cost_usd, rounds),
        "estimated_cost_usd_per_round": _share(usage.estimated_cost_usd, rounds),
    }


def _share(cost: float | None, rounds: int) -> float | None:
    return None if cost is None else round(cost / rounds, 2)
