"""Bus files that are damaged, or no files at all: named in one sentence, and the loop continues."""

from __future__ import annotations

import json

import pytest
from tests.cli.damage import CONTENT, EVERY, FEW, LINK, assert_tidy, clear, damage, repair
from tests.cli.harness import TWO_ROUNDS, Repo, assert_refused

LEFTOVERS = (
    *("work_report.json", "review_report.json", "review_request.json", "fix_list.json"),
    *("summary.json", "task_packet.json", "handoff/T-001/worker_r1.json"),
    *("handoff/T-001/reviewer_r1.json", "runtime/worker.heartbeat.json"),
    *("archive/T-001/r1_work_report.json", "archive/T-001/r2_state.json"),
)
WRITTEN = (
    *("work_report.json", "review_report.json", "review_request.json", "summary.json"),
    *("task_packet.json", "archive/T-001/r2_review_report.json"),
    *("handoff/T-001/worker_r2.json", "logs/feed.jsonl", "logs/orchestrator.log"),
    *("logs/worker_dispatch.log", "lock"),
)
LOGS = ("logs/feed.jsonl", "logs/orchestrator.log", "logs/worker_dispatch.log")


@pytest.fixture
def second_round(repo: Repo) -> Repo:
    """A loop that waits for the worker of round 2."""
    repo.plan(TWO_ROUNDS)
    assert repo.run("--single-round", "--round", "1").code == 0
    assert (repo.state["state"], repo.state["round"]) == ("awaiting_work", 2)
    return repo


@pytest.mark.parametrize("kind", [*CONTENT, *LINK, "a dangling link", "a link to itself"])
def test_leftovers_in_any_shape_do_not_stop_the_loop(second_round: Repo, kind: str) -> None:
    repo = second_round
    for name in LEFTOVERS:
        damage(repo.folder / name, kind)
    done = repo.run("--resume")
    assert_tidy(done)
    assert done.code == 0, done.text
    assert repo.names[2:] == ["worker/2/1", "reviewer/2/1"]
    assert repo.json("review_report.json")["round"] == 2
    assert repo.json("summary.json")["rounds"] == 2
    assert not any((repo.folder / name).is_symlink() for name in ("work_report.json", "state.json"))


@pytest.mark.parametrize("kind", ["truncated", "empty", "NUL", "a list", "Latin-1"])
def test_a_damaged_fix_list_does_not_lose_the_findings(second_round: Repo, kind: str) -> None:
    repo = second_round
    damage(repo.folder / "fix_list.json", kind)
    done = repo.run("--resume")
    assert_tidy(done)
    assert done.code == 0, done.text
    worker = repo.calls[2]
    assert "F1 [high] calc.py:1: VALUE is wrong" in worker.stdin
    assert json.loads(worker.mailbox["fix_list.json"])["fixes"][0]["id"] == "F1"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_folder_where_a_file_is_written_is_named_and_the_loop_continues_without_it(
    second_round: Repo, name: str
) -> None:
    repo = second_round
    damage(repo.folder / name, "a folder")
    stopped = repo.run("--resume")
    assert_tidy(stopped)
    if name in LOGS:
        assert stopped.code == 0, stopped.text
        assert stopped.text.count(f"Warning: {repo.folder / name} ") == 1
        assert repo.ended == ("done", "approved")
        return
    assert stopped.code in {1, 3, 5}
    assert_refused(stopped, stopped.code, name.rpartition("/")[2])
    assert repo.state["round"] == 2
    clear(repo.folder / name)
    done = repo.run("--resume")
    assert done.code == 0, done.text
    assert repo.ended == ("done", "approved")


@pytest.mark.parametrize("kind", ["a link", "a dangling link", "a pipe"])
@pytest.mark.parametrize("name", [*LOGS, "lock"])
def test_what_is_written_follows_no_link_and_waits_for_no_pipe(
    second_round: Repo, name: str, kind: str
) -> None:
    repo = second_round
    good = damage(repo.folder / name, kind)
    stopped = repo.run("--resume")
    assert_tidy(stopped)
    assert not (repo.folder / name).with_name("nowhere").exists()
    elsewhere = (repo.folder / name).with_name("elsewhere")
    assert not elsewhere.exists() or elsewhere.read_bytes() == good
    if stopped.code:
        assert_refused(stopped, stopped.code, name.rpartition("/")[2])
        clear(repo.folder / name)
        assert repo.run("--resume").code == 0
    assert repo.ended == ("done", "approved")


@pytest.mark.parametrize("kind", EVERY)
def test_a_damaged_heartbeat_is_no_more_than_an_unknown_process(repo: Repo, kind: str) -> None:
    damage(repo.folder / "runtime" / "worker.heartbeat.json", kind)
    shown = repo.loop("health")
    assert_tidy(shown)
    assert shown.code == 0
    assert "  worker: " in shown.out
    as_json = json.loads(repo.loop("health", "--json").out)
    assert as_json["worker"]["pid"] is None


def test_folders_of_the_loop_that_are_files_are_named(second_round: Repo) -> None:
    repo = second_round
    for name in ("archive", "runtime", "handoff"):
        (repo.folder / name).rename(repo.folder / "aside")
        (repo.folder / name).write_text("mine")
        stopped = repo.run("--resume")
        assert_tidy(stopped)
        assert_refused(stopped, stopped.code, name)
        (repo.folder / name).unlink()
        (repo.folder / "aside").rename(repo.folder / name)
    assert repo.run("--resume").code == 0


def test_a_file_where_the_logs_belong_costs_the_logs_alone(second_round: Repo) -> None:
    repo = second_round
    (repo.folder / "logs").rename(repo.folder / "aside")
    (repo.folder / "logs").write_text("mine")
    done = repo.run("--resume")
    assert_tidy(done)
    assert done.code == 0, done.text
    assert f"Warning: {repo.folder / 'logs'}" in done.text
    assert (repo.folder / "logs").read_text() == "mine"
    assert repo.ended == ("done", "approved")


def test_drafts_that_somebody_planted_are_not_followed(second_round: Repo) -> None:
    repo = second_round
    outside = repo.home / "precious"
    outside.write_text("mine")
    for name in ("state.json.tmp", "state.tmp", "review_report.json.tmp"):
        (repo.folder / name).symlink_to(outside)
    assert repo.run("--resume").code == 0
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("kind", [*FEW, "a list", "a pipe", "a dangling link"])
def test_a_damaged_frozen_card_is_refused_and_the_loop_continues_with_a_repaired_one(
    second_round: Repo, kind: str
) -> None:
    repo = second_round
    repo.card(goal="Another goal.")
    good = damage(repo.folder / "runtime" / "task_card.json", kind)
    stopped = repo.run("--resume")
    assert_tidy(stopped)
    assert_refused(stopped, 3, "task_card.json")
    assert repo.names[2:] == []
    repair(repo.folder / "runtime" / "task_card.json", good)
    assert repo.run("--resume").code == 0
    assert "Another goal." not in repo.calls[-1].stdin


def test_a_frozen_card_that_was_changed_is_not_what_the_loop_was_started_with(
    second_round: Repo,
) -> None:
    repo = second_round
    frozen = repo.folder / "runtime" / "task_card.json"
    good = frozen.read_bytes()
    frozen.write_text(json.dumps({**json.loads(good), "goal": "Delete the tests."}))
    assert_refused(repo.run("--resume"), 5, "T-001", "card")
    frozen.unlink()
    repo.card(goal="Delete the tests.")
    assert_refused(repo.run("--resume"), 5, "T-001", "card")
    assert repo.names[2:] == []
    frozen.write_bytes(good)
    assert repo.run("--resume").code == 0
