"""docs/security.md promises what the hostile suite tries; each cell names a test that exists."""

from __future__ import annotations

import ast

import pytest
from tests.hostile import page, rows
from tests.hostile.__main__ import lines
from tests.hostile.scene import modes
from tests.pages import ROOT, section

HEADING = "What is promised, and what proves it"


def functions_in(path: str) -> set[str]:
    """The functions of a file."""
    body = ast.parse((ROOT / path).read_text("utf-8")).body
    return {each.name for each in body if isinstance(each, ast.FunctionDef)}


def test_the_table_on_the_page_is_that_of_the_suite() -> None:
    shown = [line for line in section("docs/security.md", HEADING).splitlines() if line[:1] == "|"]
    assert shown == page.table()


def test_every_cell_names_a_test_that_is_there() -> None:
    found = functions_in(page.SUITE)
    assert set(modes()) <= set(page.COLUMNS)
    for mode in page.COLUMNS:
        for row in rows.promised(mode):
            assert page.proof_of(row, mode).partition("[")[0] in found


@pytest.mark.parametrize("path", sorted(set(page.FURTHER.values())))
def test_the_tests_in_detail_are_there(path: str) -> None:
    assert [name for name in functions_in(path) if name.startswith("test_")]


def test_a_row_that_breaks_where_it_is_not_promised_is_no_failure() -> None:
    verdicts = [rows.Verdict(13, False, "home is open"), rows.Verdict(14, False, "a hook ran")]

    first, second, last = lines({"none as root": verdicts})

    assert first.endswith("cannot be read (not promised here): home is open")
    assert second.endswith("are never run: a hook ran")
    assert last == "30 of 31 rows hold in every mode in which they are promised."


def test_every_row_is_tried() -> None:
    tried = ast.parse((ROOT / "tests/hostile/agents.py").read_text("utf-8"))
    names = {node.name for node in ast.walk(tried) if isinstance(node, ast.FunctionDef)}
    agents = {int(name.removeprefix("row_")) for name in names if name.startswith("row_")}

    assert agents | {10, 29} | rows.BY_EVENTS == set(rows.ROWS)
