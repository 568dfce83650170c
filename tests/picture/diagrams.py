"""The diagrams of docs/, and what each says to who cannot see it."""

from __future__ import annotations

from tests.core.loop import state_diagram
from tests.picture import floors, ladder
from tests.picture.ladder import Step

from loop_kit.core.loop.state import Phase

HOUSE = {
    "faces: read, call a use case, print": (
        ("cli/", "one file per command"),
        ("actions/", "the action"),
    ),
    "what a person or an event asks for": (("usecases/", "one for each"),),
    "wiring": (("bootstrap/", "names the adapters"),),
    "acts": (
        ("engine/", "one small method per effect"),
        ("adapters/", "git, processes, GitHub, agents"),
    ),
    "the map": (
        ("ports/", "a protocol per thing outside"),
        ("settings/", "each setting, and who says it"),
    ),
    "decides": (("core/", "loop, card, agent, briefing, forge, text, secrets, ci"),),
    "the ground": (
        ("errors.py", "exit code, sentence, remedy"),
        ("defaults/", "data only"),
    ),
}
_ROUND = ("Job", "State branch", "Work branch", "Agents")
_STEPS = (
    Step(0, 1, "push 1: lease, attempt"),
    Step(0, 2, "push 1: branch at the base tip"),
    Step(0, 3, "worker, in a fresh clone"),
    Step(0, 2, "push 2: its commits"),
    Step(0, 1, "push 2: its report"),
    Step(0, 3, "reviewer, in another fresh clone"),
    Step(0, 1, "push 3: verdict, what is to be posted"),
    Step(0, 0, "pull request, review"),
    Step(0, 1, "push 4: posted, next round, lease released"),
    Step(0, 0, "dispatch of the next round"),
)
_PHASES = tuple(phase.value for phase in Phase)
_MOVES = tuple(
    Step(_PHASES.index(source), _PHASES.index(target), ", ".join(events))
    for (source, target), events in state_diagram.moves().items()
)
WORDS = {
    "round": f"A round, step by step. {ladder.words(_ROUND, _STEPS)}.",
    "phases": f"The phases of a loop and the events between them. {ladder.words(_PHASES, _MOVES)}.",
    "house": f"The floors, each above those that it imports: {floors.words(HOUSE)}.",
}
PAGES = {
    "round": "docs/rounds.md",
    "phases": "docs/architecture.md",
    "house": "docs/architecture.md",
}


def diagram(name: str, theme: str) -> str:
    """One of the diagrams."""
    if name == "house":
        return floors.house(theme, HOUSE)
    if name == "round":
        return ladder.ladder(theme, _ROUND, _STEPS, 150)
    return ladder.ladder(theme, _PHASES, _MOVES, 140)


def shown(name: str) -> str:
    """How a page shows a diagram, by the theme of who reads it."""
    source = f"images/{name}"
    return (
        f'<picture>\n<source media="(prefers-color-scheme: dark)" srcset="{source}-dark.svg">\n'
        f'<img alt="{WORDS[name]}" src="{source}-light.svg">\n</picture>\n'
    )
