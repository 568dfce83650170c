"""Which task cards are ready: pure rules over the cards, their loops and what has been merged.

A card is ready when no loop of its id exists, its own pull request was not merged, and those of
everything it depends on were. All others are listed with the reason. What cannot be
known (no token was given) never counts as merged.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.outcomes import Outcome, Phase
from loop_kit.core.loop.state import LoopState
from loop_kit.frozen import frozen

MAX_READY = 256
"""What GitHub takes in one matrix."""
_MAX_CIRCLE_NAMES = 8

_PERSON = {Outcome.NEEDS_HUMAN, Outcome.MAX_ROUNDS_EXHAUSTED}


@frozen
class CardAt:
    """A card and the path of its file, relative to the repository."""

    path: str
    card: TaskCard

    @property
    def task_id(self) -> str:
        """The id of the task."""
        return self.card.task_id


@frozen
class LoopStatus:
    """An existing loop in a plan: why its card is not to be started."""

    why: str
    is_over: bool = False

    @classmethod
    def of(cls, state: LoopState) -> "LoopStatus":
        """The status of the loop with this state."""
        if state.state is Phase.PAUSED:
            return cls("paused")
        if state.state is not Phase.DONE:
            return cls("running")
        if state.outcome is Outcome.APPROVED:
            return cls("done", is_over=True)
        if state.outcome in _PERSON:
            return cls("needs a person", is_over=True)
        return cls(f"ended with {state.outcome}: `/loop retry` continues it", is_over=True)

    @classmethod
    def unreadable(cls, why: str) -> "LoopStatus":
        """A loop whose state cannot be used."""
        return cls(f"its state cannot be read: {why}", is_over=True)


@frozen
class WaitingCard:
    """A card that is not to be started now."""

    path: str
    task_id: str
    why: str


@frozen
class RefusedCard:
    """A file that is not a usable card, or the whole folder, and one sentence why."""

    path: str
    why: str


@frozen
class Plan:
    """The cards to start, in this order, and all the others."""

    ready: tuple[CardAt, ...] = ()
    waiting: tuple[WaitingCard, ...] = ()
    refused: tuple[RefusedCard, ...] = ()


def task_ids_to_look_up(cards: Sequence[CardAt], loops: Mapping[str, LoopStatus]) -> frozenset[str]:
    """The task ids of which a plan must know whether they were merged: each costs a request."""
    new = [each for each in cards if each.task_id not in loops]
    named = (name for each in new for name in each.card.depends_on)
    return frozenset({*(each.task_id for each in new), *named})


def plan_cards(
    cards: Sequence[CardAt],
    loops: Mapping[str, LoopStatus],
    merged: Collection[str] | None,
) -> Plan:
    """The plan for `cards`.

    Args:
        cards: Every card that could be read.
        loops: The loops that exist, by task id, whether or not there is a card of theirs.
        merged: The task ids whose pull request was merged; None where no forge could be asked.
    """
    refused = tuple(_refusals(cards))
    paths = {each.path for each in refused}
    usable = sorted((each for each in cards if each.path not in paths), key=lambda at: at.path)
    ids = {each.task_id for each in cards}
    ordered, cycles = _order(usable, merged or ())
    ready: list[CardAt] = []
    waiting: list[WaitingCard] = []
    for each in ordered:
        why = _reason_to_wait(each, loops, merged, ids, cycles)
        if not why and len(ready) == MAX_READY:
            why = f"it is ready, but one plan starts at most {MAX_READY} cards"
        if why:
            waiting.append(WaitingCard(each.path, each.task_id, why))
        else:
            ready.append(each)
    return Plan(tuple(ready), tuple(waiting), refused)


def _refusals(cards: Sequence[CardAt]) -> Iterator[RefusedCard]:
    paths: dict[str, list[str]] = {}
    for each in cards:
        paths.setdefault(each.task_id, []).append(each.path)
    for each in sorted(cards, key=lambda at: at.path):
        same = sorted(paths[each.task_id])
        if len(same) > 1:
            others = f"{', '.join(same[:5])}{' and others' if len(same) > 5 else ''}"
            yield RefusedCard(each.path, f"{each.task_id} is the id of several cards: {others}.")


def _reason_to_wait(
    each: CardAt,
    loops: Mapping[str, LoopStatus],
    merged: Collection[str] | None,
    ids: Collection[str],
    cycles: Mapping[str, str],
) -> str | None:
    """Why the card is not to be started, or None."""
    done = merged or ()
    if each.task_id in done:
        return "done"
    if each.task_id in loops:
        return loops[each.task_id].why
    if each.task_id in cycles:
        return f"its dependencies run in a circle: {cycles[each.task_id]}"
    missing = [name for name in dict.fromkeys(each.card.depends_on) if name not in done]
    reasons = [
        _reason_of_missing(name, loops, ids, is_known=merged is not None) for name in missing
    ]
    return "; ".join(reasons) or None


def _reason_of_missing(
    name: str, loops: Mapping[str, LoopStatus], ids: Collection[str], *, is_known: bool
) -> str:
    """Why a dependency that is not known to be merged makes a card wait."""
    is_running = name in loops and not loops[name].is_over
    if not is_known and not is_running:
        return f"depends on {name}, of which it is unknown whether it is merged: give GITHUB_TOKEN"
    if name in loops or name in ids:
        return f"waits for {name}"
    return f"depends on {name}, of which there is no card and no merged pull request"


def _order(cards: Sequence[CardAt], merged: Collection[str]) -> tuple[list[CardAt], dict[str, str]]:
    """`cards` with dependencies before what needs them, and the circles they are in, by task id."""
    by_id = {each.task_id: each for each in cards}
    needs = {
        each.task_id: {n for n in each.card.depends_on if n in by_id and n not in merged}
        for each in cards
    }
    cycles: dict[str, str] = {}
    while True:
        sorter = TopologicalSorter(needs)
        try:
            sorter.prepare()
        except CycleError as error:
            circle = _normalize_circle(error.args[1][:-1])
            left = len(circle) - _MAX_CIRCLE_NAMES
            others = [f"({left} others)"] if left > 0 else []
            text = " -> ".join([*circle[:_MAX_CIRCLE_NAMES], *others, circle[0]])
            cycles.update(dict.fromkeys(circle, text))
            for name in circle:
                needs[name] = set()
        else:
            break
    ordered: list[CardAt] = []
    while sorter.is_active():
        level = sorter.get_ready()
        sorter.done(*level)
        ordered += sorted((by_id[name] for name in level), key=lambda at: at.path)
    return ordered, cycles


def _normalize_circle(found: Sequence[str]) -> list[str]:
    """A circle in the direction of `depends_on`, from its smallest id."""
    circle = list(reversed(found))
    start = circle.index(min(circle))
    return circle[start:] + circle[:start]
