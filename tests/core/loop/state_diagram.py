"""The state diagram in docs/architecture.md, drawn from the table of the state machine.

`.venv/bin/python -m tests.core.loop.state_diagram` writes it again after the table was changed.
"""

import re
from pathlib import Path

from loop_kit.core.loop.machine import TABLE
from loop_kit.core.loop.state import Phase

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"
_BLOCK = re.compile(r"(?<=```mermaid\n)stateDiagram-v2\n.*?(?=```)", re.DOTALL)
_ARROW = re.compile(r"^ +(\w+) --> (\w+): (.+)$", re.MULTILINE)


def draw() -> str:
    """The diagram; events that leave the phase as it is are left out."""
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    for phase, row in TABLE.items():
        for target in Phase:
            events = [event.__name__ for event, (_, targets) in row.items() if target in targets]
            if events and target is not phase:
                lines.append(f"    {phase} --> {target}: {', '.join(events)}")
    return "\n".join([*lines, "    done --> [*]"]) + "\n"


def published() -> str:
    """The diagram in the page."""
    found = _BLOCK.search(PAGE.read_text("utf-8"))
    assert found, f"{PAGE.name} has no state diagram"
    return found[0]


def arrows() -> set[tuple[str, str, str]]:
    """The arrows in the page: from a phase, by an event, to a phase."""
    found = _ARROW.findall(published())
    return {(source, event, to) for source, to, label in found for event in label.split(", ")}


if __name__ == "__main__":
    PAGE.write_text(_BLOCK.sub(lambda _: draw(), PAGE.read_text("utf-8")), "utf-8")
