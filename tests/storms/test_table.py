"""docs/reliability.md claims no more than the suites enumerate."""

from __future__ import annotations

from pathlib import Path

from tests.storms.table import KILLS, enumerated, is_stale, stated


def test_every_number_of_the_page_is_what_the_suites_enumerate(tmp_path: Path) -> None:
    found = enumerated(tmp_path)

    assert {*found, *KILLS.values()} <= set(stated())
    assert [why for why in (is_stale(*row) for row in found.items()) if why] == []
