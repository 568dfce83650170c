"""What the diagram of phases in docs/architecture.md shows: the table of the state machine."""

from loop_kit.core.loop.machine import TABLE
from loop_kit.core.loop.state import Phase


def moves() -> dict[tuple[str, str], list[str]]:
    """The events that lead from each phase to each other one."""
    found = {}
    for phase, row in TABLE.items():
        for target in Phase:
            events = [event.__name__ for event, (_, targets) in row.items() if target in targets]
            if events and target is not phase:
                found[phase.value, target.value] = events
    return found
