"""Tables and shares as the page writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.simulation.statistics import Estimate


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as Markdown has it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def short(share: Estimate) -> str:
    """A share without its interval."""
    return f"{100 * share.value:.1f} %"
