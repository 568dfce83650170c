"""Draws the overhead of a round as a bar chart: `draw.py FILE.svg`, the numbers as JSON on stdin.

It runs in an environment that has matplotlib, which nothing else here needs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "loop-kit"

import matplotlib.pyplot as plt  # noqa: E402

_HEIGHT = 0.38


def draw(path: Path, quiet: Mapping[str, float], busy: Mapping[str, float]) -> None:
    """Draw the overhead of a round, in milliseconds, of each contender on both machines."""
    figure, axes = plt.subplots(figsize=(7, 2.6))
    names = list(quiet)[::-1]
    for shift, label, values in ((_HEIGHT / 2, "quiet", quiet), (-_HEIGHT / 2, "busy", busy)):
        places = [number + shift for number in range(len(names))]
        bars = axes.barh(
            places, [values[name] for name in names], _HEIGHT, label=f"{label} machine"
        )
        axes.bar_label(bars, fmt="%.0f ms", padding=3)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("overhead of a round, without its agents (ms)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), *json.load(sys.stdin))
