"""K. Agents made for agent-task-runner: they know `.loop/` in their working directory, no more.

The last three tests are the scenarios of agent-task-runner's own integration tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.harness import FAST, ISSUE, Repo, Result

WORKER = """\
#!/bin/sh
cat > /dev/null
task=$(sed -n 's/.*"task_id": "\\([^"]*\\)".*/\\1/p' .loop/task_card.json | head -n 1)
round=$(sed -n 's/.*"round": \\([0-9]*\\).*/\\1/p' .loop/state.json | head -n 1)
if [ "$round" -gt 1 ]; then grep -q 'VALUE is wrong' .loop/fix_list.json || exit 9; fi
echo "VALUE = $round" > calc.py
git add -A && git commit -qm "Round $round"
head=$(git rev-parse HEAD)
printf '{"task_id":"%s","round":%s,"head_sha":"%s","tests":[],"notes":"done"}' \\
  "$task" "$round" "$head" > .loop/work_report.json
"""
REVIEWER = """\
#!/bin/sh
cat > /dev/null
task=$(sed -n 's/.*"task_id": "\\([^"]*\\)".*/\\1/p' .loop/task_card.json | head -n 1)
round=$(sed -n 's/.*"round": \\([0-9]*\\).*/\\1/p' .loop/review_request.json | head -n 1)
decision=approve issues=
if [ "$round" = 1 ]; then decision=changes_required issues=$(cat "$(dirname "$0")/issue.json"); fi
printf '{"task_id":"%s","round":%s,"decision":"%s","blocking_issues":[%s]}' \\
  "$task" "$round" "$decision" "$issues" > .loop/review_report.json
"""
OPENCODE = """\
#!/usr/bin/env python3
import json, os, subprocess, sys
from pathlib import Path

def git(*args):
    return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout.strip()

argv = sys.argv
session = argv[argv.index("-s") + 1] if "-s" in argv else "ses_of_the_fake"
print(json.dumps({"type": "step_start", "part": {"sessionID": session}}), flush=True)
if os.environ["FAKE_MODE"] == "fail":
    sys.exit("model not found")
works = "You are the worker." in sys.stdin.read()
loop = Path(".loop")
task_id = json.loads((loop / "task_card.json").read_text("utf-8"))["task_id"]
round_ = json.loads((loop / "state.json").read_text("utf-8"))["round"]
report = {"task_id": task_id, "round": round_}
if works:
    Path(f"round_{round_}.txt").write_text("work", "utf-8")
    git("add", f"round_{round_}.txt")
    git("commit", "-m", f"Round {round_}")
    tests = [{"name": "all", "result": "pass"}]
    report |= {"head_sha": git("rev-parse", "HEAD"), "tests": tests, "notes": "done"}
else:
    issues = json.loads(os.environ["FAKE_ISSUES"])
    report |= {"decision": "changes_required" if issues else "approve", "blocking_issues": issues}
name = "work_report.json" if works else "review_report.json"
(loop / name).write_text(json.dumps(report), "utf-8")
"""


def install(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def shell_agents(repo: Repo) -> tuple[str, ...]:
    """The flags for a worker and a reviewer that are shell scripts."""
    (repo.bin / "issue.json").write_text(json.dumps(ISSUE), "utf-8")
    worker = install(repo.bin / "worker.sh", WORKER)
    reviewer = install(repo.bin / "reviewer.sh", REVIEWER)
    return ("--worker-command", str(worker), "--reviewer-command", str(reviewer))


def test_a_worker_and_a_reviewer_that_know_only_the_folder_finish_two_rounds(
    repo: Repo, shell_agents: tuple[str, ...]
) -> None:
    result = repo.loop("run", "--auto-dispatch", *FAST, *shell_agents)
    assert result.code == 0, result.text
    assert "attempt 2" not in result.text
    state = repo.json("state.json")
    assert (state["outcome"], state["round"]) == ("approved", 2)
    assert repo.json("fix_list.json")["fixes"][0]["reason"] == ISSUE["reason"]
    assert repo.json("archive/T-001/r1_work_report.json")["notes"] == "done"
    changed = repo.git("diff", "--name-only", state["base_sha"], state["head_sha"])
    assert changed.split() == ["calc.py"]


def test_a_card_that_the_repository_tracks_is_what_such_an_agent_reads(
    repo: Repo, shell_agents: tuple[str, ...]
) -> None:
    repo.git("add", "--force", ".loop/task_card.json")
    repo.git("commit", "-qm", "Track the card")
    result = repo.loop("run", "--auto-dispatch", *FAST, *shell_agents)
    assert result.code == 0, result.text


def test_bus_files_that_a_worker_commits_by_force_are_not_in_the_result(
    repo: Repo, shell_agents: tuple[str, ...]
) -> None:
    install(repo.bin / "worker.sh", WORKER.replace("git add -A", "git add -f . .loop"))
    result = repo.loop("run", "--auto-dispatch", *FAST, *shell_agents)
    assert result.code == 0, result.text
    state = repo.json("state.json")
    changed = repo.git("diff", "--name-only", state["base_sha"], state["head_sha"])
    assert changed.split() == ["calc.py"]


@pytest.fixture
def opencode(repo: Repo) -> Repo:
    """The repository of those tests: a card, a state of its own kind, and a fake opencode."""
    install(repo.bin / "opencode", OPENCODE)
    for role in ("worker", "reviewer"):
        template = repo.folder / "templates" / f"{role}_prompt.txt"
        template.write_text(f"You are the {role}.\n{template.read_text('utf-8')}", "utf-8")
    state = {"version": 1, "state": "task_ready", "round": 1, "task_id": "T-001", "sessions": {}}
    state["base_sha"] = repo.git("rev-parse", "HEAD").strip()
    (repo.folder / "state.json").write_text(json.dumps(state), "utf-8")
    return repo


def run(repo: Repo, *flags: str, mode: str = "ok", issues: tuple[Any, ...] = ()) -> Result:
    backends = ("--worker-backend", "opencode", "--reviewer-backend", "opencode")
    repo.extra |= {"FAKE_MODE": mode, "FAKE_ISSUES": json.dumps(issues)}
    common = ("--task", ".loop/task_card.json", "--dispatch-retries", "0")
    return repo.loop("run", "--auto-dispatch", *FAST, *common, *backends, *flags)


def test_a_whole_round_leaves_both_reports_and_an_approved_state(opencode: Repo) -> None:
    result = run(opencode, "--single-round", "--round", "1")
    assert result.code == 0, result.text
    assert opencode.json("work_report.json")["task_id"] == "T-001"
    assert opencode.json("review_report.json")["task_id"] == "T-001"
    state = opencode.json("state.json")
    assert (state["state"], state["outcome"]) == ("done", "approved")
    feed = (opencode.folder / "logs" / "feed.jsonl").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in feed]
    moves = [
        (event["data"]["from_state"], event["data"]["to_state"])
        for event in events
        if event["event"] == "state_transition"
    ]
    assert moves[-2:] == [("awaiting_work", "awaiting_review"), ("awaiting_review", "done")]


def test_a_session_is_resumed_by_the_next_process(opencode: Repo) -> None:
    first = run(opencode, "--single-round", "--round", "1", issues=(ISSUE,))
    assert first.code == 0, first.text
    state = opencode.json("state.json")
    assert (state["state"], state["round"]) == ("awaiting_work", 2)
    session = state["sessions"]["worker"]["session_id"]
    second = run(opencode, "--resume", "--max-rounds", "2")
    assert second.code == 0, second.text
    state = opencode.json("state.json")
    assert (state["state"], state["outcome"]) == ("done", "approved")
    assert state["sessions"]["worker"]["session_id"] == session
    log = (opencode.folder / "logs" / "worker_dispatch.log").read_text("utf-8")
    assert f"-s {session}" in log
    assert f"session_id={session}" in log


def test_a_backend_that_fails_is_named_in_the_state(opencode: Repo) -> None:
    assert run(opencode, "--single-round", "--round", "1", mode="fail").code == 2
    state = opencode.json("state.json")
    assert (state["state"], state["outcome"]) == ("done", "worker_dispatch_failed")
    assert "model not found" in state["error"]
