"""The transitions of a loop without the texts that the git server refuses."""

from collections.abc import Iterable, Mapping, Sequence

from loop_kit.adapters.git.commit_writer import Transition
from loop_kit.core.loop import bus
from loop_kit.core.loop.push_refusal import Place
from loop_kit.core.loop.withholding import Texts, texts_at, withhold


def withhold_places(
    transitions: Sequence[Transition], places: Iterable[Place]
) -> tuple[list[Transition], Texts]:
    """The transitions without the texts at these places, and those texts."""
    latest: dict[str, bytes | None] = {}
    for transition in transitions:
        latest |= transition.files
    texts = texts_at(latest, places) or None
    return [
        Transition(t.subject, withhold(bus.STATE, t.state, texts), withhold_all(t.files, texts))
        for t in transitions
    ], texts


def withhold_all(files: Mapping[str, bytes | None], texts: Texts) -> dict[str, bytes | None]:
    """The files without these texts."""
    return {n: c if c is None else withhold(n, c, texts) for n, c in files.items()}
