"""The table of docs/security.md: what is promised in which mode, with the test that proves it."""

from __future__ import annotations

from tests.hostile.rows import BY_EVENTS, ROWS, promised

COLUMNS = (
    *("namespaces", "namespaces by sudo", "user namespace", "Landlock as root"),
    *("Landlock as a user", "none as root", "none as a user", "three jobs"),
)
SUITE = "tests/hostile/test_hostile.py"
AGENTS = "test_hostile_agents_break_nothing_that_is_promised"
EVENTS = "test_hostile_events_and_cards_break_nothing_that_is_promised"
FURTHER = {
    1: "tests/core/card/test_issue.py",
    2: "tests/core/card/test_scope.py",
    3: "tests/test_action_interface.py",
    4: "tests/e2e/test_issues_in_ci.py",
    5: "tests/e2e/test_rounds_in_ci.py",
    6: "tests/actions/test_events.py",
    7: "tests/e2e/test_pulls_in_ci.py",
    8: "tests/e2e/test_work_in_progress.py",
    9: "tests/e2e/test_hostile_agents_in_ci.py",
    10: "tests/e2e/test_files_of_the_job_in_ci.py",
    11: "tests/adapters/runner/test_outputs.py",
    12: "tests/e2e/test_own_process_in_ci.py",
    13: "tests/e2e/test_rooms_in_ci.py",
    14: "tests/adapters/workspaces/test_clones_hostile.py",
    15: "tests/engine/test_attempts.py",
    16: "tests/e2e/test_hostile_agents_in_ci.py",
    17: "tests/adapters/process/test_process.py",
    18: "tests/core/card/test_scope.py",
    19: "tests/e2e/test_poisoned_bundle.py",
    20: "tests/core/forge/test_live.py",
    21: "tests/core/loop/test_properties.py",
    22: "tests/actions/test_events.py",
    23: "tests/e2e/test_rooms_in_ci.py",
    24: "tests/core/card/test_task.py",
    25: "tests/adapters/process/test_process.py",
    26: "tests/e2e/test_homes_in_ci.py",
    27: "tests/core/text/test_plain_words.py",
    28: "tests/e2e/test_leaks_in_ci.py",
    29: "tests/test_patterns.py",
    30: "tests/actions/test_start_steered.py",
    31: "tests/usecases/test_ids_of_cards.py",
}
"""The file with the tests of one row in detail."""


def proof_of(row: int, mode: str) -> str:
    """The test that proves that a row holds in a mode, as pytest names it."""
    return EVENTS if row in BY_EVENTS else f"{AGENTS}[{mode}]"


def table() -> list[str]:
    """The lines of the table."""
    head = ["", *COLUMNS, "in detail"]
    rows = [_line(row) for row in ROWS]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows]


def _line(row: int) -> str:
    cells = [_cell(row, mode) for mode in COLUMNS]
    further = f"[tests](../{FURTHER[row]})" if row in FURTHER else "–"
    return f"| {ROWS[row]} | {' | '.join([*cells, further])} |"


def _cell(row: int, mode: str) -> str:
    if row not in promised(mode):
        return "–"
    return f'[holds](../{SUITE} "{proof_of(row, mode)}")'
