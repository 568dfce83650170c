"""H. The lock, heartbeats and health."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from tests.cli.harness import Repo, assert_refused, ended_by, eventually, is_alive, read_until
from tests.seed.helpers import STUCK, content, finished, person, reached
from tests.support.programs import LOOP


def test_a_second_run_is_refused_and_touches_nothing(repo: Repo) -> None:
    repo.plan({"worker/1/1": STUCK})
    process = repo.start()
    reached(repo, process)
    before = content(repo.folder)
    for flags in ((), ("--resume",), ("--single-round", "--round", "1")):
        assert_refused(repo.run(*flags), 5, "already running")
    assert content(repo.folder) == before
    assert process.poll() is None


def test_a_removed_lock_file_lets_no_second_run_in(repo: Repo) -> None:
    repo.plan({"worker/1/1": STUCK})
    process = repo.start()
    reached(repo, process)
    (repo.folder / "lock").unlink()
    assert_refused(repo.run(), 5, "already running")
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_starts_when_the_one_before_was_ended(repo: Repo, number: signal.Signals) -> None:
    repo.plan({"worker/1/1": STUCK})
    process = repo.start()
    agent = reached(repo, process)
    ended_by(process, number)
    assert process.returncode == (-9 if number is signal.SIGKILL else 130)
    repo.open("stuck")
    eventually(lambda: not is_alive(agent), "the end of the agent")
    repo.plan({})
    assert repo.run().code == 0
    assert repo.ended == ("done", "approved")


def test_a_run_starts_when_the_one_before_came_to_its_end(repo: Repo) -> None:
    assert repo.run().code == 0
    repo.plan({"worker": [{"write": {"calc.py": "VALUE = 5\n"}}, {"report": {}}]})
    assert repo.run().code == 0


def beat(repo: Repo, role: str, age: float = 0) -> None:
    path = repo.folder / "runtime" / f"{role}.heartbeat.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"role": role, "pid": 4242}), "utf-8")
    os.utime(path, (time.time() - age, time.time() - age))


def test_roles_without_a_heartbeat_are_dead(repo: Repo) -> None:
    result = repo.loop("health")
    assert result.code == 0
    assert [line.split() for line in result.out.splitlines()] == [
        ["worker:", "dead", "(missing)"],
        ["reviewer:", "dead", "(missing)"],
    ]


def test_a_fresh_heartbeat_is_alive_and_an_old_one_is_stale(repo: Repo) -> None:
    beat(repo, "worker", age=5)
    beat(repo, "reviewer", age=50)
    worker, reviewer = repo.loop("health").out.splitlines()
    assert worker.split()[:2] == ["worker:", "alive"]
    assert "pid=4242" in worker
    assert reviewer.split()[:2] == ["reviewer:", "dead"]
    assert "stale" in reviewer
    worker, reviewer = repo.loop("health", "--ttl", "3").out.splitlines()
    assert "stale" in worker
    worker, reviewer = repo.loop("health", "--ttl", "99").out.splitlines()
    assert "alive" in reviewer


def test_a_heartbeat_from_the_future_is_as_good_as_new(repo: Repo) -> None:
    beat(repo, "worker", age=-500)
    assert "age=0.0s" in repo.loop("health", "--ttl", "0").out.splitlines()[0]


def test_the_heartbeat_command_keeps_a_role_alive_until_it_is_ended(repo: Repo) -> None:
    process = repo.launch([LOOP, "heartbeat", "--role", "reviewer", "--interval", "1"])
    path = repo.folder / "runtime" / "reviewer.heartbeat.json"
    eventually(path.exists, "the first beat")
    assert f"pid={process.pid}" in repo.loop("health").out.splitlines()[1]
    ended_by(process, signal.SIGINT)
    assert process.returncode == 0


@pytest.mark.parametrize("age", [None, 50])
def test_a_required_heartbeat_that_is_missing_or_stale_stops_the_wait_at_once(
    repo: Repo, age: float | None
) -> None:
    if age is not None:
        beat(repo, "worker", age)
    result = repo.loop("run", "--require-heartbeat", "--heartbeat-ttl", "20")
    assert result.code == 2, result.text
    assert repo.ended == ("done", "worker_timeout")
    assert "heartbeat" in repo.state["error"]
    assert "heartbeat" in result.text


def test_a_required_heartbeat_is_asked_of_each_role_in_its_turn(repo: Repo) -> None:
    beat(repo, "worker")
    process = repo.start("--require-heartbeat", "--heartbeat-ttl", "600", auto=False)
    read_until(process, "Tell the Worker")
    (repo.root / "calc.py").write_text("VALUE = 1\n", "utf-8")
    repo.git("commit", "--quiet", "--all", "-m", "Work")
    person(repo, "work_report.json", round=1, head_sha="x")
    text = finished(process)
    assert process.returncode == 2, text
    assert repo.ended == ("done", "reviewer_timeout")
    assert "heartbeat" in repo.state["error"]


def test_an_agent_that_is_dispatched_has_its_heartbeat_kept_for_it(repo: Repo) -> None:
    repo.plan({"worker/1/1": STUCK})
    reached(repo, repo.start("--require-heartbeat"))
    path = repo.folder / "runtime" / "worker.heartbeat.json"
    eventually(path.exists, "the heartbeat")
    beats = json.loads(path.read_text("utf-8"))
    assert (beats["task_id"], beats["round_num"], beats["role"]) == ("T-001", 1, "worker")
    worker, reviewer = repo.loop("health").out.splitlines()
    assert "alive" in worker
    assert "dead" in reviewer
