"""The parts of the page on what could be reached, and on where the rest is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tests.simulation.losses import lost
from tests.simulation.outcomes import Outcomes, of_population
from tests.simulation.populations import POPULATIONS
from tests.simulation.report import EARLIEST, ROUNDS, Report
from tests.simulation.tables import short, table

_LISTED = 3
"""Events that are named for each population."""


def ceilings(report: Report) -> str:
    """Right approvals beside the most that an omniscient policy could reach."""
    rows = [
        [name, *(cell for n in ROUNDS for cell in _under_ceiling(report, n, name))]
        for name in (*(each.name for each in POPULATIONS), "all")
    ]
    head = (f"{what}, {n} rounds" for n in ROUNDS for what in ("max-rounds", "ours", "ceiling"))
    return table(("right approvals", *head), rows)


def _under_ceiling(report: Report, rounds: int, name: str) -> tuple[str, str, str]:
    alone, ours = report.policies[rounds][0], report.policies[rounds][2]
    if name == "all":
        most = report.ceiling.of_mixture(rounds)
    else:
        most = report.ceiling.of(name, rounds)
        alone, ours = (of_population(each, name) for each in (alone, ours))
    return short(alone.right_approvals), short(ours.right_approvals), short(most)


def fewest(report: Report) -> str:
    """The calls that loops which cannot succeed cost a policy that ends them at one moment."""
    rows = []
    for early, what in zip(EARLIEST, ("a fix has failed", "a rule can say so"), strict=True):
        calls = report.fewest[early].wasted_calls
        ratios = [
            f"{calls.value / report.policies[n][0].wasted_calls.value:.2f} x" if early <= n else "–"
            for n in ROUNDS
        ]
        rows.append([f"after round {early}, where {what}", calls.number(), *ratios])
    head = ("each of them ends", "calls", *(f"beside max-rounds {n}" for n in ROUNDS))
    return table(head, rows)


def losses(report: Report) -> str:
    """What loops that could be approved rightly were lost to, in shares of all loops."""
    columns = [(n, k) for n in ROUNDS for k in (0, 2)]
    found = [_lost(report, report.policies[n][k], n) for n, k in columns]
    sizes = [len(report.policies[n][k].loops) for n, k in columns]
    totals = [Counter[str]() for _ in found]
    for total, each in zip(totals, found, strict=True):
        for (_, why), count in each.items():
            total[why] += count
    events = sorted(set().union(*totals), key=lambda why: -totals[1][why])
    rows = [
        [why, *(_percent(total[why], size) for total, size in zip(totals, sizes, strict=True))]
        for why in events
    ]
    sums = [_percent(total.total(), size) for total, size in zip(totals, sizes, strict=True)]
    head = (f"{what}, {n} rounds" for n in ROUNDS for what in ("max-rounds", "ours"))
    return table(("lost to", *head), [*rows, ["all of them", *sums]])


def lost_most(report: Report) -> str:
    """Of our rules: what each population loses most to, in shares of its loops."""
    found = {n: _lost(report, report.policies[n][2], n) for n in ROUNDS}
    rows = []
    for each in POPULATIONS:
        cells = []
        for n in ROUNDS:
            size = len(of_population(report.policies[n][2], each.name).loops)
            of_it = ((why, count) for (name, why), count in found[n].items() if name == each.name)
            cells.append(_listed(of_it, size))
        rows.append([each.name, *cells])
    return table(("population", *(f"lost most to, {n} rounds" for n in ROUNDS)), rows)


def _listed(events: Iterable[tuple[str, int]], size: int) -> str:
    most = sorted(events, key=lambda each: (-each[1], each[0]))[:_LISTED]
    return "; ".join(f"{why} ({_percent(count, size)})" for why, count in most) or "–"


def _lost(report: Report, outcomes: Outcomes, rounds: int) -> Counter[tuple[str, str]]:
    loops = [(loop.population, loop.seed, loop.lost_by) for loop in outcomes.loops]
    return lost(loops, report.ceiling.first, rounds)


def _percent(count: int, size: int) -> str:
    return f"{100 * count / size:.1f} %"


def kept(report: Report) -> str:
    """How many of our approvals list something for later."""
    parts = (f"{short(report.policies[n][2].kept)} at {n} rounds" for n in ROUNDS)
    return " and ".join(parts)
