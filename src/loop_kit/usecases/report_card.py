"""The card of a loop as a person has it now, to compare it with the frozen one."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from loop_kit.core.card.issue import find_card as card_in_body
from loop_kit.core.card.issue_sections import Origin
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.state import LoopState, Source
from loop_kit.errors import LoopError
from loop_kit.ports.forge import Forge
from loop_kit.usecases.local_files import find_card, load_card


def card_now(state: LoopState, frozen: bytes, cards: Iterator[TaskCard]) -> bytes | None:
    """The first of `cards` that is the loop's, in the form of the frozen one where none differs."""
    for card in cards:
        if card.task_id == state.task_id:
            return frozen if card.sha256 == state.card_sha256 else card.to_json()
    return None


def cards_in_tree(state: LoopState, root: Path, folder: Path) -> Iterator[TaskCard]:
    """The cards in the user's tree that a loop may be about; none where it came from the forge."""
    places = dict.fromkeys((state.source.ref, state.task_id, ""))
    for place in places if state.source.kind == "file" else ():
        with suppress(LoopError):
            yield load_card(find_card(root, folder, place))


def cards_on_forge(state: LoopState, forge: Forge) -> Iterator[TaskCard]:
    """The card in the issue or the pull request of a loop; none where it cannot be read."""
    with suppress(LoopError):
        yield from _found(state.source, forge)


def _found(source: Source, forge: Forge) -> Iterator[TaskCard]:
    if source.issue:
        issue = forge.issue(source.issue)
        origin = Origin("issue", source.issue, issue.title if issue else "")
        card = card_in_body(issue.body, origin) if issue else None
    elif source.pull:
        pull = forge.pull(source.pull)
        card = (
            card_in_body(pull.body, Origin("pull request", source.pull, pull.title))
            if pull
            else None
        )
    else:
        return
    if card is not None:
        yield card
