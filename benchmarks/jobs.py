"""A round as a job: `loop action` in a checkout, against git and API servers on 127.0.0.1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from tests.e2e.conftest import hosting

from benchmarks import measure
from benchmarks.contenders import CARD, Bench


def seconds(bench: Bench, turns: int, files: int) -> float:
    """The seconds of a job of one round whose agents take no time, in a checkout of that size."""
    found = []
    tree = {f"d{number // 100}/f{number}.txt": f"file {number}\n" for number in range(files)}
    for number in range(turns + 1):
        folder = bench.folder / f"jobs-{files}-{number}"
        folder.mkdir()
        found.append(_job(bench, folder, tree))
    return median(found[1:])


def _job(bench: Bench, folder: Path, tree: Mapping[str, str]) -> float:
    agent = str(bench.agent(1))
    with hosting(folder) as make:
        hub = make(card=CARD, files={"work.txt": "round 0\n", **tree})
        place = hub.checkout()
        inputs = {"worker-command": agent, "reviewer-command": agent, "evidence": "lenient"}
        backends = {"worker-backend": "command", "reviewer-backend": "command"}
        env = hub.environment({**inputs, **backends}, "mona", place)
        env |= {"GITHUB_WORKSPACE": str(place / "checkout"), "GITHUB_SHA": hub.bare.head("main")}
        log = place / "log"
        cost = measure.run([bench.ours, "action"], place / "checkout", env, log)
        state = json.loads(hub.bare.file("loop/T-001/state", "state.json") or b"{}")
        if state.get("outcome") != "approved":
            raise measure.ProgramFailed(log.read_text("utf-8", "replace")[-2000:])
        return cost.wall
