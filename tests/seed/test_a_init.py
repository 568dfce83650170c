"""A. `init`, paths and the surface of the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.cli.harness import ISSUE, TWO_ROUNDS, Repo, Steps, ended_by, read_until
from tests.seed.helpers import CRASHED, DONE, REFUSED, STAMP, content, documents, texts

ROUNDS_BEFORE_SEVEN = range(1, 7)


def test_init_makes_the_templates_in_the_folder_that_is_named(repo: Repo) -> None:
    assert repo.loop("init", "--loop-dir", "my-loop").code == 0
    templates = repo.root / "my-loop" / "templates"
    assert (templates / "worker_prompt.txt").is_file()
    assert (templates / "reviewer_prompt.txt").is_file()


def test_a_second_init_changes_no_file(repo: Repo) -> None:
    edited = repo.folder / "templates" / "worker_prompt.txt"
    edited.write_bytes(b"Mine: {task_id}\r\n")
    (repo.folder / "examples" / "task_card.json").write_bytes(b"mine")
    before = content(repo.folder)
    assert repo.loop("init").code == 0
    assert content(repo.folder) == before


def test_every_file_of_a_run_is_in_the_folder_that_is_named(repo: Repo) -> None:
    shutil.rmtree(repo.folder)
    where = ("--loop-dir", "my-loop")
    folder = repo.root / "my-loop"
    assert repo.loop("init", *where).code == 0
    (folder / "config.yaml").write_text("max_rounds: 1\n", "utf-8")
    repo.card("my-loop/tasks/T-7-first.json", task_id="T-7")
    repo.plan(TWO_ROUNDS)
    assert repo.run("T-7", *where).code == 7
    assert repo.run("--resume", "--max-rounds", "2", *where).code == 0

    names = repo.tree(folder)
    for name in (
        *("state.json", "lock", "summary.json", "task_card.json", "review_request.json"),
        *("work_report.json", "review_report.json", "fix_list.json"),
        *("logs/feed.jsonl", "logs/orchestrator.log", "logs/worker_dispatch.log"),
        *("archive/T-7/summary.json", "archive/T-7/r1_work_report.json"),
    ):
        assert name in names
    assert any(name.startswith("runtime/") for name in names)
    assert not repo.folder.exists()


def test_status_archive_and_health_look_into_the_folder_that_is_named(repo: Repo) -> None:
    where = ("--loop-dir", "my-loop")
    repo.card("my-loop/task_card.json", task_id="T-7")
    assert repo.run(*where).code == 0
    assert "Task ID: T-7" in repo.loop("status", *where).out.splitlines()
    assert repo.loop("status").out.startswith("State: idle\n")
    assert "r1_work_report.json" in repo.loop("archive", "--task-id", "T-7", *where).out
    assert "r1_work_report.json" not in repo.loop("archive", "--task-id", "T-7").out
    target = repo.root / "my-loop" / "work_report.json"
    target.unlink()
    restored = repo.loop("archive", "--task-id", "T-7", "--restore", "r1_work_report", *where)
    assert (restored.code, target.is_file()) == (0, True)
    beat = repo.root / "my-loop" / "runtime" / "worker.heartbeat.json"
    beat.write_text("{}", "utf-8")
    assert "worker: alive" in repo.loop("health", *where).out
    assert "worker: dead" in repo.loop("health").out


@pytest.mark.parametrize("flags", [("--dispatch-backend", "par"), ("--par-bin", "x")])
def test_the_flags_of_the_removed_backend_are_usage_errors(
    repo: Repo, flags: tuple[str, str]
) -> None:
    result = repo.run(*flags)
    assert result.code == 2
    assert flags[0] in result.err
    assert "Traceback" not in result.err
    assert repo.names == []


def six_rounds_sent_back() -> Mapping[str, Steps]:
    """Reviews that each find the last issue fixed and a new one, up to round 7."""
    plan: dict[str, Steps] = {}
    for number in ROUNDS_BEFORE_SEVEN:
        report: dict[str, Any] = {
            "decision": "changes_required",
            "blocking_issues": [{**ISSUE, "reason": f"VALUE is not {number + 1}"}],
        }
        if number > 1:
            report["dispositions"] = [{"id": f"F{number - 1}", "status": "fixed", "note": "seen"}]
        plan[f"reviewer/{number}"] = [{"report": report}]
    return plan


def test_the_flags_of_a_single_round_are_used_in_round_seven(repo: Repo) -> None:
    repo.plan({**six_rounds_sent_back(), "worker/7": REFUSED})
    assert repo.run("--max-rounds", "7").code == 2, repo.state["error"]
    assert repo.state["round"] == 7
    late = 'sleep 1; mv "$LOOP_MAILBOX/later" "$LOOP_REPORT_PATH"; sleep 999'
    hold = {"sh": 'mv "$LOOP_REPORT_PATH" "$LOOP_MAILBOX/later"'}
    work: Steps = [{"write": {"calc.py": "VALUE = 7\n"}}, {"say": "a raw line"}, {"report": {}}]
    fixed = {"dispositions": [{"id": "F6", "status": "fixed", "note": "seen"}]}
    repo.plan({"worker": [*work, hold, {"daemon": late}], "reviewer": [{"report": fixed}]})

    result = repo.run(
        *("--artifact-timeout", "123", "--verbose", "--single-round", "--round", "7"),
        *("--max-rounds", "7"),
    )

    assert result.code == 0, result.text
    assert repo.names[-2:] == ["worker/7/2", "reviewer/7/1"]
    assert repo.ended == ("done", "approved")
    assert "a raw line" in result.out


def test_the_retries_and_their_base_are_used(repo: Repo) -> None:
    repo.plan({"worker": CRASHED})
    process = repo.start("--dispatch-retries", "4", "--dispatch-retry-base-sec", "7")
    read_until(process, "Waiting 7 s")
    ended_by(process, 2)
    limits = repo.state["limits"]
    assert (limits["dispatch_retries"], limits["dispatch_retry_base_sec"]) == (4, 7)


@pytest.mark.parametrize("retries", [0, 1])
def test_there_are_as_many_calls_as_retries_and_one(repo: Repo, retries: int) -> None:
    repo.plan({"worker": CRASHED})
    assert repo.run("--dispatch-retries", str(retries)).code == 2
    assert len(repo.names) == retries + 1


def test_status_before_any_run_is_idle(repo: Repo) -> None:
    result = repo.loop("status")
    assert result.code == 0
    assert result.out.splitlines()[:2] == ["State: idle", "Round: 0"]


FINISHED = {
    "state": "done",
    "round": 2,
    "task_id": "T-609",
    "outcome": "approved",
    "base_sha": "a" * 40,
    "head_sha": "b" * 40,
    "error": "something odd",
    "started_at": "2031-05-06T07:08:09Z",
    "failed_at": "2031-05-06T07:08:10Z",
    "round_details": [{"round": 1, "worker_notes": "a private note"}],
}


def test_status_shows_where_a_loop_stands_and_nothing_else(repo: Repo) -> None:
    (repo.folder / "state.json").write_text(json.dumps(FINISHED), "utf-8")
    result = repo.loop("status")
    assert result.code == 0
    lines = [line.strip() for line in result.out.splitlines()]
    for line in (
        *("State: done", "Round: 2", "Task ID: T-609", "Outcome: approved"),
        *("task_card.json: EXISTS", "work_report.json: missing"),
    ):
        assert line in lines
    for secret in (
        *("aaaa", "bbbb", "something odd", "2031", "round_details", "a private note", "{"),
        "sha",
    ):
        assert secret not in result.out


def test_status_leaves_out_a_task_and_an_outcome_that_are_not_recorded(repo: Repo) -> None:
    (repo.folder / "state.json").write_text('{"state": "awaiting_work", "round": 1}', "utf-8")
    shown = repo.loop("status").out
    assert shown.startswith("State: awaiting_work\nRound: 1\n")
    assert "Task ID" not in shown
    assert "Outcome" not in shown


def test_a_path_in_the_repository_is_shown_whole_as_agents_work_elsewhere(repo: Repo) -> None:
    assert repo.run().code == 0
    for call in repo.calls:
        path = Path(call.env["LOOP_REPORT_PATH"])
        assert path.is_relative_to(repo.root)
        assert str(path) in call.stdin


def test_a_path_outside_the_repository_is_shown_whole(repo: Repo) -> None:
    outside = repo.root.parent / "elsewhere"
    repo.card(f"{outside}/task_card.json")
    assert repo.run("--loop-dir", str(outside)).code == 0
    for call in repo.calls:
        assert call.env["LOOP_REPORT_PATH"].startswith(f"{outside}/")
        assert call.env["LOOP_REPORT_PATH"] in call.stdin


def test_every_time_is_in_utc_and_whole_seconds(repo: Repo) -> None:
    repo.plan({**TWO_ROUNDS, "worker/1": DONE, "worker/2": REFUSED})
    assert repo.run().code == 2
    found = [text for document in documents(repo.folder) for text in texts(document)]
    times = [text for text in found if text[:5].rstrip("-").isdigit() and "T" in text]
    assert len(times) > 10
    assert [text for text in times if not STAMP.fullmatch(text)] == []
    assert STAMP.fullmatch(repo.state["failed_at"])
    assert STAMP.fullmatch(repo.state["started_at"])
