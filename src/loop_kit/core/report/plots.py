"""What each round took, as bars: money, tokens and minutes by role, and the size of the change."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from loop_kit.core.loop.attempts import all_attempts, total
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.loop.usage import AttemptRecord, Spent
from loop_kit.core.text.numbers import duration, short
from loop_kit.frozen import frozen

_MAX_WORDS = 12
"""The rounds whose numbers are read out; of more, the table has them."""

Values = Mapping[str, float]
"""The number of each series: of a role, or of source and tests."""


@frozen
class Bar:
    """A part of a round's bar, in hundredths of the picture."""

    series: str
    x: float
    y: float
    width: float
    height: float
    label: str


@frozen
class Plot:
    """One picture.

    Attributes:
        words: What it shows, for those who do not see it.
        most: The highest bar, in words.
        rounds: How many rounds it has.
    """

    title: str
    words: str
    most: str
    total: str
    series: Sequence[str]
    bars: Sequence[Bar]
    rounds: int


def plots(state: LoopState) -> list[Plot]:
    """The pictures for which there is something to show."""
    by_round = all_attempts(state)
    measures: Sequence[tuple[str, Callable[[Spent], float], Callable[[float], str]]] = (
        ("Money", _money, lambda value: f"{value:.2f} USD"),
        ("Tokens", _tokens, lambda value: short(round(value))),
        ("Time of agents", lambda used: used.agent_seconds, duration),
    )
    made = [
        _plot(title, {n: _by_role(a, measure) for n, a in by_round.items()}, words)
        for title, measure, words in measures
    ]
    sizes = {
        r.round: {"source": float(r.growth.source), "tests": float(r.growth.tests)}
        for r in state.history
        if r.growth is not None
    }
    made.append(_plot("Lines of the whole change", sizes, lambda v: str(round(v)), adds_up=False))
    return [plot for plot in made if plot is not None]


def _money(used: Spent) -> float:
    return (used.cost_usd or 0) + (used.estimated_cost_usd or 0)


def _tokens(used: Spent) -> float:
    return (used.tokens_in or 0) + (used.tokens_out or 0)


def _by_role(attempts: Iterable[AttemptRecord], measure: Callable[[Spent], float]) -> Values:
    listed = list(attempts)
    return {r.value: measure(total(one for one in listed if one.role is r)) for r in Role}


def _plot(
    title: str, rounds: Mapping[int, Values], words: Callable[[float], str], *, adds_up: bool = True
) -> Plot | None:
    sums = {number: sum(values.values()) for number, values in rounds.items()}
    most = max(sums.values(), default=0)
    if most <= 0:
        return None
    bars, width = [], 100 / len(rounds)
    for place, (number, values) in enumerate(rounds.items()):
        top = 100.0
        for series, value in values.items():
            height = 100 * value / most
            if height <= 0:
                continue
            top -= height
            label = f"Round {number}, {series.replace('_', ' ')}: {words(value)}"
            x, wide = round((place + 0.1) * width, 3), round(width * 0.8, 3)
            bars.append(Bar(series, x, round(top, 2), wide, round(height, 2), label))
    listed = ", ".join(f"round {n} {words(value)}" for n, value in sums.items())
    if len(sums) > _MAX_WORDS:
        listed = f"{len(sums)} rounds, at most {words(most)} each"
    whole = (
        f"{words(sum(sums.values()))} in all" if adds_up else f"{words([*sums.values()][-1])} now"
    )
    shown = list(dict.fromkeys(bar.series for bar in bars))
    return Plot(title, f"{title}: {listed}; {whole}", words(most), whole, shown, bars, len(rounds))
