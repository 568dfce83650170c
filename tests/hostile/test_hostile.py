"""What is promised about hostile agents and events holds, through the real `loop action`."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.hostile.__main__ import attack_by_events, attack_in
from tests.hostile.rows import BY_EVENTS, Verdict, promised
from tests.hostile.scene import modes
from tests.support.programs import LOOP

pytestmark = pytest.mark.timeout(300)


def broken(verdicts: Iterable[Verdict], rows: Iterable[int]) -> list[Verdict]:
    """Those of `rows` that do not hold, or that nobody tried."""
    tried = {verdict.row: verdict for verdict in verdicts}
    untried = Verdict(0, False, "not tried")
    return [found for row in rows if not (found := tried.get(row, untried)).holds]


@pytest.mark.parametrize("mode", modes())
def test_hostile_agents_break_nothing_that_is_promised(mode: str) -> None:
    rows = sorted(promised(mode) - BY_EVENTS)
    assert broken(attack_in(mode, LOOP, rows), rows) == []


def test_hostile_events_and_cards_break_nothing_that_is_promised() -> None:
    assert broken(attack_by_events(LOOP), sorted(BY_EVENTS)) == []
