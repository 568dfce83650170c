"""J. Resuming, resetting, configuration and logs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.harness import TWO_ROUNDS, Repo, assert_refused
from tests.seed.helpers import CRASHED, REFUSED, STAMP, STUCK, content, reached

FIVE_MIB = 5 * 1024 * 1024


def test_resuming_in_round_two_starts_there_with_the_old_base(repo: Repo) -> None:
    base = repo.head
    repo.plan(TWO_ROUNDS)
    assert repo.run("--single-round", "--round", "1").code == 0
    assert (repo.state["state"], repo.state["round"]) == ("awaiting_work", 2)
    assert repo.run("--resume").code == 0
    assert repo.names[2:] == ["worker/2/1", "reviewer/2/1"]
    assert repo.state["base_sha"] == base
    assert repo.calls[2].env["LOOP_BASE_SHA"] == base
    assert repo.json("review_request.json")["base_sha"] == base


def test_resuming_an_approved_loop_says_so_and_calls_nobody(repo: Repo) -> None:
    assert repo.run().code == 0
    before = repo.names
    result = repo.run("--resume")
    assert result.code == 0
    assert "approved already" in result.out
    assert repo.names == before


@pytest.mark.parametrize("role", ["worker", "reviewer"])
def test_a_failed_run_is_resumed_at_the_phase_that_failed(repo: Repo, role: str) -> None:
    repo.plan({role: REFUSED})
    failed = repo.run()
    assert failed.code == 2
    assert "authentication failed" in failed.text
    assert "--resume" in failed.text
    repo.plan({})
    result = repo.run("--resume")
    assert result.code == 0, result.text
    assert repo.ended == ("done", "approved")
    again = ["worker/1/2", "reviewer/1/1"] if role == "worker" else ["reviewer/1/2"]
    assert repo.names[-len(again) :] == again
    assert not repo.state.get("error")


STALE = ("work_report", "review_request", "review_report", "fix_list", "summary")


def leave_stale_files(repo: Repo, folder: str = ".loop") -> None:
    for name in STALE:
        repo.card(f"{folder}/{name}.json", task_id="T-OLD", round=9)
    (repo.root / folder / "state.json").write_text('{"state": "done", "round": 9}', "utf-8")


def about_the_old_task(repo: Repo, folder: str = ".loop") -> list[str]:
    found = content(repo.root / folder).items()
    return [name for name, raw in found if b"T-OLD" in raw and not name.startswith("archive/")]


def test_without_reset_the_card_and_the_old_reports_survive(repo: Repo) -> None:
    card = (repo.folder / "task_card.json").read_bytes()
    leave_stale_files(repo)
    assert repo.run().code == 0
    assert (repo.folder / "task_card.json").read_bytes() == card
    for name in ("work_report", "review_report"):
        assert repo.json(f"archive/T-OLD/r9_{name}.json")["task_id"] == "T-OLD"


def test_a_reset_removes_stale_files_before_the_run_and_keeps_the_card(repo: Repo) -> None:
    card = (repo.folder / "task_card.json").read_bytes()
    leave_stale_files(repo)
    repo.plan({"worker": STUCK})
    reached(repo, repo.start("--reset"))
    assert about_the_old_task(repo) == []
    assert not (repo.folder / "summary.json").exists()
    assert repo.state["task_id"] == "T-001"
    assert repo.state["round"] == 1
    assert (repo.folder / "task_card.json").read_bytes() == card


def test_a_reset_run_comes_to_its_end(repo: Repo) -> None:
    leave_stale_files(repo)
    result = repo.run("--reset")
    assert result.code == 0, result.text
    assert repo.ended == ("done", "approved")
    assert repo.json("summary.json")["task_id"] == "T-001"


def test_a_reset_is_of_the_folder_that_is_named(repo: Repo) -> None:
    leave_stale_files(repo)
    repo.card("other/task_card.json")
    leave_stale_files(repo, "other")
    before = content(repo.folder)
    result = repo.run("--reset", "--loop-dir", "other")
    assert result.code == 0, result.text
    assert content(repo.folder) == before
    assert about_the_old_task(repo, "other") == []


def test_a_reset_takes_nothing_from_a_run_that_holds_the_lock(repo: Repo) -> None:
    repo.plan({"worker": STUCK})
    process = repo.start()
    reached(repo, process)
    before = content(repo.folder)
    assert_refused(repo.run("--reset"), 5, "already running")
    assert content(repo.folder) == before
    assert process.poll() is None


CONFIGS = [("config.yaml", "auto_dispatch: {}\n"), ("config.json", '{{"auto_dispatch": {}}}')]


@pytest.mark.parametrize(("name", "text"), CONFIGS)
@pytest.mark.parametrize(("configured", "flag"), [("true", ()), ("false", ("--auto-dispatch",))])
def test_the_configuration_dispatches_and_the_flag_overrides_it(
    repo: Repo, name: str, text: str, configured: str, flag: tuple[str, ...]
) -> None:
    (repo.folder / name).write_text(text.format(configured), "utf-8")
    assert repo.loop("run", *flag).code == 0
    assert repo.names == ["worker/1/1", "reviewer/1/1"]


@pytest.mark.parametrize("configured", [None, "false"])
def test_without_flag_and_configuration_people_are_waited_for(
    repo: Repo, configured: str | None
) -> None:
    if configured:
        (repo.folder / "config.yaml").write_text(f"auto_dispatch: {configured}\n", "utf-8")
    result = repo.loop("run", "--timeout", "1")
    assert result.code == 2
    assert "Tell the Worker" in result.out
    assert repo.ended == ("done", "worker_timeout")
    assert repo.names == []


def lines(repo: Repo, name: str) -> list[dict[str, Any]]:
    text = (repo.folder / "logs" / name).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_of_the_log_is_in_both_logs(repo: Repo) -> None:
    assert repo.run().code == 0
    logged = lines(repo, "orchestrator.log")
    assert logged
    messages = [e["data"]["message"] for e in repo.feed() if e["event"] == "log"]
    for line in logged:
        assert STAMP.fullmatch(line["ts"])
        assert line["task_id"] == "T-001"
        assert line["msg"] in messages
    for entry in repo.feed():
        assert set(entry) == {"ts", "level", "event", "data"}
        assert STAMP.fullmatch(entry["ts"])
        assert entry["data"]["task_id"] == "T-001"


def test_the_feed_of_a_run_speaks_of_its_own_task_alone(repo: Repo) -> None:
    repo.plan({"worker": CRASHED})
    assert repo.run("--dispatch-retries", "0").code == 2
    before = len(repo.feed())
    repo.card("two.json", task_id="T-002")
    repo.plan({})
    assert repo.run("--task", "two.json").code == 0
    assert {entry["data"]["task_id"] for entry in repo.feed()[:before]} == {"T-001"}
    assert {entry["data"]["task_id"] for entry in repo.feed()[before:]} == {"T-002"}


def test_a_log_of_five_mebibytes_is_rotated_and_the_oldest_is_dropped(repo: Repo) -> None:
    logs = repo.folder / "logs"
    logs.mkdir(exist_ok=True)
    full = (b"x" * 1023 + b"\n") * (FIVE_MIB // 1024)
    (logs / "feed.jsonl").write_bytes(full)
    for number in (1, 2, 3):
        (logs / f"feed.jsonl.{number}").write_text(f"number {number}\n", "utf-8")
    (logs / "orchestrator.log").write_text('{"msg": "an earlier line"}\n', "utf-8")
    assert repo.run().code == 0
    assert (logs / "feed.jsonl.1").read_bytes() == full
    assert (logs / "feed.jsonl.2").read_text("utf-8") == "number 1\n"
    assert (logs / "feed.jsonl.3").read_text("utf-8") == "number 2\n"
    assert not (logs / "feed.jsonl.4").exists()
    assert 0 < (logs / "feed.jsonl").stat().st_size < FIVE_MIB
    assert lines(repo, "orchestrator.log")[0] == {"msg": "an earlier line"}
    assert not (logs / "orchestrator.log.1").exists()
