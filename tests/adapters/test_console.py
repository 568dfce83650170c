"""What a person sees: tidy lines, nothing that a terminal would obey, and no live line left."""

from __future__ import annotations

import io
import re

import pytest

from loop_kit.adapters.terminal.console import ConsoleReporter, console
from loop_kit.core.agent.activity import Activity
from loop_kit.core.loop.state import Limits, LoopState, Phase, Role, Usage


def test_an_attempt_is_reported_from_start_to_end() -> None:
    out = io.StringIO()
    reporter = ConsoleReporter(out)
    reporter.start_attempt(Role.WORKER, 1, 2, "codex")
    reporter.activity(Role.WORKER, Activity("Running", "ls"))
    reporter.activity(Role.WORKER, Activity("Running", "ls"))
    reporter.end_attempt(Role.WORKER, 1.25, "ended")
    reporter.warn("careful")
    assert out.getvalue().splitlines() == [
        "[worker] codex starts, attempt 2",
        "[worker] Running: ls",
        "[worker] ended after 1.2 s",
        "Warning: careful",
    ]


def test_a_round_and_a_verdict_are_said() -> None:
    out = io.StringIO()
    reporter = ConsoleReporter(out)
    state = LoopState(task_id="T-1", round=2, state=Phase.AWAITING_WORK, limits=Limits())
    reporter.event("state_transition", state, {"to_state": "awaiting_work", "to_round": 2})
    verdict = {"decision": "changes_required", "verified": False, "open": ["F1 [high] x"]}
    reporter.event("review_verdict", state, verdict)
    reporter.event("something else", state, {})
    assert out.getvalue().splitlines() == [
        "Round 2 of 3: T-1",
        "[verdict] changes required, verify FAILED",
        "[verdict]   F1 [high] x",
    ]


def test_control_characters_of_an_agent_are_dropped_and_long_lines_cut() -> None:
    out = io.StringIO()
    ConsoleReporter(out).activity(
        Role.WORKER, Activity("", "\x1b]0;owned\x07\x1b[2Jred\x08\nline\x00 " + "x" * 500)
    )
    assert "\x1b" not in out.getvalue()
    assert "\x08" not in out.getvalue()
    assert out.getvalue().count("\n") == 1
    assert len(out.getvalue()) < 140


def test_verbose_shows_the_whole_line_and_still_nothing_that_a_terminal_obeys() -> None:
    out = io.StringIO()
    ConsoleReporter(out, verbose=True).activity(Role.WORKER, Activity("", "\x1b[2J" + "x" * 500))
    assert "x" * 500 in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_a_terminal_that_cannot_show_a_character_shows_its_code() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    ConsoleReporter(out).note("→ ü")
    assert raw.getvalue() == b"\\u2192 \\xfc\n"


def test_no_live_line_is_left_behind_when_a_run_breaks_off() -> None:
    out = io.StringIO()
    with ConsoleReporter(out, live=True) as reporter:
        reporter.start_attempt(Role.WORKER, 1, 1, "[bold]codex")
        reporter.activity(Role.WORKER, Activity("", "[red]not markup[/red]"))
    assert reporter._line is None
    assert "[red]not markup[/red]" in out.getvalue()


def printed_lines(*activities: Activity, verbose: bool = False) -> list[str]:
    out = io.StringIO()
    reporter = ConsoleReporter(out, verbose=verbose)
    for activity in activities:
        reporter.activity(Role.WORKER, activity)
    return out.getvalue().splitlines()


def test_equal_actions_in_a_row_are_shown_once_and_equal_messages_each_time() -> None:
    run, said = Activity("Running", "make"), Activity("Message", "hm")
    assert printed_lines(run, run, said, said, run) == [
        "[worker] Running: make",
        "[worker] Message: hm",
        "[worker] Message: hm",
        "[worker] Running: make",
    ]


def test_what_has_only_begun_is_not_a_line_yet() -> None:
    assert printed_lines(Activity("Running", "make", "unknown", begins=True)) == []


def test_a_session_is_shown_once_over_all_attempts() -> None:
    out = io.StringIO()
    reporter = ConsoleReporter(out)
    for number in (1, 2):
        reporter.start_attempt(Role.WORKER, 1, number, "codex")
        reporter.activity(Role.WORKER, Activity("Session", "s-1"))
        reporter.end_attempt(Role.WORKER, 1, "ended")
    assert out.getvalue().count("Session: s-1") == 1


def test_a_line_that_is_no_event_ends_a_row_of_repeats() -> None:
    out = io.StringIO()
    reporter = ConsoleReporter(out)
    for line in ('{"type": "x"}', "plain text"):
        reporter.output(Role.WORKER, line)
        reporter.activity(Role.WORKER, Activity("Reading", "a.py"))
        reporter.activity(Role.WORKER, Activity("Reading", "a.py"))
    assert out.getvalue().splitlines() == ["[worker] Reading: a.py"] * 2


def test_a_line_has_120_characters_at_most() -> None:
    (line,) = printed_lines(Activity("Message", "word " * 100))
    assert len(line) == 120
    assert line.endswith("...")


def test_verbose_shows_every_line_as_it_was_printed() -> None:
    out = io.StringIO()
    reporter = ConsoleReporter(out, verbose=True)
    for line in ('{"type":"turn.started"}', "plain \x1b[31m", "  "):
        reporter.output(Role.REVIEWER, line)
    first, second = out.getvalue().splitlines()
    assert first == '[reviewer] | {"type":"turn.started"}'
    assert second.startswith("[reviewer] | plain")
    assert "\x1b" not in second


def test_without_verbose_what_is_no_event_is_hidden() -> None:
    out = io.StringIO()
    ConsoleReporter(out).output(Role.WORKER, "noise")
    assert out.getvalue() == ""


class Terminal(io.StringIO):
    """A terminal in memory."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [40, 80])
def test_the_live_line_fits_and_says_round_agent_time_and_money_before_the_last_action(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    usage = Usage(tokens_in=690_000, tokens_out=600, cost_usd=0.61)
    state = LoopState(task_id="T-1", round=2, usage=usage)
    with ConsoleReporter(out, live=True) as reporter:
        reporter.event("state_transition", state, {"to_state": "awaiting_work", "to_round": 2})
        reporter.start_attempt(Role.WORKER, 2, 1, "codex")
        long = "make " + "all " * 60
        reporter.activity(Role.WORKER, Activity("Running", long, "unknown", begins=True))
        assert reporter._line is not None
        reporter._line._progress.refresh()

    lines = [
        re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", part) for part in re.split(r"[\r\n]", out.getvalue())
    ]
    live = next(line for line in reversed(lines) if "0:0" in line)
    assert re.match(r"[^\w ] round", live), "what turns is there however long the line is"
    assert "round 2 of 3, worker (codex), 0:0" in live
    assert max(map(len, lines)) <= width
    if width == 80:
        assert ", 691k tokens, 0.61 USD: Running: make" in live


COLOURED = {
    "Warning: careful": "33",
    "Approved in round 2.": "32",
    "[verdict] approve, verify passed": "32",
    "[verdict] changes required, verify FAILED": "31",
    "[worker] Running: ls": "36",
    "[reviewer] Reading: a.py": "35",
}


@pytest.mark.parametrize(("line", "colour"), COLOURED.items())
def test_colours_have_a_meaning_in_a_terminal_and_are_nowhere_else(line: str, colour: str) -> None:
    plain, coloured = io.StringIO(), io.StringIO()
    ConsoleReporter(plain).note(line)
    ConsoleReporter(coloured, colours=True).note(line)

    assert plain.getvalue() == f"{line}\n"
    assert coloured.getvalue().startswith(f"\x1b[{colour}m")
    assert re.sub(r"\x1b\[\d*m", "", coloured.getvalue()) == f"{line}\n"


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)],
)
def test_no_color_and_dumb_terminals_get_none(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], *, coloured: bool
) -> None:
    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)

    console(environ, verbose=False).note("Approved in round 1.")

    assert ("\x1b[32m" in out.getvalue()) is coloured


def test_a_session_that_is_gone_is_said() -> None:
    out = io.StringIO()
    data = {"role": "worker", "status": "fallback_invalid_resume"}
    ConsoleReporter(out).event("dispatch_resume", LoopState(), data)
    assert "[worker] the session is gone: a new one is started" in out.getvalue()
