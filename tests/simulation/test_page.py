"""docs/convergence.md is what its generator writes, of the code beside it."""

from __future__ import annotations

import re

import pytest
from tests import pages
from tests.simulation.page import (
    QUICK_BEGIN,
    QUICK_END,
    TEXT,
    behind,
    parameters,
    people,
    quick_table,
)
from tests.simulation.policies import RULES
from tests.simulation.report import ASSUMPTIONS, QUICK, ROUNDS, SETTINGS, compare, compared

NAME = "docs/convergence.md"


def test_the_few_loops_on_the_page_end_today_as_they_did() -> None:
    shown = pages.text(NAME).split(QUICK_BEGIN)[1].split(QUICK_END)[0].strip()

    assert shown == quick_table(compare(QUICK))


def test_the_page_has_every_part_of_its_text_and_every_table() -> None:
    parts = re.split(r"\{\w+\}", TEXT.read_text("utf-8"))
    page = pages.text(NAME)

    assert [part for part in parts if part not in page] == []
    assert parameters() in page
    assert people() in page


def test_the_page_says_in_what_the_engine_does_worse_than_the_toy() -> None:
    page = pages.text(NAME)
    of_toy = page.split("\n| measure |")[1].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in of_toy]

    assert f"The engine does worse in:\n\n{behind(rows)}\n\n" in page
    assert behind(rows).count("\n- ") >= 3


@pytest.mark.parametrize("rounds", ROUNDS)
def test_every_policy_is_compared_and_every_rule_left_out_once(rounds: int) -> None:
    page = pages.text(NAME)

    assert [p.name for p in compared(rounds) if f"\n| {p.name} |" not in page] == []
    assert [rule for rule in RULES if page.count(f"\n| without {rule} |") != len(ROUNDS)] == []


def test_every_setting_and_every_assumption_has_a_line() -> None:
    page = pages.text(NAME)
    lines = [*SETTINGS, *(f"`{each.name}` = {each.value:g}" for each in ASSUMPTIONS)]

    assert [line for line in lines if f"\n| {line} |" not in page] == []


def test_every_parameter_that_nobody_has_published_is_at_other_values_too() -> None:
    ours = re.findall(r"^\| \w+ \| `(\w+)` \|.*\[ours\] \|$", parameters(), re.MULTILINE)

    assert len(ours) > 20
    assert sorted({*ours} - {each.name for each in ASSUMPTIONS}) == []


def test_the_plots_are_beside_the_page() -> None:
    plots = re.findall(r'(?:src|srcset)="([\w-]+\.svg)"', pages.text(NAME))

    assert len(plots) == 2
    assert all((pages.ROOT / "docs" / plot).stat().st_size < 100_000 for plot in plots)
