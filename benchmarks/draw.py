"""Draws bar charts: `draw.py FILE.svg [--dark]`, a list of charts as JSON on stdin.

A chart is an object: `label` names its axis, `format` its numbers, and `series` gives each bar by
the label of its series and by its own name. The charts are drawn side by side over the same names.
It runs in an environment that has matplotlib, which nothing else here needs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "loop-kit"

import matplotlib.pyplot as plt  # noqa: E402


def draw(path: Path, charts: Sequence[dict[str, Any]]) -> None:
    """Draw the charts side by side, with transparent paper."""
    names = list(next(iter(charts[0]["series"].values())))[::-1]
    bars = len(charts[0]["series"])
    height = 0.76 / bars
    size = (7 if len(charts) == 1 else 4.6 * len(charts), 0.5 + 0.35 * bars * len(names))
    figure, panels = plt.subplots(1, len(charts), figsize=size, sharey=True, squeeze=False)
    for axes, chart in zip(panels[0], charts, strict=True):
        for number, (label, values) in enumerate(chart["series"].items()):
            shift = height * ((bars - 1) / 2 - number)
            drawn = axes.barh(
                [row + shift for row in range(len(names))],
                [values[name] for name in names],
                height,
                label=label,
            )
            axes.bar_label(drawn, fmt=chart["format"], padding=3)
        axes.set_xlabel(chart["label"])
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.12)
    panels[0][0].set_yticks(range(len(names)), names)
    panels[0][-1].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None}, transparent=True)


if __name__ == "__main__":
    plt.style.use(["dark_background"] if "--dark" in sys.argv else [])
    draw(Path(sys.argv[1]), json.load(sys.stdin))
