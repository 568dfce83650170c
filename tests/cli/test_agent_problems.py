"""What a backend's own errors make of a run, and that a test log makes nothing of it."""

from __future__ import annotations

import re
from typing import Any

from tests.cli.harness import Repo, Steps

STARTED = {"type": "thread.started", "thread_id": "th-1"}


def failing(*events: dict[str, Any], code: int = 1, stderr: str = "") -> Steps:
    told: Steps = [{"say": event} for event in events]
    return [*told, *([{"stderr": stderr}] if stderr else []), {"exit": code}]


def turn_failed(message: str) -> Steps:
    """How codex ends a turn that failed."""
    return failing(STARTED, {"type": "turn.failed", "error": {"message": message}})


def test_a_login_that_the_tests_of_the_project_lack_does_not_stop_the_loop(repo: Repo) -> None:
    log = "test_login: 401 Unauthorized, invalid api key, authentication failed"
    item = {"type": "command_execution", "command": "pytest", "aggregated_output": log}
    broken = failing(STARTED, {"type": "item.completed", "item": item}, stderr=log)
    repo.plan({"worker/1/1": broken})
    result = repo.run()
    assert result.code == 0, result.text
    assert repo.names == ["worker/1/1", "worker/1/2", "reviewer/1/1"]


def test_a_login_that_codex_lacks_stops_the_loop_at_once(repo: Repo) -> None:
    repo.plan({"worker": turn_failed("unexpected status 401 Unauthorized: no, url: http://x")})
    result = repo.run()
    assert result.code == 2
    assert repo.names == ["worker/1/1"]
    for words in ("not retrying", "401 Unauthorized", "codex login"):
        assert words in repo.state["error"]


def test_a_pause_that_codex_asks_for_is_made(repo: Repo) -> None:
    said = "rate limit exceeded: Rate limit reached. Please try again in 2s."
    repo.plan({"worker/1/1": turn_failed(said)})
    result = repo.run()
    assert result.code == 0, result.text
    assert re.findall(r"Waiting (\d+) s", result.out) == ["2"]


def test_a_pause_of_an_hour_is_left_to_the_user_and_the_loop_can_go_on(repo: Repo) -> None:
    said = "rate limit exceeded: Please try again in 3600s."
    repo.plan({"worker/1/1": turn_failed(said)})
    result = repo.run()
    assert result.code == 2
    assert "Waiting" not in result.out
    assert re.search(r"3600 s is due: try again after \d{4}-\d\d-\d\dT", repo.state["error"])
    assert repo.run("--resume").code == 0


def test_a_budget_of_claude_that_is_used_up_needs_a_person(repo: Repo) -> None:
    end = {"type": "result", "subtype": "error_max_turns", "is_error": True, "errors": ["2 turns"]}
    repo.plan({"worker": failing({"type": "system", "subtype": "init"}, end)})
    result = repo.run("--worker-backend", "claude")
    assert result.code == 7
    assert repo.names == ["worker/1/1"]
    assert repo.state["reasons"] == ["budget"]
    assert "--max-turns" in repo.state["error"]


def test_commits_with_a_report_count_although_the_backend_failed_afterwards(repo: Repo) -> None:
    done: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}, {"report": {}}]
    repo.plan({"worker": [*done, *turn_failed("Quota exceeded. Check your plan.")]})
    result = repo.run()
    assert result.code == 0, result.text
    assert repo.names == ["worker/1/1", "reviewer/1/1"]
