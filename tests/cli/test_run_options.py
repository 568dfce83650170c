"""Flags and settings of `loop run` that users of agent-task-runner know, and what they do here."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from tests.cli.harness import (
    SENT_BACK,
    TWO_ROUNDS,
    Repo,
    Steps,
    agents_of,
    assert_refused,
    eventually,
)

THREAD = "0199a213-81c0-7800-8aa1-bbab2a035a53"
STARTED = {"say": {"type": "thread.started", "thread_id": THREAD}}
WORK: Steps = [{"write": {"calc.py": "VALUE = 2\n"}}, {"commit": "Value"}, {"report": {}}]


def beat(repo: Repo, role: str, age: float = 0) -> None:
    path = repo.folder / "runtime" / f"{role}.heartbeat.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    then = time.time() - age
    os.utime(path, (then, then))


def test_nobody_is_waited_for_without_a_heartbeat(repo: Repo) -> None:
    result = repo.loop("run", "--require-heartbeat")
    assert result.code == 2
    assert repo.ended == ("done", "worker_timeout")
    assert "loop heartbeat --role worker" in repo.state["error"]


def test_a_stale_heartbeat_is_none(repo: Repo) -> None:
    beat(repo, "worker", age=100)
    assert repo.loop("run", "--require-heartbeat", "--heartbeat-ttl", "50").code == 2
    assert "stale" in repo.state["error"]


def test_a_reviewer_without_a_heartbeat_ends_the_wait_for_the_review(repo: Repo) -> None:
    beat(repo, "worker", age=-3600)
    process = repo.start("--require-heartbeat", auto=False)
    state = repo.folder / "state.json"
    eventually(lambda: state.exists() and "attempt" in repo.state, "the worker is asked")
    (repo.root / "calc.py").write_text("VALUE = 2\n")
    repo.git("commit", "--quiet", "--all", "-m", "Work")
    report = {"task_id": "T-001", "round": 1, "head_sha": repo.head}
    (repo.folder / "work_report.json").write_text(json.dumps(report))
    process.communicate(timeout=30)
    assert repo.ended == ("done", "reviewer_timeout")
    assert repo.state["head_sha"] == repo.head


def test_dispatched_agents_have_a_heartbeat_while_they_run(repo: Repo) -> None:
    seen = repo.fake / "seen.json"
    beating = f"until cp {repo.folder}/runtime/worker.heartbeat.json {seen}; do sleep 0.05; done"
    repo.plan({"worker": [{"sh": beating}, *WORK]})
    assert repo.run("--require-heartbeat", "--heartbeat-ttl", "2").code == 0
    said = json.loads(seen.read_text())
    assert (said["role"], said["task_id"], said["round_num"]) == ("worker", "T-001", 1)
    assert said["timestamp"]


@pytest.mark.parametrize("ttl", ["0", "-1", "nan", "x"])
def test_a_time_to_live_that_is_none_is_refused(repo: Repo, ttl: str) -> None:
    result = repo.loop("run", "--require-heartbeat", f"--heartbeat-ttl={ttl}")
    assert result.code in {2, 3}
    assert "Traceback" not in result.text
    assert not (repo.folder / "state.json").exists()


def test_a_session_is_taken_up_again_in_the_next_round(repo: Repo) -> None:
    repo.plan({"worker": [STARTED, *WORK], "worker/2": [STARTED, *_other(3)], **TWO_ROUNDS})
    result = repo.run()
    assert result.code == 0, result.text
    first, second = agents_of(repo, "worker")
    assert "resume" not in first.argv
    assert second.argv[-3:] == ["resume", THREAD, "-"]
    assert "VALUE is wrong" in second.stdin
    assert result.out.count(f"Session: {THREAD}") == 1
    statuses = [e["data"]["status"] for e in repo.feed() if e["event"] == "dispatch_resume"]
    assert statuses == ["resume_miss", "resume_miss", "resume_hit", "resume_miss"]


def _other(value: int) -> Steps:
    return [{"write": {"calc.py": f"VALUE = {value}\n"}}, {"commit": "More"}, {"report": {}}]


def test_a_session_is_rotated_after_max_session_rounds(repo: Repo) -> None:
    repo.plan({"worker": [STARTED, *WORK], "worker/2": [STARTED, *_other(3)], **TWO_ROUNDS})
    assert repo.run("--max-session-rounds", "1").code == 0
    assert "resume" not in agents_of(repo, "worker")[1].argv
    statuses = [e["data"]["status"] for e in repo.feed() if e["event"] == "dispatch_resume"]
    assert statuses[2] == "resume_rotated"


def test_a_session_that_is_gone_is_replaced_without_a_pause(repo: Repo) -> None:
    gone: Steps = [{"stderr": "no rollout found"}, {"exit": 1}]
    repo.plan(
        {"worker": [STARTED, *WORK], "worker/2/1": gone, "worker/2/2": _other(3), **TWO_ROUNDS}
    )
    result = repo.run("--dispatch-retry-base-sec", "60", "--dispatch-retries", "0")
    assert result.code == 0, result.text
    assert repo.names == ["worker/1/1", "reviewer/1/1", "worker/2/1", "worker/2/2", "reviewer/2/1"]
    assert "the session is gone" in result.out


def test_a_session_of_another_backend_is_not_taken_up(repo: Repo) -> None:
    repo.plan({"worker": [STARTED, *WORK], "worker/2": _other(3), **TWO_ROUNDS})
    assert repo.run("--max-rounds", "1").code == 7
    assert repo.run("--resume", "--max-rounds", "2", "--worker-backend", "claude").code == 0
    argv = agents_of(repo, "worker")[1].argv
    assert "--resume" not in argv
    assert THREAD not in argv


def test_reset_removes_what_an_earlier_run_left_and_keeps_card_and_archive(repo: Repo) -> None:
    repo.plan({"reviewer": SENT_BACK})
    assert repo.run("--max-rounds", "1").code == 7
    card = (repo.folder / "task_card.json").read_bytes()
    for name in ("summary.json", ".state.json.bak", "work_report.json"):
        (repo.folder / name).write_text("stale")
    repo.plan({"worker": _other(5)})
    result = repo.run("--reset")
    assert result.code == 0, result.text
    assert "starting a new one" not in result.err
    assert repo.json("summary.json")["rounds"] == 1
    assert not (repo.folder / ".state.json.bak").exists()
    assert (repo.folder / "task_card.json").read_bytes() == card
    assert (repo.folder / "archive" / "T-001" / "r1_review_report.json").exists()


def test_reset_is_for_the_folder_that_is_named(repo: Repo) -> None:
    assert repo.run("--max-rounds", "1").code == 0
    repo.card("other/task_card.json")
    before = (repo.folder / "state.json").read_bytes()
    repo.plan({"worker": _other(5)})
    assert repo.run("--reset", "--loop-dir", "other").code == 0
    assert (repo.folder / "state.json").read_bytes() == before


def test_reset_leaves_the_state_alone_when_the_run_is_refused(repo: Repo) -> None:
    assert repo.run().code == 0
    before = (repo.folder / "state.json").read_bytes()
    repo.card(surprise=1)
    assert_refused(repo.run("--reset"), 3, "surprise")
    assert (repo.folder / "state.json").read_bytes() == before


def test_reset_does_not_take_the_lock_from_another_run(repo: Repo) -> None:
    repo.plan({"worker": [{"gate": "busy"}, *WORK]})
    running = repo.start()
    repo.reached("busy")
    assert_refused(repo.run("--reset"), 5, "already running")
    assert repo.state["state"] == "awaiting_work"
    repo.open("busy")
    running.communicate(timeout=30)
    assert repo.ended == ("done", "approved")


def test_reset_and_resume_contradict_each_other(repo: Repo) -> None:
    assert_refused(repo.run("--reset", "--resume"), 3, "contradict")


def without(repo: Repo, name: str, folder: Path) -> dict[str, str]:
    """A PATH on which there is everything but one backend."""
    folder.mkdir()
    for each in repo.bin.iterdir():
        if each.name != name:
            (folder / each.name).symlink_to(each)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_the_next_preferred_backend_is_used_when_the_first_is_not_installed(
    repo: Repo, tmp_path: Path
) -> None:
    env = without(repo, "claude", tmp_path / "path")
    result = repo.run(env={**env, "LOOP_BACKEND_PREFERENCE": "claude, codex"})
    assert result.code == 0, result.text
    assert "[worker] codex starts" in result.out


def test_the_first_preferred_backend_is_used_when_it_is_installed(repo: Repo) -> None:
    (repo.folder / "config.yaml").write_text("backend_preference: [claude, codex]\n")
    result = repo.run()
    assert "[worker] claude starts" in result.out
    assert "[reviewer] claude starts" in result.out


def test_a_backend_that_was_named_is_not_replaced(repo: Repo, tmp_path: Path) -> None:
    env = without(repo, "claude", tmp_path / "path")
    env["LOOP_BACKEND_PREFERENCE"] = "codex"
    result = repo.run("--worker-backend", "claude", env=env)
    assert result.code == 2
    assert repo.calls == []
    assert "backend=claude" in repo.state["error"]


def test_a_preference_for_something_unknown_is_refused(repo: Repo) -> None:
    env = {"LOOP_BACKEND_PREFERENCE": "codx"}
    assert_refused(repo.run(env=env), 3, "'codx'", "codex")


def test_seed_settings_are_taken_from_the_configuration(repo: Repo) -> None:
    settings = {
        "max_rounds": 2, "timeout": 1, "heartbeat_ttl": 9, "auto_dispatch": True,
        "dispatch_backend": "native", "worker_backend": "codex", "reviewer_backend": "claude",
        "dispatch_timeout": 60, "dispatch_retries": 1, "dispatch_retry_base_sec": 1,
        "artifact_timeout": 3, "max_session_rounds": 4, "backend_preference": ["codex"],
    }  # fmt: skip
    (repo.folder / "config.json").write_text(json.dumps(settings))
    result = repo.loop("run")
    assert result.code == 0, result.text
    assert "[reviewer] claude starts" in result.out
    assert repo.state["limits"]["session_rounds"] == 4


def test_verbose_shows_what_the_agent_printed_as_it_was(repo: Repo) -> None:
    repo.plan({"worker": [STARTED, {"say": "plain words"}, {"stderr": "a warning"}, *WORK]})
    quiet = repo.run("--max-rounds", "1")
    assert "plain words" not in quiet.out
    loud = repo.run("--verbose")
    for text in ('"thread.started"', "plain words", "a warning"):
        assert f"[worker] | {text}" in loud.out or text in loud.out


def test_a_loop_learns_what_blocked_it_and_tells_the_next_one(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    assert repo.run().code == 0
    pitfalls = (repo.folder / "context" / "pitfalls.md").read_text()
    assert pitfalls.count("calc.py: VALUE is wrong") == 1
    assert "T-001 F1 round 1" in pitfalls
    repo.card("next.json", task_id="T-002")
    repo.plan({"worker": _other(7)})
    assert repo.run("next.json").code == 0
    assert "VALUE is wrong" in agents_of(repo, "worker")[-1].stdin


def test_a_loop_that_was_approved_already_is_learned_from_once(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    assert repo.run().code == 0
    before = (repo.folder / "context" / "pitfalls.md").read_bytes()
    assert repo.run("--resume").code == 0
    assert (repo.folder / "context" / "pitfalls.md").read_bytes() == before


def test_a_loop_that_cannot_learn_is_approved_all_the_same(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    (repo.folder / "context" / "pitfalls.md").mkdir(parents=True)
    result = repo.run()
    assert result.code == 0, result.text
    assert "Nothing was learned" in result.out


def test_metrics_are_there_after_a_run(repo: Repo) -> None:
    item = {"id": "i1", "type": "command_execution", "command": "bash -lc 'pytest -q'"}
    said = [{"say": {"type": kind, "item": item}} for kind in ("item.started", "item.completed")]
    repo.plan({"worker": [*said, *WORK]})
    assert repo.run().code == 0
    result = repo.loop("dispatch-metrics", "--json", "--role", "worker")
    found = json.loads(result.out)
    assert json.dumps(found).count('"count": 1') >= 4
