"""What a person sees: tidy lines, nothing that a terminal would obey, and no live line left."""

from __future__ import annotations

import io

from loop_kit.adapters.console import ConsoleReporter
from loop_kit.core.state import Limits, LoopState, Phase, Role


def test_an_attempt_is_told_from_start_to_end() -> None:
    out = io.StringIO()
    shown = ConsoleReporter(out)
    shown.attempt_started(Role.WORKER, 1, 2, "codex")
    shown.activity(Role.WORKER, "Running: ls")
    shown.activity(Role.WORKER, "Running: ls")
    shown.attempt_ended(Role.WORKER, 1.25, "ended")
    shown.warn("careful")
    assert out.getvalue().splitlines() == [
        "[worker] codex starts, attempt 2",
        "[worker] Running: ls",
        "[worker] ended after 1.2 s",
        "Warning: careful",
    ]


def test_a_round_and_a_verdict_are_said() -> None:
    out = io.StringIO()
    shown = ConsoleReporter(out)
    state = LoopState(task_id="T-1", round=2, state=Phase.AWAITING_WORK, limits=Limits())
    shown.event("state_transition", state, {"to_state": "awaiting_work", "to_round": 2})
    verdict = {"decision": "changes_required", "verified": False, "open": ["F1 [high] x"]}
    shown.event("review_verdict", state, verdict)
    shown.event("something else", state, {})
    assert out.getvalue().splitlines() == [
        "Round 2 of 3: T-1",
        "[verdict] changes required, verify FAILED",
        "[verdict]   F1 [high] x",
    ]


def test_control_characters_of_an_agent_are_dropped_and_long_lines_cut() -> None:
    out = io.StringIO()
    ConsoleReporter(out).activity(
        Role.WORKER, "\x1b]0;owned\x07\x1b[2Jred\x08\nline\x00 " + "x" * 500
    )
    assert "\x1b" not in out.getvalue()
    assert "\x08" not in out.getvalue()
    assert out.getvalue().count("\n") == 1
    assert len(out.getvalue()) < 140


def test_verbose_shows_the_whole_line_and_still_nothing_that_a_terminal_obeys() -> None:
    out = io.StringIO()
    ConsoleReporter(out, verbose=True).activity(Role.WORKER, "\x1b[2J" + "x" * 500)
    assert "x" * 500 in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_a_terminal_that_cannot_show_a_character_shows_its_code() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    ConsoleReporter(out).note("→ \ud800")
    assert raw.getvalue() == b"\\u2192 \\ud800\n"


def test_no_live_line_is_left_behind_when_a_run_breaks_off() -> None:
    out = io.StringIO()
    with ConsoleReporter(out, live=True) as shown:
        shown.attempt_started(Role.WORKER, 1, 1, "[bold]codex")
        shown.activity(Role.WORKER, "[red]not markup[/red]")
    assert shown._status is None
    assert "[red]not markup[/red]" in out.getvalue()
