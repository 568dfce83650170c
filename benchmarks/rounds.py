"""How much a round costs, beside agent-task-runner and the bare script, as medians of ratios.

The contenders run in turn, so that a machine that gets slower is slower for all of them; each
ratio is of runs that followed one another. A round is what a run of `MANY` rounds takes longer than
one of a single round; its overhead is what is left of it without the agents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks import measure
from benchmarks.contenders import NAMES, Bench, prepare
from benchmarks.measure import Calls, Cost

MANY = 6
OURS, PEER, SCRIPT, AGENTS = NAMES


@dataclass(frozen=True)
class Sample:
    """What one turn of a contender cost: a whole run of one round, and each round of many."""

    single: Cost
    round: Cost


Turn = dict[str, Sample]


def turns(bench: Bench, count: int, say: Callable[[str], None], files: int = 10) -> list[Turn]:
    """Let every contender run `count` times, in turn; one more that does not count comes first."""
    found = []
    for number in range(count + 1):
        say(f"turn {number} of {count}, repositories of {files} files")
        found.append({name: _sample(bench, name, files) for name in NAMES})
    return found[1:]


def overhead_ratio(turns: list[Turn], other: str) -> float:
    """The overhead of a round beside `other`'s."""
    return median(_overhead(turn, OURS) / _overhead(turn, other) for turn in turns)


def overhead(turns: list[Turn], name: str) -> float:
    """The overhead of a round in milliseconds."""
    return median(_overhead(turn, name) for turn in turns) * 1000


def cpu_ratios(turns: list[Turn]) -> tuple[float, float]:
    """CPU seconds beside the peer's: of one round more, and of a run of one round."""
    rounds = median(turn[OURS].round.cpu / turn[PEER].round.cpu for turn in turns)
    return rounds, median(turn[OURS].single.cpu / turn[PEER].single.cpu for turn in turns)


def cold_ratio(turns: list[Turn]) -> float:
    """The seconds of a run of one round, started cold, beside the peer's."""
    return median(turn[OURS].single.wall / turn[PEER].single.wall for turn in turns)


def growth(small: list[Turn], large: list[Turn], name: str) -> float:
    """How much longer a round takes in the large repository, the agents left out."""
    return median(_overhead(turn, name) for turn in large) / median(
        _overhead(turn, name) for turn in small
    )


def calls(bench: Bench, name: str) -> Calls | None:
    """What one round more starts and syncs, without what the agents do."""
    found = [_calls(bench, who, rounds) for who in (name, AGENTS) for rounds in (1, MANY)]
    if any(one is None for one in found):
        return None
    first, many, agents_first, agents_many = (one for one in found if one is not None)
    rest = MANY - 1

    def of_round(pick: Callable[[Calls], int]) -> int:
        return round((pick(many) - pick(first) - pick(agents_many) + pick(agents_first)) / rest)

    return Calls(
        of_round(lambda one: one.processes),
        of_round(lambda one: one.git),
        of_round(lambda one: one.syncs),
    )


def measured(turns: list[Turn]) -> Iterator[tuple[str, float]]:
    """The overhead of a round of each contender that has one, in milliseconds."""
    for name in (OURS, PEER, SCRIPT):
        yield name, overhead(turns, name)


def _sample(bench: Bench, name: str, files: int) -> Sample:
    single, many = (_cost(bench, name, rounds, files) for rounds in (1, MANY))
    return Sample(single, (many - single) / (MANY - 1))


def _cost(bench: Bench, name: str, rounds: int, files: int) -> Cost:
    run = prepare(bench, name, rounds, files)
    return measure.run(run.argv, run.cwd, run.env, run.log)


def _calls(bench: Bench, name: str, rounds: int) -> Calls | None:
    run = prepare(bench, name, rounds)
    return measure.count_calls(run.argv, run.cwd, run.env, run.log)


def _overhead(turn: Turn, name: str) -> float:
    return max(turn[name].round.wall - turn[AGENTS].round.wall, 1e-4)
