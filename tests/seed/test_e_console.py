"""E. The event stream of codex as the console shows it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.harness import TWO_ROUNDS, Repo, Steps
from tests.seed.helpers import DONE, activities, item, ran, saying, told

COMMANDS: dict[str, dict[str, Any]] = {
    "npm test": ran("npm test"),
    "python -m pytest -q": ran(["python", "-m", "pytest", "-q"]),
    "make all": item("command_execution", call={"command": "make all"}),
    "make some": item("command_execution", call={"command": ["make", "some"]}),
    "npm run build": ran('powershell.exe -NoProfile -Command "npm run build"'),
    "npm run lint": ran("pwsh -NoLogo -Command 'npm run lint'"),
    "go vet ./...": ran(r'"C:\Program Files\PowerShell\7\pwsh.exe" -Command "go vet ./..."'),
    "cargo fmt": ran("bash -lc 'cargo fmt'"),
}


def test_finished_commands_are_shown_without_their_wrappers(repo: Repo) -> None:
    assert told(repo, *COMMANDS.values()) == [f"[worker] Running: {text}" for text in COMMANDS]


def nested(depth: int, text: str) -> object:
    """`text` below `depth` objects and lists."""
    payload: object = text
    for level in range(depth):
        payload = {"text": payload} if level % 2 else [payload]
    return payload


def test_messages_are_shown_however_they_are_wrapped(repo: Repo) -> None:
    shown = told(
        repo,
        item("agent_message", text="one"),
        item("agent_message", text=["two", {"text": "and three"}]),
        item("agent_message", message={"content": [{"text": "four"}]}),
        item("agent_message", text=nested(4, "five")),
        item("agent_message", text=nested(40, "far too deep")),
    )
    assert shown[:4] == [
        "[worker] Message: one",
        "[worker] Message: two and three",
        "[worker] Message: four",
        "[worker] Message: five",
    ]
    assert "far too deep" not in "".join(shown)


def test_a_long_message_is_cut_and_its_white_space_is_collapsed(repo: Repo) -> None:
    (line,) = told(repo, item("agent_message", text="a \n\t b   c\n" + "long " * 100))
    text = line.removeprefix("[worker] Message: ")
    assert text.startswith("a b c long long ")
    assert 100 < len(text) <= 120
    assert text.endswith("...")


def test_edited_files_are_shown_by_as_much_of_their_path_as_tells_them_apart(repo: Repo) -> None:
    def changed(*paths: str) -> list[dict[str, str]]:
        return [{"path": path, "kind": "update"} for path in paths]

    shown = told(
        repo,
        item("file_change", changes=changed("a.py", "src/b.py")),
        {"type": "file_change", "changes": changed("top/level.py")},
        item("file_change", changes=changed("x/api/config.py", "x/tests/config.py")),
    )
    assert shown == [
        "[worker] Editing: a.py, b.py",
        "[worker] Editing: level.py",
        "[worker] Editing: api/config.py, tests/config.py",
    ]


def test_commands_that_only_read_are_shown_as_reading(repo: Repo) -> None:
    shown = told(
        repo,
        ran("cat src/calc.py"),
        ran("Get-Content README.md | Select-Object -First 5"),
        ran(["bash", "-lc", "cat notes.txt"]),
    )
    assert shown == [
        "[worker] Reading: calc.py",
        "[worker] Reading: README.md",
        "[worker] Reading: notes.txt",
    ]


CAT, READING = ran("cat calc.py"), "[worker] Reading: calc.py"
TEST, RUNNING = ran("npm test"), "[worker] Running: npm test"


@pytest.mark.parametrize(("event", "line"), [(CAT, READING), (TEST, RUNNING)])
def test_the_same_thing_again_and_again_is_shown_once(
    repo: Repo, event: dict[str, Any], line: str
) -> None:
    assert told(repo, event, event, event) == [line]


def test_something_else_between_two_equal_reads_shows_both(repo: Repo) -> None:
    assert told(repo, CAT, TEST, CAT) == [READING, RUNNING, READING]


def test_a_line_that_is_no_event_between_two_equal_reads_shows_both(repo: Repo) -> None:
    assert told(repo, CAT, "a plain line", CAT) == [READING, READING]


def test_something_else_between_two_equal_commands_shows_both(repo: Repo) -> None:
    assert told(repo, TEST, ran("npm run build"), TEST) == [
        RUNNING,
        "[worker] Running: npm run build",
        RUNNING,
    ]


def test_a_new_call_shows_again_what_the_last_one_showed(repo: Repo) -> None:
    second: Steps = [{"say": CAT}, {"write": {"calc.py": "VALUE = 2\n"}}, {"report": {}}]
    repo.plan({**TWO_ROUNDS, "worker/1": [{"say": CAT}, *DONE], "worker/2": second})
    result = repo.run()
    assert result.code == 0, result.text
    assert activities(result) == [READING, READING]


def test_what_is_said_twice_is_shown_twice(repo: Repo) -> None:
    said = item("agent_message", text="still at it")
    assert told(repo, said, said) == ["[worker] Message: still at it"] * 2


def test_what_tells_a_person_nothing_is_not_shown(repo: Repo) -> None:
    hidden = [
        {"type": "item.started", "item": {"type": "command_execution", "command": "hidden 1"}},
        {"type": "item.started", "item": {"type": "agent_message", "text": "hidden 2"}},
        {"type": "something.new", "text": "hidden 3", "message": "hidden 3"},
        item("something_new", text="hidden 4"),
        '{"type": "item.completed", "item": {"text": "hidden 5"',
        "hidden 6: plain text",
        "[1, 2]",
        {"type": "turn.started"},
        {"type": "turn.completed", "usage": {"input_tokens": 1, "output_tokens": 1}},
        {"type": "step_start"},
    ]
    repo.plan(saying(*hidden, item("agent_message", text="Turn started without me")))
    result = repo.run()
    assert result.code == 0, result.text
    assert activities(result) == ["[worker] Message: Turn started without me"]
    assert "hidden" not in result.text
    assert "Turn completed" not in result.text


def test_the_session_is_shown_once(repo: Repo) -> None:
    started = {"type": "thread.started", "thread_id": "th-7"}
    assert told(repo, started, TEST, started) == ["[worker] Session: th-7", RUNNING]


def test_verbose_shows_the_raw_lines_too(repo: Repo) -> None:
    raw = '{"type": "something.new", "text": "otherwise hidden"}'
    repo.plan(saying(raw, "a plain line", TEST))
    quiet = repo.run()
    (repo.root / "calc.py").write_text("VALUE = 0\n", "utf-8")
    repo.git("commit", "--quiet", "-am", "Back")
    loud = repo.run("--verbose")
    assert (quiet.code, loud.code) == (0, 0), quiet.text + loud.text
    for text in ("otherwise hidden", "a plain line"):
        assert text not in quiet.text
        assert text in loud.out
    assert raw in loud.out
