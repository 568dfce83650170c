"""How often a job asks GitHub, and how often it pushes: the bounds that the design promises."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.e2e.conftest import APPROVED, REPOSITORY, SENT_BACK, Hub, MakeHub
from tests.e2e.events import labelled
from tests.e2e.test_issues_in_ci import opened
from tests.e2e.test_sweep_in_ci import sweep_commands

if TYPE_CHECKING:
    from tests.support.git_repository import BareRepository


def raised(line: int, reason: str, *fixed: str) -> dict[str, Any]:
    """A review that raises one finding, and disposes of others."""
    issue = {**SENT_BACK["blocking_issues"][0], "line": line, "reason": reason}
    disposed = [{"id": id_, "status": "fixed"} for id_ in fixed]
    return {**SENT_BACK, "blocking_issues": [issue], "dispositions": disposed}


def edited(round_: int, find: str, replace: str) -> dict[str, Any]:
    """A worker that makes one commit."""
    edit = {"edit": {"path": "calc.py", "find": find, "replace": replace}}
    report = {"report": {"notes": "Fix", "files_changed": ["calc.py"]}}
    return {"role": "worker", "round": round_, "steps": [edit, {"commit": "Fix"}, report]}


def reviewed(round_: int, report: dict[str, Any]) -> dict[str, Any]:
    """A reviewer with that report."""
    return {"role": "reviewer", "round": round_, "steps": [{"report": report}]}


THREE_ROUNDS = {
    "scenes": [
        *(edited(1, "a - b", "a + b"), reviewed(1, raised(5, "double triples"))),
        *(edited(2, "a * 3", "a * 2"), reviewed(2, raised(2, "add has no words", "F1"))),
        edited(3, "a + b", "b + a"),
        reviewed(3, {**APPROVED, "dispositions": [{"id": "F2", "status": "fixed"}]}),
    ]
}


def test_a_steady_round_asks_twelve_times_an_approving_one_fourteen_and_each_pushes_four_times(
    make_hub: MakeHub,
) -> None:
    hub = make_hub(script=THREE_ROUNDS)
    hub.job(event=labelled(opened(hub)))
    hub.api.repository(REPOSITORY).label("loop:approved").color = "0e8a16"
    counts = []
    for _ in range(2):
        asked, pushed = len(hub.api.requests), len(hub.git.pushes)
        job = hub.continued()
        counts.append((len(hub.api.requests) - asked, len(hub.git.pushes) - pushed))
    assert job.outputs["outcome"] == "approved", job.log
    (steady, _), (approving, _) = counts
    assert (steady <= 12, approving <= 14, counts[0][1], counts[1][1]) == (True, True, 4, 4), counts


def crowd(bare: BareRepository, runs: Sequence[int]) -> None:
    """Add two hundred loops: most are over, many wait for a person, `runs` work on the others."""
    main, at, stream = bare.head("main") or "", int(time.time()) - 7 * 24 * 3600, []
    for number in range(200):
        state: dict[str, Any] = {"state": "done", "outcome": "approved"}
        if number < len(runs):
            lease = {"holder": "x", "run_id": str(runs[number])}
            state = {"state": "awaiting_work", "lease": lease, "card_sha256": "c" * 64}
        elif number < 100:
            state = {"state": "done", "outcome": "needs_human", "resume_phase": "awaiting_work"}
        document = {
            "schema_version": 2,
            "seq": 9,
            "task_id": f"X-{number:03}",
            "round": 1,
            "base_sha": main,
            "start_sha": main,
            "publishes": True,
            "pull_request": 900 + number,
            **state,
        }
        content = json.dumps(document)
        stream += [
            f"commit refs/heads/loop/X-{number:03}/state\ncommitter S <s@example.com> {at} +0000\n",
            f"data 1\nx\nM 100644 inline state.json\ndata {len(content)}\n{content}\n\n",
        ]
    bare.git("fast-import", "--quiet", stdin="".join(stream).encode())


def test_a_sweep_of_two_hundred_loops_fetches_once_and_asks_about_all_reviews_at_once(
    hub: Hub,
) -> None:
    runs = (4001, 4002)
    for run in runs:
        hub.api.set_run("octo/demo", run, "in_progress", None, 1)
    crowd(hub.bare, runs)
    job, commands = sweep_commands(hub)

    assert job.code == 0, job.log
    assert "200 loops: 2 left alone, 198 need nothing." in job.log, job.log
    assert (commands.count("ls-refs"), commands.count("fetch")) == (1 + 1, 1)
    asked = sorted(r.path.rpartition("/repos/octo/demo")[2] for r in hub.api.requests)
    assert asked == ["/actions/runs/4001", "/actions/runs/4002", "/graphql"]
