"""B. The happy path, rounds and the state."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.cli.harness import FAST, ISSUE, LOOP, SENT_BACK, TWO_ROUNDS, Repo, Steps, read_until
from tests.seed.conftest import NewRepo
from tests.seed.helpers import DONE, REFUSED, STAMP, WORK, finished, item, sent_back

TESTS = [
    {"name": "a", "status": "pass"},
    {"name": "b", "result": "fail"},
    {"name": "c", "result": "failed"},
    {"name": "d", "status": "error"},
    {"name": "e", "status": "skip"},
    "a word",
]


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory, new_repo: NewRepo) -> Repo:
    """A loop that took two rounds; some tests here only look at it."""
    repo = new_repo(tmp_path_factory.mktemp("approved"))
    work: Steps = [*WORK, {"report": {"notes": "set VALUE", "tests": TESTS}}]
    repo.plan({**TWO_ROUNDS, "worker/1": work})
    result = repo.run()
    assert result.code == 0, result.text
    return repo


def test_changes_required_and_then_an_approval_end_in_round_two(approved: Repo) -> None:
    assert approved.ended == ("done", "approved")
    assert approved.state["round"] == 2
    assert approved.names == ["worker/1/1", "reviewer/1/1", "worker/2/1", "reviewer/2/1"]


def test_a_single_round_takes_one_turn_of_each_and_leaves_the_fix_list(repo: Repo) -> None:
    work: Steps = [*WORK, {"report": {"notes": "set VALUE"}}]
    repo.plan({"worker": work, "reviewer": sent_back(non_blocking_suggestions=["say why"])})
    assert repo.run("--single-round", "--round", "1").code == 0
    fixes = repo.json("fix_list.json")
    assert (fixes["task_id"], fixes["round"]) == ("T-001", 2)
    assert fixes["prior_round_notes"] == "set VALUE"
    assert fixes["prior_review_non_blocking"] == ["say why"]
    assert (repo.state["state"], repo.state["round"]) == ("awaiting_work", 2)
    assert repo.names == ["worker/1/1", "reviewer/1/1"]


def test_the_summary_tells_every_round(approved: Repo) -> None:
    first, second = approved.json("summary.json")["round_details"]
    assert (first["round"], second["round"]) == (1, 2)
    assert (first["worker_notes"], second["worker_notes"]) == ("set VALUE", "")
    decisions = (first["review_decision"], second["review_decision"])
    assert decisions == ("changes_required", "approve")


def test_the_tests_that_a_worker_claims_are_counted(approved: Repo) -> None:
    first, second = approved.json("summary.json")["round_details"]
    assert first["tests_summary"] == {"total": 6, "pass": 1, "fail": 3, "other": 2}
    assert second["tests_summary"] == {"total": 0, "pass": 0, "fail": 0, "other": 0}


def test_tests_that_are_no_list_are_sent_back_and_never_counted(repo: Repo) -> None:
    odd: Steps = [*WORK, {"report": {"tests": "all of them pass"}}]
    repo.plan({"worker/1/1": odd, "worker/1/2": [{"report": {}}]})
    assert repo.run().code == 0
    assert "field 'tests' must be a list" in repo.calls[1].stdin
    (detail,) = repo.json("summary.json")["round_details"]
    assert detail["tests_summary"] == {"total": 0, "pass": 0, "fail": 0, "other": 0}


def test_the_summary_is_also_in_the_archive(approved: Repo) -> None:
    archived = approved.folder / "archive" / "T-001" / "summary.json"
    assert archived.read_bytes() == (approved.folder / "summary.json").read_bytes()


def test_there_is_no_summary_of_what_is_not_approved(repo: Repo) -> None:
    repo.plan({"reviewer": SENT_BACK})
    assert repo.run("--max-rounds", "1").code == 7
    assert not [name for name in repo.tree() if "summary" in name]


def test_blocking_issues_that_are_no_objects_are_kept_as_reasons(repo: Repo) -> None:
    issues = [ISSUE, "the name is odd", None, 123]
    repo.plan({"reviewer/1": sent_back(blocking_issues=issues)})
    assert repo.run().code == 0
    fixes = repo.json("fix_list.json")["fixes"]
    assert [fix["reason"] for fix in fixes] == ["VALUE is wrong", "the name is odd", "123"]
    for fix in fixes:
        assert fix["reason"] in repo.calls[2].stdin


def test_all_rounds_run_in_one_process_with_the_settings_of_the_first(repo: Repo) -> None:
    repo.plan({**TWO_ROUNDS, "worker/2/1": [{"exit": 1}]})
    flags = ("--worker-backend", "claude", "--worker-model", "opus", "--dispatch-retries", "1")
    done = repo.run(*flags)
    assert done.code == 0, done.text
    assert repo.names[-3:] == ["worker/2/1", "worker/2/2", "reviewer/2/1"]
    for call in repo.calls:
        backend = "claude" if call.role == "worker" else "codex"
        assert Path(call.argv[0]).name == backend
        assert ("opus" in call.argv) == (call.role == "worker")
    assert len({call.parent for call in repo.calls}) == 1


def test_what_a_round_says_is_seen_while_its_agent_is_at_work(repo: Repo) -> None:
    said = {"say": item("agent_message", text="thinking")}
    repo.plan({"worker": [said, {"gate": "middle"}, *DONE]})
    process = repo.start()
    assert "Round 1" in read_until(process, "[worker] Message: thinking")
    repo.reached("middle")
    assert process.poll() is None
    repo.open("middle")
    finished(process)
    assert process.returncode == 0


def test_leftovers_of_another_task_do_not_matter(repo: Repo) -> None:
    stale = {"task_id": "T-OLD", "round": 99, "decision": "changes_required"}
    repo.card(".loop/review_report.json", **stale, blocking_issues=[ISSUE])
    assert repo.run().code == 0
    assert repo.ended == ("done", "approved")
    assert repo.state["round"] == 1
    assert "T-OLD" not in "".join(call.stdin for call in repo.calls)


@pytest.mark.parametrize("by", [("--single-round", "--round", "2"), ("--resume",)])
def test_round_two_needs_the_state_and_not_the_review_before_it(
    repo: Repo, by: tuple[str, ...]
) -> None:
    repo.plan(TWO_ROUNDS)
    assert repo.run("--single-round", "--round", "1").code == 0
    (repo.folder / "review_report.json").unlink()
    assert repo.run(*by).code == 0
    assert repo.names[2:] == ["worker/2/1", "reviewer/2/1"]
    assert repo.ended == ("done", "approved")


def test_a_review_that_is_removed_during_the_run_is_not_missed(repo: Repo) -> None:
    gone: Steps = [{"sh": "rm -f .loop/review_report.json"}, {"write": {"calc.py": "VALUE = 2\n"}}]
    repo.plan({**TWO_ROUNDS, "worker/2": [*gone, {"report": {}}]})
    assert repo.run().code == 0
    assert repo.ended == ("done", "approved")


CORRUPT = {"truncated": b'{"state": "done", "rou', "a list": b"[]", "not UTF-8": b"\xff{}"}


def damage(repo: Repo, kind: str) -> None:
    path = repo.folder / "state.json"
    if kind == "unreadable":
        path.mkdir()
        (path / "inside").touch()
    else:
        path.write_bytes(CORRUPT[kind])


@pytest.mark.parametrize("kind", [*CORRUPT, "unreadable"])
def test_status_warns_of_a_corrupt_state_and_shows_idle(repo: Repo, kind: str) -> None:
    damage(repo, kind)
    result = repo.loop("status")
    assert result.code == 0
    assert result.out.startswith("State: idle\nRound: 0\n")
    assert "Warning" in result.err
    assert "state.json" in result.err


@pytest.mark.parametrize("kind", [*CORRUPT, "unreadable"])
def test_a_fresh_run_sets_a_corrupt_state_aside_and_resume_refuses_it(
    repo: Repo, kind: str
) -> None:
    damage(repo, kind)
    refused = repo.run("--resume")
    assert refused.code == 5, refused.text
    assert repo.names == []
    result = repo.run()
    assert result.code == 0, result.text
    assert "state.json.corrupt" in result.err
    aside = repo.folder / "state.json.corrupt"
    assert aside.is_dir() if kind == "unreadable" else aside.read_bytes() == CORRUPT[kind]


def drafts(repo: Repo) -> list[str]:
    return [path.name for path in repo.folder.rglob("*.tmp")]


def test_no_draft_is_left_after_a_run(approved: Repo) -> None:
    assert drafts(approved) == []


SMALL_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, resource.RLIM_INFINITY))
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_write_that_fails_leaves_the_old_state_and_no_draft(repo: Repo) -> None:
    told: Steps = [{"report": {"notes": "x" * 20_000}}]
    second: Steps = [{"write": {"calc.py": "VALUE = 2\n"}}, *told]
    repo.plan({**TWO_ROUNDS, "worker/2": second})
    (repo.bin / "codex").rename(repo.bin / "codex.py")
    (repo.bin / "codex").write_text('#!/bin/sh\nulimit -S -f unlimited; exec "$0.py" "$@"\n')
    (repo.bin / "codex").chmod(0o755)
    run = (str(LOOP), "run", "--auto-dispatch", *FAST)
    done = repo.execute([sys.executable, "-c", SMALL_FILES, *run])
    assert done.code == 1, done.text
    assert "Traceback" not in done.err
    assert done.err.startswith("Error: ")
    assert drafts(repo) == []
    assert (repo.state["state"], repo.state["round"]) == ("awaiting_work", 2)
    assert repo.run("--resume").code == 0


def test_a_reader_never_sees_half_a_state(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    process = repo.start()
    path = repo.folder / "state.json"
    seen: set[tuple[str, int]] = set()
    while process.poll() is None:
        if path.exists():
            state = json.loads(path.read_bytes())
            seen.add((state["state"], state["round"]))
    assert {("awaiting_work", 1), ("awaiting_work", 2)} <= seen


def test_a_run_that_fails_records_why_and_when(repo: Repo) -> None:
    repo.plan({"worker": REFUSED})
    assert repo.run().code == 2
    state = repo.state
    assert (state["state"], state["outcome"]) == ("done", "worker_dispatch_failed")
    assert "authentication failed" in state["error"]
    assert STAMP.fullmatch(state["failed_at"])
