"""The events that a program of the operator hears: which, when, and under which names."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests import pages

from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.lifecycle import EVENTS, events_of, lifecycle_event
from loop_kit.core.loop.state import LoopState, Outcome, Phase, Usage

AT = "2026-11-28T14:00:00Z"
STATE = LoopState(
    task_id="T-1", round=2, pull_request_url="https://github.example/octo/demo/pull/8"
)
MOVES = {
    ("idle", "awaiting_work"): "loop.started",
    ("done", "awaiting_review"): "loop.continued",
    ("awaiting_review", "done"): "loop.ended",
    ("awaiting_work", "paused"): "loop.paused",
    ("awaiting_work", "awaiting_review"): None,
    ("paused", "awaiting_work"): None,
}


def _event(name: str, state: LoopState = STATE, **data: object) -> dict[str, Any]:
    event = lifecycle_event(name, state, data, AT)
    assert event is not None
    return event


@pytest.mark.parametrize(("move", "kind"), MOVES.items())
def test_a_loop_starts_continues_pauses_and_ends(move: tuple[str, str], kind: str | None) -> None:
    data = dict(zip(("from_state", "to_state"), move, strict=True))
    event = lifecycle_event("state_transition", STATE, data, AT)

    assert (event and event["event"]) == kind


def test_every_event_says_when_which_loop_and_where_to_look() -> None:
    assert _event("round_start") == {
        "event": "round.started",
        "time": AT,
        "loop.task_id": "T-1",
        "loop.round": 2,
        "loop.max_rounds": 3,
        "url": "https://github.example/octo/demo/pull/8",
    }


def test_an_attempt_has_the_names_of_opentelemetry() -> None:
    event = _event(
        "dispatch_fail",
        role="worker",
        backend="codex",
        attempt=2,
        returncode=1,
        problem="rate_limit",
        spent={"tokens_in": 900, "tokens_out": 20, "estimated_cost_usd": 0.4, "model": "gpt-5"},
    )

    expected = {
        "event": "attempt.ended",
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "worker",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 900,
        "gen_ai.usage.output_tokens": 20,
        "loop.estimated_cost_usd": 0.4,
        "loop.attempt": 2,
        "exit_code": 1,
        "error.type": "rate_limit",
    }
    assert expected.items() <= event.items()
    assert "loop.cost_usd" not in event


def test_an_end_says_how_why_and_what_it_cost() -> None:
    state = STATE.model_copy(
        update={
            "state": Phase.DONE,
            "outcome": Outcome.NEEDS_HUMAN,
            "reasons": ("contested",),
            "error": "F1 is disputed.",
            "usage": Usage(tokens_in=7, cost_usd=1.22, agent_seconds=185),
            "findings": (Finding(id="F1", round=1), Finding(id="F2", round=1, status="fixed")),
        }
    )
    event = _event("state_transition", state, from_state="awaiting_review", to_state="done")

    assert event["findings_open"] == ["F1"]
    assert (event["outcome"], event["reasons"]) == ("needs_human", ["contested"])
    assert (event["why"], event["loop.cost_usd"], event["loop.seconds"]) == (
        "F1 is disputed.",
        1.22,
        185,
    )


def test_what_is_for_the_feed_alone_is_no_event() -> None:
    assert lifecycle_event("heartbeat", STATE, {}, AT) is None


def test_the_page_lists_every_event_and_every_field() -> None:
    page = pages.text("docs/events.md")
    rows = dict(re.findall(r"^\| `(\w+\.\w+)` \| ([^|]+) \|$", page, re.MULTILINE))
    attempt = _event("dispatch_complete", role="worker", backend="codex", attempt=1, returncode=0)
    ended = _event("state_transition", from_state="awaiting_work", to_state="done")
    review = _event("review_verdict", decision="approve", verified=True)

    assert rows == EVENTS
    assert [name for name in (*attempt, *ended, *review) if f"`{name}`" not in page] == []


def test_of_the_jobs_of_a_round_one_reports_each_event() -> None:
    agents, publish = events_of("agents"), events_of("publish")

    assert agents == {"round.started", "attempt.started", "attempt.ended"}
    assert not agents & publish
    assert agents | publish == events_of("all") == events_of("claim") == set(EVENTS)
