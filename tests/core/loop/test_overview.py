"""A loop in a few lines, from states that are whole, damaged, or of another version."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loop_kit.core.loop.overview import (
    finding_lines,
    round_lines,
    running_line,
    usage_line,
    waiting_lines,
)

STATE: dict[str, Any] = {
    "round": 2,
    "limits": {"max_rounds": 3, "max_cost_usd": 5, "max_minutes": 30, "max_tokens": 2_000_000},
    "usage": {
        "rounds": 2,
        "agent_seconds": 185.2,
        "tokens_in": 690_600,
        "tokens_out": 32_492,
        "cost_usd": 1.22,
        "estimated_cost_usd": 0.4,
    },
    "findings": [
        {
            "id": "F1",
            "severity": "high",
            "file": "calc.py",
            "line": 6,
            "reason": "double\nstill multiplies by 3",
            "round": 1,
            "status": "open",
        },
        {"id": "F2", "status": "fixed"},
    ],
    "history": [
        {
            "round": 1,
            "decision": "changes_required",
            "verified": False,
            "lines_added": 2,
            "lines_deleted": 1,
            "new_findings": ["F1", "F2"],
            "attempts": [
                {"role": "worker", "backend": "codex", "seconds": 60, "estimated_cost_usd": 0.4},
                {"role": "reviewer", "backend": "claude", "seconds": 35, "cost_usd": 0.61},
            ],
        },
        {"round": 2, "lines_added": 1, "lines_deleted": 1},
    ],
    "attempt": {"role": "reviewer", "started_at": "2026-11-28T14:00:00Z"},
}


def test_what_is_used_stands_beside_its_limits() -> None:
    assert usage_line(STATE) == (
        "2 of 3 rounds, 3 min of 30 min, 723k of 2.0M tokens, 1.22 USD + ~0.40 USD of 5.00 USD"
    )


def test_what_is_not_reported_is_unknown_and_what_has_not_begun_is_nothing() -> None:
    assert usage_line({"usage": {"rounds": 1, "agent_seconds": 3}}) == "1 round, 3 s, cost unknown"
    assert usage_line({}) is None


def test_open_findings_have_a_place_a_reason_and_their_round() -> None:
    assert finding_lines(STATE) == [
        "F1 high calc.py:6 double still multiplies by 3 (since round 1)"
    ]


def test_each_round_says_what_came_of_it_what_it_took_and_by_whom() -> None:
    assert round_lines(STATE) == [
        "1: changes required, verify failed, F1, F2 new, +2 -1, 2 min,"
        " 0.61 USD + ~0.40 USD, codex, claude",
        "2: no verdict, +1 -1",
    ]


def test_of_many_rounds_the_last_ones_are_shown() -> None:
    lines = round_lines({"history": [{"round": n} for n in range(1, 41)]})

    assert lines[0] == "... 30 earlier rounds"
    assert [line.split(":")[0] for line in lines[1:]] == [str(n) for n in range(31, 41)]


def test_the_running_agent_is_named_with_its_time() -> None:
    at_four_past_two = 1_795_874_640
    assert running_line(STATE, at_four_past_two) == "reviewer in round 2 for 4 min"
    assert running_line({}, at_four_past_two) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*STATE, *STATE["usage"], *STATE["findings"][0], *STATE["history"][0]]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_the_checks_that_an_approval_waits_for_are_listed() -> None:
    assert waiting_lines({**STATE, "waiting_for": ["build", "li\nnt"]}) == ["build", "li nt"]
    assert waiting_lines({**STATE, "waiting_for": ["x"] * 12})[-1] == "... 2 more"


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.dictionaries(st.sampled_from([*STATE, "waiting_for"]), JSON))
def test_a_damaged_state_is_shown_as_far_as_it_can_be_read(state: dict[str, Any]) -> None:
    lines = [*finding_lines(state), *round_lines(state), *waiting_lines(state)]
    lines += [usage_line(state), running_line(state, 0)]

    assert [line for line in lines if line is not None and "\n" in line] == []


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", None, 7])
def test_a_time_that_is_none_leaves_the_time_out(text: object) -> None:
    state = {**STATE, "attempt": {"role": "worker", "started_at": text}}

    assert running_line(state, 0) == "worker in round 2"
