"""The table of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_BEGIN = "<!-- measured -->"
_END = "<!-- end -->"


@dataclass(frozen=True)
class Row:
    """One line: what was measured, what came out, and what was promised."""

    what: str
    measured: str
    bound: str


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = [f"| {row.what} | {row.measured} | {row.bound} |" for row in rows]
    return "\n".join(["| what | measured | bound |", "|---|---|---|", *lines]) + "\n"


def fill(page: Path, rows: Sequence[Row]) -> None:
    """Replace the table in a page of the documentation."""
    before, _, rest = page.read_text("utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_BEGIN}\n\n{markdown(rows)}\n{_END}{after}", "utf-8")
