"""The feed: one JSON object a line, whatever is said."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock, RecordingReporter

from loop_kit.adapters.loop_dir.feed import FeedReporter, Tee
from loop_kit.core.agent.activity import Activity
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.secrets.redaction import Redactor


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_events_are_lines_with_time_level_and_task(tmp_path: Path) -> None:
    feed = FeedReporter(tmp_path, FakeClock())
    feed.event("dispatch_start", LoopState(task_id="T-1", round=2), {"role": "worker"})
    feed.event("dispatch_fail", LoopState(task_id="T-1", round=2), {})
    feed.note("hello")
    feed.warn("careful")
    found = entries(tmp_path / "feed.jsonl")
    assert found[0] == {
        "ts": "2030-01-01T00:00:01Z",
        "level": "info",
        "event": "dispatch_start",
        "data": {"task_id": "T-1", "round": 2, "role": "worker"},
    }
    assert [entry["level"] for entry in found] == ["info", "error", "info", "warning"]
    assert [entry["msg"] for entry in entries(tmp_path / "orchestrator.log")] == [
        "hello",
        "careful",
    ]


def test_a_message_with_line_ends_and_halves_of_characters_is_one_line(tmp_path: Path) -> None:
    FeedReporter(tmp_path, FakeClock()).note("a\nb\r\n\u2028 \ud800 \x00")
    assert len((tmp_path / "feed.jsonl").read_bytes().splitlines()) == 1
    assert "a\nb" in entries(tmp_path / "feed.jsonl")[0]["data"]["message"]


def test_what_an_agent_says_is_not_in_the_feed(tmp_path: Path) -> None:
    feed = FeedReporter(tmp_path, FakeClock())
    feed.start_attempt(Role.WORKER, 1, 1, "codex")
    feed.activity(Role.WORKER, Activity("", "s3cret"))
    feed.end_attempt(Role.WORKER, 1, "ended")
    assert not (tmp_path / "feed.jsonl").exists()


def test_tee_forwards_the_same_to_every_reporter() -> None:
    one, two = RecordingReporter(), RecordingReporter()
    tee = Tee(one, two)
    tee.note("n")
    tee.warn("w")
    tee.event("e", LoopState(), {})
    tee.start_attempt(Role.WORKER, 1, 1, "x")
    tee.activity(Role.WORKER, Activity("", "a"))
    tee.end_attempt(Role.WORKER, 1, "z")
    assert vars(one) == vars(two)
    assert (one.notes, one.warnings, one.activities, one.endings) == (["n"], ["w"], ["a"], ["z"])


def test_no_reporter_gets_a_secret_in_any_form() -> None:
    key = "s3cr3t-0123456789-token"
    hidden = base64.b64encode(key.encode()).decode()
    one = RecordingReporter()
    tee = Tee(one, redact=Redactor([key]))
    tee.note(f"n {hidden}")
    tee.warn(f"w {key[:12]}")
    tee.event("e", LoopState(), {"open": [f"F1 {key}"], "round": 1})
    tee.activity(Role.WORKER, Activity("Run", f"echo {key.encode().hex()}"))

    assert (one.notes, one.warnings) == (["n ***"], ["w ***"])
    assert key[:8] not in str(vars(one))
    assert key.encode().hex()[:16] not in str(vars(one))


def test_a_feed_that_can_be_written_again_goes_on_and_was_warned_of_once(tmp_path: Path) -> None:
    warnings: list[str] = []
    (tmp_path / "feed.jsonl").mkdir()
    (tmp_path / "orchestrator.log").mkdir()
    feed = FeedReporter(tmp_path, FakeClock(), warnings.append)
    feed.note("lost")
    feed.warn("lost too")
    for name in ("feed.jsonl", "orchestrator.log"):
        (tmp_path / name).rmdir()
    feed.note("kept")
    assert len(warnings) == 1
    why = "Permission denied" if os.name == "nt" else "Is a directory"
    assert f"feed.jsonl cannot be written ({why})" in warnings[0]
    assert [entry["data"]["message"] for entry in entries(tmp_path / "feed.jsonl")] == ["kept"]
