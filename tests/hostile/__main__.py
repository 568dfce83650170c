"""Attack an installed loop-kit, and print HOLDS or BREAKS for every row of the threat model.

    python -m tests.hostile --loop "$(which loop)"

Needs Linux and the checkout with its development tools; `make hostile` has both. Run as root it
attacks in a room of each kind and in none, else in those that an ordinary user can have. All
servers are on the loopback interface, all secrets are dummies, and nothing outside a temporary
folder is changed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from tests.hostile.agents import try_agents
from tests.hostile.events import try_events
from tests.hostile.rows import ROWS, Verdict, promised
from tests.hostile.scene import clean, modes, scene
from tests.support.programs import LOOP


def attack_in(mode: str, loop: Path, rows: Collection[int]) -> list[Verdict]:
    """What hostile agents find about these rows in one mode."""
    folder = Path(tempfile.mkdtemp(prefix="loop-kit-attack-"))
    try:
        with scene(loop, folder, mode) as made:
            return try_agents(made, rows)
    finally:
        clean(folder)


def attack_by_events(loop: Path) -> list[Verdict]:
    """What hostile events find, in any mode."""
    with tempfile.TemporaryDirectory(prefix="loop-kit-attack-") as name:
        return try_events(loop, Path(name))


def lines(found: dict[str, list[Verdict]]) -> list[str]:
    """One line for each row and mode, and a last one that counts."""
    rows = sorted((v.row, mode, v) for mode, verdicts in found.items() for v in verdicts)
    shown = [f"{row:2}  {mode:18} {_finding(mode, v)}" for row, mode, v in rows]
    broken = {row for row, mode, v in rows if not v.holds and row in promised(mode)}
    count = f"{len(ROWS) - len(broken)} of {len(ROWS)}"
    return [*shown, f"{count} rows hold in every mode in which they are promised."]


def _finding(mode: str, verdict: Verdict) -> str:
    text = ROWS[verdict.row]
    if verdict.holds:
        return f"HOLDS  {text}"
    unpromised = "" if verdict.row in promised(mode) else " (not promised here)"
    return f"BREAKS {text}{unpromised}: {verdict.why}"


def main() -> int:
    """Attack, print, and end with 1 when a row breaks where it is promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--loop", type=Path, default=LOOP, help="the program to attack")
    loop = parser.parse_args().loop.absolute()
    found = {mode: attack_in(mode, loop, ROWS) for mode in modes()}
    found["events"] = attack_by_events(loop)
    print("\n".join(lines(found)))
    broken = (
        not v.holds and v.row in promised(mode)
        for mode, verdicts in found.items()
        for v in verdicts
    )
    return int(any(broken))


if __name__ == "__main__":
    sys.exit(main())
