"""A round as a job: `loop action` in a checkout, against git and API servers on 127.0.0.1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.e2e.conftest import CARD, hosting

from benchmarks import measure

if TYPE_CHECKING:
    from benchmarks.contenders import Bench

_NO_FIX = {"decision": "approve", "summary": "right", "files_examined": ["calc.py"]}
_SCRIPT = {
    "scenes": [
        {
            "role": "worker",
            "round": 1,
            "steps": [
                {"edit": {"path": "calc.py", "find": "a - b", "replace": "a + b"}},
                {"commit": "Add"},
                {"report": {"notes": "done"}},
            ],
        },
        {
            "role": "reviewer",
            "round": 1,
            "steps": [{"report": {**_NO_FIX, "criteria": [{"id": "C1", "met": True}]}}],
        },
    ]
}
_CARD = {
    **{key: CARD[key] for key in ("task_id", "goal", "in_scope")},
    "acceptance_criteria": ["add(1, 2) is 3"],
}


def seconds(bench: Bench, turns: int, files: int) -> float:
    """The seconds of a job of one round whose agents take no time, in a checkout of that size."""
    found = []
    tree = {f"d{number // 100}/f{number}.txt": f"file {number}\n" for number in range(files)}
    for number in range(turns + 1):
        folder = bench.folder / f"jobs-{files}-{number}"
        folder.mkdir()
        found.append(_job(folder, tree, bench.ours))
    return median(found[1:])


def _job(folder: Path, tree: Mapping[str, str], ours: Path) -> float:
    with hosting(folder) as make:
        hub = make(_SCRIPT, _CARD, tree)
        place = hub.checkout()
        env = hub.environment({}, "mona", place)
        env |= {"GITHUB_WORKSPACE": str(place / "checkout"), "GITHUB_SHA": hub.bare.head("main")}
        log = place / "log"
        cost = measure.run([ours, "action"], place / "checkout", env, log)
        state = json.loads(hub.bare.file("loop/T-001/state", "state.json") or b"{}")
        if state.get("outcome") != "approved":
            raise measure.ProgramFailed(log.read_text("utf-8", "replace")[-2000:])
        return cost.wall
