"""The numbers of docs/reliability.md: what the page says, and what the suites enumerate."""

from __future__ import annotations

import re
from pathlib import Path

from tests import pages
from tests.cli.test_migration import LOOPS
from tests.e2e import test_cancelled_jobs
from tests.engine.test_crashes import count_calls
from tests.storms import test_soak, test_thousand_loops
from tests.storms.test_layouts import LAYOUTS, VERSIONS

PAGE = "docs/reliability.md"
CALLS = "the engine dies before or after a call of a port, over fakes"
RACES = "six runs enter a loop at once, after a death at any call"
CANCELS = "a job is cancelled or shut down, during each push, dispatch, verify and post"
LEFT = "a loop that version 0.1.0 or agent-task-runner 0.3 has left is continued"
ROUNDS = "rounds of one loop on a laptop"
SWEPT = "loops in one repository that a sweep looks at"
KILLS = {
    "locally": "`loop run` is killed before, in or after an effect or a write",
    "in one job": "`loop action` is killed, in one job",
    "in three jobs": "`loop action` is killed, in three jobs",
}


def stated() -> dict[str, int]:
    """How often the page says that each thing was tried."""
    rows = re.findall(r"^\| (.+?) \| (\d+) \w+ \| ", pages.text(PAGE), re.MULTILINE)
    return {what: int(number) for what, number in rows}


def enumerated(folder: Path) -> dict[str, int]:
    """How often it is, but for the kills of processes: those are counted where they are made."""
    in_ci = count_calls(folder, local=False)
    verified = count_calls(folder, local=False, verify=("a.py",))
    cancels = [name for name in vars(test_cancelled_jobs) if name.startswith("test_")]
    return {
        CALLS: in_ci + verified + count_calls(folder, local=True),
        RACES: in_ci + verified + 2,
        CANCELS: len(cancels),
        LEFT: len(LOOPS) + sum(len(list((LAYOUTS / name).iterdir())) for name in VERSIONS),
        ROUNDS: test_soak.ROUNDS,
        SWEPT: test_thousand_loops.LOOPS,
    }


def is_stale(what: str, found: int) -> str:
    """Why the page has to be changed for what was found; "" when it has not."""
    says = stated()[what]
    return "" if says <= found < 1.25 * says else f"{PAGE} says {says}, not {found}: {what}"
