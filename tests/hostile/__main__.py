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
from tests.hostile.rows import ROWS, Verdict
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
    shown = [
        f"{row:2}  {mode:18} {'HOLDS ' if v.holds else 'BREAKS'} {ROWS[row]}"
        + ("" if v.holds else f": {v.why}")
        for row, mode, v in rows
    ]
    broken = {row for row, _, v in rows if not v.holds}
    return [*shown, f"{len(ROWS) - len(broken)} of {len(ROWS)} rows hold in every mode."]


def main() -> int:
    """Attack, print, and end with 1 when a row breaks."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--loop", type=Path, default=LOOP, help="the program to attack")
    loop = parser.parse_args().loop.absolute()
    found = {mode: attack_in(mode, loop, ROWS) for mode in modes()}
    found["events"] = attack_by_events(loop)
    print("\n".join(lines(found)))
    return int(not all(v.holds for verdicts in found.values() for v in verdicts))


if __name__ == "__main__":
    sys.exit(main())
