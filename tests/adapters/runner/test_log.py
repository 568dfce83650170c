"""The log of a job: whatever an agent prints, the runner takes no command from it.

`Runner` reads a log as the Actions runner does: `::name ...::data` at the start of a line, after
blanks, and `##[name]` anywhere; nothing between `stop-commands` and its token.
"""

from __future__ import annotations

import io
import re
import time

import pytest

from loop_kit.adapters.runner.log import ActionsLog
from loop_kit.core.agent.activity import Activity
from loop_kit.core.loop.state import LoopState, Role

NEW = re.compile(r"\s*::([A-Za-z-]+)(?:\s+[^:]*)?::(.*)")
OLD = re.compile(r"##\[([^\]\s]+)[^\]]*\](.*)")


def commands(log: str) -> list[tuple[str, str]]:
    """The commands that a runner would carry out."""
    found, token = [], ""
    for line in re.split(r"\r\n|\r|\n", log):
        if token:
            token = "" if line.strip() == f"::{token}::" else token
            continue
        new, old = NEW.match(line), OLD.search(line)
        if new and new[1] == "stop-commands":
            token = new[2]
        elif new:
            found.append((new[1], new[2]))
        elif old:
            found.append((old[1], old[2]))
    assert not token, "command processing stays stopped"
    return found


ATTACKS = [
    "::set-output name=x::y",
    "  ::add-path::/evil",
    "\t::error::x",
    "\x1b[0m::add-mask::a",
    "\u200b::warning::x",
    "ok\n::set-env name=A::b",
    "ok\r::add-path::/evil",
    "ok\r\n::add-path::/evil",
    "ok\u2028::add-path::/evil",
    "ok\x85::add-path::/evil",
    "##[add-path]/evil",
    "x ##[error]x",
    "###[command]x",
    "##\u200b[error]x",
    "::stop-commands::mine\n::mine::",
    "::endgroup::",
    "\ud800::error::x",
]


def written(act: object) -> str:
    out = io.StringIO()
    log = ActionsLog(out)
    act(log)  # type: ignore[operator]
    log.close()
    return out.getvalue()


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_an_agent_prints_is_a_command(attack: str) -> None:
    def act(log: ActionsLog) -> None:
        log.start_attempt(Role.WORKER, 1, 1, "codex")
        log.activity(Role.WORKER, Activity("", attack))
        log.end_attempt(Role.WORKER, 1, "ended")

    assert [name for name, _ in commands(written(act))] == ["group", "endgroup"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_reaches_a_note_or_a_verdict_is_a_command(attack: str) -> None:
    def act(log: ActionsLog) -> None:
        log.note(attack)
        verdict = {"decision": "approve", "verified": None, "open": [attack], "round": 1}
        log.event("review_verdict", LoopState(), verdict)

    assert commands(written(act)) == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_annotation_is_one_command_whatever_it_says(attack: str) -> None:
    found = commands(written(lambda log: [log.warn(attack), log.fail(attack)]))
    assert [name for name, _ in found] == ["warning", "error"]


def test_the_token_is_new_each_time_and_the_agent_cannot_end_it() -> None:
    def act(log: ActionsLog) -> None:
        for attempt in (1, 2):
            log.start_attempt(Role.WORKER, 1, attempt, "codex")
            log.activity(Role.WORKER, Activity("", "::" + "0" * 32 + "::"))
            log.end_attempt(Role.WORKER, 1, "ended")

    text = written(act)
    tokens = re.findall(r"::stop-commands::([0-9a-f]+)", text)
    assert (len(set(tokens)), {len(token) for token in tokens}) == (2, {32})
    assert [name for name, _ in commands(text)] == ["group", "endgroup"] * 2


def test_a_secret_of_several_lines_is_masked_line_by_line() -> None:
    found = commands(written(lambda log: log.mask("one%\ntwo")))
    assert found == [("add-mask", "one%25"), ("add-mask", "two")]


def test_an_agents_lines_say_whose_they_are_and_repeats_are_shown_once() -> None:
    def act(log: ActionsLog) -> None:
        log.start_attempt(Role.REVIEWER, 2, 1, "claude")
        for _ in range(3):
            log.activity(Role.REVIEWER, Activity("", "Reading: a.py"))
        log.end_attempt(Role.REVIEWER, 12.34, "ended")

    lines = written(act).splitlines()
    assert lines.count("[reviewer] Reading: a.py") == 1
    assert lines[0] == "::group::Round 2, reviewer (claude), attempt 1"
    assert lines[-1] == "[reviewer] ended after 12.3 s"


def test_a_log_that_cannot_show_a_character_shows_its_code() -> None:
    raw = io.BytesIO()
    log = ActionsLog(io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    log.note("ümlaut")
    log.close()
    assert raw.getvalue() == b"\\xfcmlaut\n"


def wait_for(line: str, out: io.StringIO) -> None:
    deadline = time.monotonic() + 20
    while line not in out.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert f"{line}\n" in out.getvalue()


def test_an_agent_that_is_quiet_gets_a_line_and_none_after_its_end() -> None:
    out = io.StringIO()
    log = ActionsLog(out, quiet_seconds=0.02)
    log.start_attempt(Role.WORKER, 1, 1, "codex")
    wait_for("[worker] running for 0 s", out)
    log.end_attempt(Role.WORKER, 1.0, "ended")
    at_the_end = out.getvalue()
    wait_for("The job is running for 0 s", out)
    log.close()
    closed = out.getvalue()
    time.sleep(0.1)

    assert "[worker]" not in out.getvalue().removeprefix(at_the_end)
    assert out.getvalue() == closed


def test_what_takes_long_without_an_agent_gets_lines_too() -> None:
    out = io.StringIO()
    log = ActionsLog(out, quiet_seconds=0.02)
    log.note("Running the verify commands at 0123456789.")
    wait_for("The job is running for 0 s", out)
    log.close()

    assert "[worker]" not in out.getvalue()


def test_a_minute_of_silence_is_long() -> None:
    assert ActionsLog(io.StringIO())._quiet_seconds == 60


def test_an_agent_that_talks_gets_no_line_of_ours() -> None:
    out = io.StringIO()
    log = ActionsLog(out)
    log.start_attempt(Role.WORKER, 1, 1, "codex")
    log.activity(Role.WORKER, Activity("Running", "ls"))
    log.end_attempt(Role.WORKER, 1.0, "ended")
    log.close()

    assert "running for" not in out.getvalue()
