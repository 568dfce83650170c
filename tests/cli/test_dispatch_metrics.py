"""`loop dispatch-metrics` over feeds that were written by hand, also by a hostile one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.harness import assert_refused

if TYPE_CHECKING:
    from tests.cli.harness import Repo

METRICS = ["startup_ms", "context_to_work_ms", "work_to_artifact_ms", "total_ms"]
SUBPHASES = ["read_ms", "search_ms", "edit_ms", "test_ms", "unknown_ms"]


def event(total: object, **data: object) -> bytes:
    """A line of the feed for an attempt that took `total` ms."""
    body = {"task_id": "T-001", "role": "worker", "total_ms": total, **data}
    entry = {"ts": "x", "level": "info", "event": "dispatch_phase_metrics", "data": body}
    return json.dumps(entry).encode() + b"\n"


def write(repo: Repo, *lines: bytes, name: str = "feed.jsonl") -> Path:
    path = repo.folder / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def counted(repo: Repo, *args: str) -> dict[str, Any]:
    """What `--json` says."""
    body: dict[str, Any] = json.loads(repo.loop("dispatch-metrics", "--json", *args).out)
    return body


def cells(text: str) -> list[list[str]]:
    """The rows of all tables, cell by cell."""
    return [
        [cell.strip() for cell in line.split(" | ")] for line in text.splitlines() if " | " in line
    ]


def test_the_tables_show_each_metric_with_count_average_and_percentiles(repo: Repo) -> None:
    attempt = {"startup_ms": 120, "work_to_artifact_ms": 3000, "read_ms": 100, "read_count": 2}
    write(repo, event(4000, **attempt, search_ms=None), event(5001, startup_ms=121.5))
    shown = repo.loop("dispatch-metrics")
    rows = cells(shown.out)

    assert (shown.code, shown.err) == (0, "")
    header = ["metric", "count", "missing", "avg_ms", "p50_ms", "p95_ms"]
    assert [row for row in rows if row[0] == "metric"] == [header, header]
    assert [row[0] for row in rows if row[0] != "metric"] == METRICS + SUBPHASES
    assert ["startup_ms", "2", "0", "120.8", "120.0", "121.5"] in rows
    assert ["total_ms", "2", "0", "4500.5", "4000.0", "5001.0"] in rows
    assert ["read_ms", "1", "1", "100.0", "100.0", "100.0"] in rows
    assert ["search_ms", "0", "2", "n/a", "n/a", "n/a"] in rows


def test_task_and_role_choose_the_attempts(repo: Repo) -> None:
    reviewed = event(2, role="reviewer")
    write(repo, event(1), reviewed, event(4, task_id="T-002"), event(8, task_id=["T-001"]))

    assert counted(repo)["attempts"] == 4
    assert counted(repo, "--role", "all", "--task-id", "T-001")["attempts"] == 2
    assert counted(repo, "--role", "reviewer")["metrics"]["total_ms"]["avg_ms"] == 2
    chosen = counted(repo, "--role", "worker", "--task-id", "T-002")
    assert (chosen["task_id"], chosen["role"], chosen["attempts"]) == ("T-002", "worker", 1)
    assert chosen["metrics"]["total_ms"] == {
        "count": 1,
        "missing": 0,
        "avg_ms": 4,
        "p50_ms": 4,
        "p95_ms": 4,
    }
    assert list(chosen["metrics"]) == METRICS + SUBPHASES


def test_an_unknown_role_is_a_usage_error(repo: Repo) -> None:
    refused = repo.loop("dispatch-metrics", "--role", "boss")

    assert refused.code == 2
    assert "'boss' is not one of 'all', 'worker', 'reviewer'" in " ".join(refused.err.split())


def test_rotated_feeds_are_counted_too(repo: Repo) -> None:
    for number, name in enumerate(("feed.jsonl", "feed.jsonl.1", "feed.jsonl.2", "feed.jsonl.3")):
        write(repo, event(10**number), name=name)
    write(repo, event(10**9), name="feed.jsonl.4")

    total = counted(repo)["metrics"]["total_ms"]
    assert (total["count"], total["avg_ms"]) == (4, round(1111 / 4, 1))


def test_without_a_feed_there_are_tables_of_zeros_and_one_line_says_why(repo: Repo) -> None:
    shown = repo.loop("dispatch-metrics")

    assert shown.code == 0
    assert shown.out.splitlines()[-1].startswith("There is no feed yet")
    assert {tuple(row[1:]) for row in cells(shown.out) if row[0] != "metric"} == {
        ("0", "0", "n/a", "n/a", "n/a")
    }
    assert counted(repo)["attempts"] == 0


def test_a_feed_without_a_match_says_so(repo: Repo) -> None:
    write(repo, event(1))

    shown = repo.loop("dispatch-metrics", "--task-id", "T-9\x1b[31m")
    assert shown.code == 0
    assert "Task: T-9, role: all" in shown.out
    assert "no dispatch_phase_metrics event that matches" in shown.out.splitlines()[-1]


def test_lines_that_are_not_ours_are_passed_over(repo: Repo) -> None:
    mebibyte = 1024 * 1024
    good = event(1)
    longest = good[:-1] + b" " * (mebibyte - len(good) + 1) + b"\n"
    write(
        repo,
        good,
        event(100, padding="x" * mebibyte),
        event(100, padding="x" * (3 * mebibyte)),
        good,
        b"\xff" + good,
        good.replace(b'"x"', b'"\xff"'),
        b"[" * 200_000 + b'"dispatch_phase_metrics"\n',
        b'["dispatch_phase_metrics"]\n"dispatch_phase_metrics"\n\n\x00\n',
        b'{"event": "dispatch_phase_metrics"}\n',
        b'{"event": "dispatch_phase_metrics", "data": [1]}\n',
        b'{"event": ["dispatch_phase_metrics"], "data": {"total_ms": 100}}\n',
        b'{"event": "log", "data": {"message": "dispatch_phase_metrics"}}\n',
        good.replace(b": 1", b": " + b"9" * 5000),
        longest,
        good[:-1],
        b"\n",
        good[: len(good) // 2],
    )

    found = counted(repo)
    assert found["metrics"]["total_ms"] == {
        "count": 4,
        "missing": 0,
        "avg_ms": 1,
        "p50_ms": 1,
        "p95_ms": 1,
    }


def test_values_that_are_no_times_are_missing(repo: Repo) -> None:
    odd: list[object] = [None, True, "5", -1, {}, float("nan"), float("inf"), 10**400]
    write(repo, *(event(value) for value in odd), event(3))

    total = counted(repo)["metrics"]["total_ms"]
    assert (total["count"], total["missing"], total["avg_ms"]) == (1, len(odd), 3)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "no folder"])
def test_a_feed_that_is_no_file_is_refused(repo: Repo, kind: str) -> None:
    path = write(repo, event(1), name="feed.jsonl.2")
    path.unlink()
    if kind == "link":
        path.symlink_to(repo.root / "calc.py")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.parent.rmdir()
        path.parent.write_text("")

    assert_refused(repo.loop("dispatch-metrics"), 3, "logs/feed.jsonl")


def test_another_folder_of_a_loop_can_be_named_from_a_subfolder(repo: Repo) -> None:
    write(repo, event(1))
    repo.folder.rename(repo.root / ".other")
    (repo.root / "sub").mkdir()

    shown = repo.loop("dispatch-metrics", "--loop-dir", ".other", cwd=repo.root / "sub")
    assert ["total_ms", "1", "0", "1.0", "1.0", "1.0"] in cells(shown.out)
    assert f"Feed: {repo.root / '.other' / 'logs' / 'feed.jsonl'}" in shown.out


def attempt(role: str, **fields: object) -> dict[str, object]:
    return {"role": role, "number": 1, "backend": "claude", **fields}


def write_state(repo: Repo) -> None:
    """A loop in its second round: the first cost money, of the second one nothing is known yet."""
    first = [
        attempt("worker", seconds=65.0, tokens_in=900, tokens_out=100, cost_usd=0.5),
        attempt("worker", seconds=5.0, cost_usd=0.25),
        attempt("reviewer", seconds=30.0, backend="codex", estimated_cost_usd=0.1),
    ]
    state = {
        "task_id": "T-001",
        "round": 2,
        "history": [{"round": 1, "attempts": first}],
        "attempts": [attempt("worker", seconds=None, backend="evil\x1b[31m")],
    }
    (repo.folder / "state.json").parent.mkdir(exist_ok=True)
    (repo.folder / "state.json").write_text(json.dumps(state))


def test_each_round_is_shown_with_time_tokens_and_money_by_role(repo: Repo) -> None:
    write_state(repo)
    shown = repo.loop("dispatch-metrics")
    rows = cells(shown.out)

    assert rows[:4] == [
        ["round", "role", "backend", "attempts", "time", "tokens", "cost"],
        ["1", "worker", "claude", "2", "1 min", "1k", "0.75 USD"],
        ["1", "reviewer", "codex", "1", "30 s", "unknown", "~0.10 USD"],
        ["2", "worker", rows[3][2], "1", "unknown", "unknown", "unknown"],
    ]
    assert "\x1b" not in shown.out


def test_the_rounds_are_in_the_json_and_follow_task_and_role(repo: Repo) -> None:
    write_state(repo)
    rounds = counted(repo, "--role", "reviewer")["rounds"]
    assert [(each["round"], each["seconds"]) for each in rounds] == [(1, 30.0)]
    assert rounds[0]["estimated_cost_usd"] == 0.1
    assert len(counted(repo, "--task-id", "T-001")["rounds"]) == 3
    assert counted(repo, "--task-id", "T-002")["rounds"] == []
    (repo.folder / "state.json").write_text('{"history": [1, {"attempts": 7}], "attempts": [{}]}')
    assert counted(repo)["rounds"][0]["role"] == "None"
