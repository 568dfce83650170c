"""What every reporter promises: it takes whatever is said, in any order, and never raises."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fakes import FakeClock, RecordingReporter

from loop_kit.adapters.loop_dir.feed import FeedReporter, Tee
from loop_kit.adapters.runner.log import ActionsLog
from loop_kit.adapters.terminal.console import ConsoleReporter
from loop_kit.core.agent.activity import Activity
from loop_kit.core.loop.state import LoopState, Phase, Role
from loop_kit.ports import Reporter

MAKERS: dict[str, Callable[[Path], Reporter]] = {
    "recording": lambda folder: RecordingReporter(),
    "console": lambda folder: ConsoleReporter(io.StringIO()),
    "verbose console": lambda folder: ConsoleReporter(io.StringIO(), verbose=True),
    "actions log": lambda folder: ActionsLog(io.StringIO()),
    "feed": lambda folder: FeedReporter(folder, FakeClock()),
    "tee": lambda folder: Tee(RecordingReporter(), ConsoleReporter(io.StringIO())),
}
TEXTS = ["", "plain", "two\nlines", "::error::x", "\x1b[31m\x00\ud800", "x" * 100_000, "[bold]"]
MOVE = {"from_state": "idle", "to_state": "awaiting_work", "from_round": 0, "to_round": 1}


@pytest.fixture(params=list(MAKERS.values()), ids=list(MAKERS))
def reporter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reporter]:
    made: Reporter = request.param(tmp_path)
    yield made
    if isinstance(made, ActionsLog):
        made.close()


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_any_text_can_be_reported(reporter: Reporter, text: str) -> None:
    reporter.note(text)
    reporter.warn(text)
    reporter.fail(text)
    reporter.start_attempt(Role.WORKER, 1, 1, text)
    reporter.output(Role.WORKER, text)
    reporter.activity(Role.WORKER, Activity("Running", text, "read", begins=True))
    reporter.activity(Role.WORKER, Activity("Message", text))
    assert reporter.end_attempt(Role.WORKER, 0.1, text) is None


def test_every_event_can_be_reported(reporter: Reporter) -> None:
    state = LoopState(task_id="T-001", round=1, state=Phase.AWAITING_WORK)
    verdict = {"decision": "approve", "verified": True, "open": ["F1 [high] x"], "round": 1}
    reporter.event("state_transition", state, MOVE)
    reporter.event("review_verdict", state, verdict)
    reporter.event("dispatch_fail", state, {"role": "worker", "returncode": 1})
    assert reporter.event("of the future", state, {"path": "x"}) is None


def test_an_attempt_that_never_ended_does_not_hinder_the_next(reporter: Reporter) -> None:
    reporter.activity(Role.REVIEWER, Activity("", "early"))
    reporter.start_attempt(Role.WORKER, 1, 1, "x")
    reporter.start_attempt(Role.WORKER, 1, 2, "x")
    reporter.end_attempt(Role.WORKER, 0, "ended")
    assert reporter.end_attempt(Role.WORKER, 0, "ended") is None
