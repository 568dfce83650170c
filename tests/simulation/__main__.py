"""`make simulate`: run all loops, and write docs/convergence.md and its plots."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.__main__ import plot
from tests.simulation import page
from tests.simulation.experiment import processors
from tests.simulation.outcomes import Outcomes, of_population
from tests.simulation.populations import POPULATIONS
from tests.simulation.report import QUICK, Report, Scale, compare, compute

PAGE = Path(__file__).resolve().parents[2] / "docs" / "convergence.md"


def main() -> None:
    """Compute, write, draw."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="one that has matplotlib")
    parser.add_argument("--processes", type=int, help="all processors unless given")
    parser.add_argument("--loops", type=int, default=2000, help="of the mixture, for each policy")
    options = parser.parse_args()
    with processors(options.processes) as pool:
        report = compute(Scale.of(options.loops), pool, _say)
        _say("what a test runs again")
        quick = compare(QUICK, pool)
    page.write(PAGE, report, quick)
    for name, style in (("convergence.svg", ()), ("convergence-dark.svg", ("--dark",))):
        plot(options.python, PAGE.with_name(name), charts(report), *style)


def charts(report: Report) -> list[dict[str, object]]:
    """Right approvals and agent calls, population by population, at ten rounds."""
    before, after = report.policies[10][0], report.policies[10][2]
    named = {"max-rounds 10": before, "ours": after}

    def series(outcomes: Outcomes, scale: float, measure: str) -> dict[str, float]:
        parts = {each.name: of_population(outcomes, each.name) for each in POPULATIONS}
        return {name: scale * getattr(part, measure).value for name, part in parts.items()}

    shown = (("right approvals (%)", 100, "right_approvals"), ("agent calls", 1, "calls"))
    return [
        {
            "label": label,
            "format": "%.0f",
            "series": {name: series(each, scale, measure) for name, each in named.items()},
        }
        for label, scale, measure in shown
    ]


def _say(message: str) -> None:
    sys.stderr.write(f"simulate: {message}\n")


if __name__ == "__main__":
    main()
