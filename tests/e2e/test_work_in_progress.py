"""Work that was cut short stays on the work branch, and the next attempt continues there."""

from __future__ import annotations

import copy
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.harness import eventually
from tests.e2e.conftest import TWO_ROUNDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Hub, MakeHub

FIRST_HALF = {"edit": {"path": "calc.py", "find": "a - b", "replace": "a + b"}}
HANG: list[dict[str, Any]] = [{"hang": 600}]
DONE = {"report": {"notes": "finished what was begun", "files_changed": ["calc.py"]}}


def script(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> dict[str, Any]:
    """A loop whose worker needs two attempts in round 1."""
    scenes: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    attempts = [
        {"role": "worker", "round": 1, "attempt": 1, "steps": first},
        {"role": "worker", "round": 1, "attempt": 2, "steps": second},
    ]
    return {"scenes": [*attempts, *scenes["scenes"][1:]]}


def show(hub: Hub, path: str) -> str:
    content = hub.bare.file("loop/T-001/work", path)
    return content.decode() if content is not None else ""


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("committed", [True, False])
def test_a_worker_that_ran_out_of_time_is_continued_where_it_was(
    make_hub: MakeHub, committed: bool, depth: int
) -> None:
    begun = [FIRST_HALF, *([{"commit": "Half"}] if committed else []), *HANG]
    hub = make_hub(script(begun, [{"write": {"path": "more.txt", "text": "x\n"}}, DONE]))
    hub.depth = depth

    late = hub.job(task=".loop/task_card.json", dispatch_timeout="3")

    assert "timed out" in late.log, late.log
    assert hub.state()["outcome"] == "worker_timeout"
    assert "a + b" in show(hub, "calc.py")
    assert hub.state()["wip"]["sha"] == hub.bare.head("loop/T-001/work")
    again = hub.job(task_id="T-001")
    assert again.code == 0, again.log
    state = hub.state()
    assert (state["state"], state["round"]) == ("awaiting_work", 2)
    assert "wip" not in state
    assert show(hub, "more.txt") == "x\n"
    assert state["history"][0]["parent_sha"] == state["base_sha"]
    assert len(state["history"][0]["commits"]) == 2


def test_a_worker_that_had_only_to_report_is_no_noop(make_hub: MakeHub) -> None:
    hub = make_hub(script([FIRST_HALF, *HANG], [DONE]))
    hub.job(task=".loop/task_card.json", dispatch_timeout="3")
    done = hub.job(task_id="T-001")
    assert done.code == 0, done.log
    assert hub.state()["round"] == 2


def test_work_that_may_not_be_pushed_is_not_kept(make_hub: MakeHub) -> None:
    outside = {"write": {"path": "test_calc.py", "text": "print('fine')\n"}}
    hub = make_hub(script([outside, *HANG], [DONE]))
    late = hub.job(task=".loop/task_card.json", dispatch_timeout="3")
    assert hub.state()["outcome"] == "worker_timeout", late.log
    assert "wip" not in hub.state()
    assert hub.bare.head("loop/T-001/work") == hub.bare.head("main")


def test_a_cancelled_job_keeps_what_its_worker_had_done(make_hub: MakeHub, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    hub = make_hub(script([FIRST_HALF, {"run": ["touch", str(begun)]}, *HANG], [DONE]))
    jobs: list[Any] = []
    runner = threading.Thread(target=lambda: jobs.append(hub.job(task=".loop/task_card.json")))
    runner.start()
    eventually(begun.exists, "the worker's first half")
    cancel(hub)
    runner.join(60)
    assert hub.state()["outcome"] == "interrupted", jobs[0].log
    assert "a + b" in show(hub, "calc.py")
    assert hub.job(task_id="T-001").code == 0
    assert hub.state()["round"] == 2


def cancel(hub: Hub) -> None:
    """Send SIGINT to the job that is running, as a runner does."""
    for process in hub.running:
        process.send_signal(signal.SIGINT)
