"""A loop that is sent back once and then approved: what it leaves behind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.harness import ISSUE, TWO_ROUNDS, Repo, Steps, eventually

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
REPORTED = {
    "notes": "set VALUE",
    "tests": [
        {"name": "a", "result": "pass"},
        {"name": "b", "status": "failed"},
        {"name": "c", "result": "error"},
        {"name": "d", "result": "skipped"},
    ],
}


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory, make_repo: Callable[[Path], Repo]) -> Repo:
    """A loop that took two rounds; the tests here only look at it."""
    repo = make_repo(tmp_path_factory.mktemp("approved"))
    (repo.root / "AGENTS.md").write_text("Always whistle.\n")
    repo.git("add", "AGENTS.md")
    repo.git("commit", "--quiet", "-m", "AGENTS.md")
    work: Steps = [
        {"write": {"calc.py": "VALUE = 1\n"}},
        {"commit": "Value"},
        {"report": REPORTED},
    ]
    repo.card(acceptance_criteria=["VALUE is 2"], constraints=["keep it short"])
    repo.plan({**TWO_ROUNDS, "worker/1": work})
    heard = repo.root.parent / "heard"
    repo.extra["LOOP_ON_EVENT"] = f"cat >> {heard}; echo >> {heard}"
    result = repo.run()
    assert result.code == 0, result.text
    return repo


def test_each_agent_is_called_once_a_round(approved: Repo) -> None:
    assert approved.names == ["worker/1/1", "reviewer/1/1", "worker/2/1", "reviewer/2/1"]
    assert approved.ended == ("done", "approved")
    assert approved.state["round"] == 2


def test_the_operators_command_hears_what_happens_in_its_order(approved: Repo) -> None:
    lines = (approved.root.parent / "heard").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines if line]
    attempt = ["attempt.started", "attempt.ended"]
    a_round = ["round.started", *attempt, *attempt]

    assert [event["event"] for event in events if event["event"] != "review.reported"] == [
        "loop.started",
        *a_round,
        *a_round,
        "loop.ended",
    ]
    assert [event["decision"] for event in events if event["event"] == "review.reported"] == [
        "changes_required",
        "approve",
    ]
    assert [event["outcome"] for event in events if "outcome" in event] == ["approved"]


def test_every_bus_file_is_there_and_speaks_of_its_round(approved: Repo) -> None:
    assert approved.json("work_report.json")["round"] == 2
    assert approved.json("review_report.json")["decision"] == "approve"
    assert approved.json("review_request.json")["round"] == 2
    fixes = approved.json("fix_list.json")
    assert fixes["task_id"] == "T-001"
    assert fixes["round"] == 2
    assert fixes["prior_round_notes"] == "set VALUE"
    assert fixes["prior_review_non_blocking"] == ["say why"]
    assert fixes["fixes"][0]["id"] == "F1"
    assert {key: fixes["fixes"][0][key] for key in ISSUE} == ISSUE


def test_the_archive_labels_a_file_by_the_round_of_its_content(approved: Repo) -> None:
    archive = approved.folder / "archive" / "T-001"
    for round_ in (1, 2):
        for name in ("work_report", "review_report", "review_request"):
            kept = json.loads((archive / f"r{round_}_{name}.json").read_text("utf-8"))
            assert kept["round"] == round_
        assert json.loads((archive / f"r{round_}_state.json").read_text("utf-8"))["round"] == round_
    assert (archive / "r2_fix_list.json").is_file()


def test_the_summary_is_kept_beside_the_bus_and_in_the_archive(approved: Repo) -> None:
    summary = approved.json("summary.json")
    assert summary == approved.json("archive/T-001/summary.json")
    assert (summary["task_id"], summary["outcome"], summary["rounds"]) == ("T-001", "approved", 2)
    assert summary["head_sha"] == approved.head
    assert [detail["review_decision"] for detail in summary["round_details"]] == [
        "changes_required",
        "approve",
    ]


def test_the_claims_about_tests_are_counted(approved: Repo) -> None:
    first, second = approved.state["round_details"]
    assert first["tests_summary"] == {"total": 4, "pass": 1, "fail": 2, "other": 1}
    assert second["tests_summary"] == {"total": 0, "pass": 0, "fail": 0, "other": 0}
    assert first["worker_notes"] == "set VALUE"


def test_the_state_has_the_documented_fields(approved: Repo) -> None:
    state = approved.state
    assert state["schema_version"] == 2
    assert state["base_sha"] == state["start_sha"] == approved.git("rev-parse", "HEAD~2")
    assert state["head_sha"] == approved.head
    assert re.fullmatch("[0-9a-f]{64}", state["card_sha256"])
    assert STAMP.fullmatch(state["started_at"])
    assert state["limits"]["max_rounds"] == 3
    assert state["usage"]["rounds"] == 2
    assert state["findings"][0]["status"] == "fixed"
    assert [record["decision"] for record in state["history"]] == ["changes_required", "approve"]
    assert state["history"][1]["parent_sha"] == state["history"][0]["head_sha"]
    assert state["seq"] >= 9


def test_the_review_request_holds_the_diff_since_the_base(approved: Repo) -> None:
    request = approved.json("review_request.json")
    assert request["base_sha"] == approved.git("rev-parse", "HEAD~2")
    assert request["head_sha"] == approved.head
    assert "+VALUE = 2" in request["diff"]
    assert request["diff_truncated"] is False
    assert request["criteria"] == [{"id": "C1", "text": "VALUE is 2"}]
    assert request["constraints"] == ["keep it short"]
    assert [finding["id"] for finding in request["open_findings"]] == ["F1"]
    assert len(request["commits"].splitlines()) == 2


@pytest.mark.parametrize(
    "event",
    [
        "log",
        "state_transition",
        "round_start",
        "dispatch_start",
        "dispatch_complete",
        "dispatch_artifact_written",
        "review_verdict",
        "round_complete",
    ],
)
def test_the_feed_holds_the_event(approved: Repo, event: str) -> None:
    entries = [entry for entry in approved.feed() if entry["event"] == event]
    assert entries
    for entry in entries:
        assert STAMP.fullmatch(entry["ts"])
        assert entry["level"] in {"info", "warning", "error"}
        if event != "log":
            assert entry["data"]["task_id"] == "T-001"
            assert entry["data"]["round"] in {1, 2}


def test_the_first_prompt_holds_the_card_and_the_repositorys_instructions(approved: Repo) -> None:
    prompt = approved.calls[0].stdin
    assert "Current task_id: T-001, round: 1." in prompt
    for text in ("Make VALUE right.", "calc.py", "VALUE is 2", "keep it short", "Always whistle."):
        assert text in prompt
    assert "<none>" in prompt
    assert "work_report.json" in prompt


def test_the_second_prompt_holds_the_fix_list_and_the_prior_round(approved: Repo) -> None:
    prompt = approved.calls[2].stdin
    assert "Current task_id: T-001, round: 2." in prompt
    assert "[high] calc.py:1: VALUE is wrong" in prompt
    for text in ("F1", "set VALUE to 2", "set VALUE", "say why", "Always whistle.", "not yet"):
        assert text in prompt
    assert json.loads(approved.calls[2].mailbox["fix_list.json"])["round"] == 2


def test_the_reviewer_is_given_the_request_in_its_mailbox(approved: Repo) -> None:
    call = approved.calls[3]
    assert "Current task_id: T-001, round: 2." in call.stdin
    assert json.loads(call.mailbox["review_request.json"])["head_sha"] == approved.head
    assert "fix_list.json" not in call.mailbox


def test_no_draft_and_no_mailbox_is_left(approved: Repo) -> None:
    assert not [name for name in approved.tree() if name.endswith(".tmp")]
    mailboxes = approved.folder / "runtime" / "mailbox"
    assert list(mailboxes.iterdir()) == []


def test_the_users_tree_is_clean_and_its_card_untouched(approved: Repo) -> None:
    assert approved.git("status", "--porcelain", "--untracked-files=no") == ""
    card = {
        "task_id": "T-001",
        "goal": "Make VALUE right.",
        "in_scope": ["calc.py"],
        "acceptance_criteria": ["VALUE is 2"],
        "constraints": ["keep it short"],
    }
    assert (approved.folder / "task_card.json").read_text() == json.dumps(card)


def test_rules_that_are_too_long_are_reported_once_in_a_run(repo: Repo) -> None:
    (repo.root / "AGENTS.md").write_text("Whistle.\n" * 8192)
    repo.git("add", "AGENTS.md")
    repo.git("commit", "--quiet", "-m", "AGENTS.md")
    repo.plan(TWO_ROUNDS)
    result = repo.run()
    assert result.code == 0, result.text
    assert result.text.count("Warning: AGENTS.md has 73728 bytes: agents get the first") == 1
    assert "Whistle." in repo.calls[0].stdin


def test_the_report_is_one_page_that_the_browser_is_asked_to_show(
    approved: Repo, tmp_path: Path
) -> None:
    shown, browser = tmp_path / "shown", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {shown}\n', "utf-8")
    browser.chmod(0o755)
    asked = {"BROWSER": f"{browser} %s"}

    quiet = approved.loop("report", env=asked)
    assert (quiet.code, shown.exists()) == (0, False)
    done = approved.loop("report", "T-001", "--open", env=asked)

    assert done.code == 0, done.text
    page = Path(done.out.strip())
    eventually(shown.is_file, "the browser")
    eventually(lambda: shown.read_text() == f"{page.as_uri()}\n", "the page in the browser")
    assert "Approved in round 2" in page.read_text("utf-8")


def test_every_attempt_leaves_its_record(approved: Repo) -> None:
    (run,) = (approved.root / ".loop/runs").iterdir()
    assert json.loads((run / "run.json").read_text())["task_id"] == "T-001"
    attempts = sorted(path.name for path in run.iterdir() if path.is_dir())
    assert attempts == ["r1_reviewer_1", "r1_worker_1", "r2_reviewer_1", "r2_worker_1"]
    for name in attempts:
        files = {path.name for path in (run / name).iterdir()}
        assert files >= {"prompt.md", "transcript.txt", "report.json", "result.json"}
    told = (run / "r2_worker_1/prompt.md").read_text()
    assert "Current task_id: T-001, round: 2." in told
    result = json.loads((run / "r1_worker_1/result.json").read_text())
    backend = approved.state["history"][0]["attempts"][0]["backend"]
    assert (result["backend"], result["exit_code"]) == (backend, 0)
    assert ".loop/runs" not in approved.git("status", "--porcelain", "--untracked-files=all")


def test_the_logs_of_a_run_are_shown_by_attempt(approved: Repo) -> None:
    shown = approved.loop("logs")
    assert shown.code == 0, shown.text
    heads = [line for line in shown.out.splitlines() if line.startswith("==")]
    assert heads == [
        "== round 1, worker, attempt 1 ==",
        "== round 1, reviewer, attempt 1 ==",
        "== round 2, worker, attempt 1 ==",
        "== round 2, reviewer, attempt 1 ==",
    ]
    assert "ended after " in shown.out
    assert "\n-- " in shown.out
    one = approved.loop("logs", "T-001", "--role", "reviewer", "--round", "2", "--follow")
    assert [line for line in one.out.splitlines() if line.startswith("==")] == heads[3:]


def test_logs_of_no_run_are_refused_with_what_to_type(approved: Repo) -> None:
    refused = approved.loop("logs", "T-9")
    assert (refused.code, refused.out) == (1, "")
    assert "There is no record of a run of T-9 in " in refused.err
    assert "loop run --auto-dispatch" in refused.err
