"""What is made of an agent's stream: the same few words for every backend."""

from __future__ import annotations

import pytest

from loop_kit.core.agent.activity import command, edit, message, session, tool


def lines(activities: object) -> list[str]:
    return [each.line for each in activities]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "shown", "kind"),
    [
        ("npm test", "Running: npm test", "test"),
        (["bash", "-lc", "pytest -q"], "Running: pytest -q", "test"),
        ("/bin/bash -lc 'cat src/a.py'", "Reading: a.py", "read"),
        ("bash -lc \"sed -n '1,5p' src/a.py\"", "Reading: a.py", "read"),
        ("rg -n needle src", "Running: rg -n needle src", "search"),
        ('powershell.exe -NoProfile -Command "Get-Content a.md"', "Reading: a.md", "read"),
        ("make", "Running: make", "unknown"),
    ],
)
def test_a_command_is_shown_without_its_wrapper(value: object, shown: str, kind: str) -> None:
    (found,) = command(value)
    assert (found.line, found.category) == (shown, kind)


@pytest.mark.parametrize("value", [None, "", {}, 7, [], [None], {"a": 1}])
def test_what_is_no_command_is_nothing(value: object) -> None:
    assert list(command(value)) == []


def test_files_are_named_by_as_much_of_their_path_as_tells_them_apart() -> None:
    paths = ["src/api/config.py", "src/tests/config.py", "README.md"]
    assert lines(edit(paths)) == ["Editing: api/config.py, tests/config.py, README.md"]


def test_no_more_than_three_files_are_named() -> None:
    assert lines(edit([f"d/{n}.py" for n in range(5)])) == ["Editing: 0.py, 1.py, 2.py (+2 more)"]
    assert lines(edit([])) == []


def test_the_same_file_twice_is_one_file() -> None:
    assert lines(edit(["a.py", "a.py"])) == ["Editing: a.py"]


@pytest.mark.parametrize(
    ("name", "given", "shown", "kind"),
    [
        ("Read", {"file_path": "/w/src/a.py"}, "Reading: src/a.py", "read"),
        ("read", {"filePath": "b.py"}, "Reading: b.py", "read"),
        ("Edit", {"file_path": "/w/a.py"}, "Editing: a.py", "edit"),
        ("write", {"filePath": "/w/a.py"}, "Writing: a.py", "edit"),
        ("Bash", {"command": "go test ./..."}, "Running: go test ./...", "test"),
        ("bash", {"command": "cat /w/a.py"}, "Reading: a.py", "read"),
        ("Grep", {"pattern": "x+", "path": "/w"}, "Searching: x+", "search"),
        ("glob", {"pattern": "**/*.py"}, "Searching: **/*.py", "search"),
        ("WebFetch", {"url": "https://example.org"}, "Fetching: https://example.org", "search"),
        ("TodoWrite", {"todos": []}, "Tool: TodoWrite", "unknown"),
        ("Bash", {}, "Running: Bash", "unknown"),
        ("Read", None, "Reading: Read", "read"),
        ("Read", ["x"], "Reading: Read", "read"),
    ],
)
def test_tools_of_all_backends_share_their_words(
    name: str, given: object, shown: str, kind: str
) -> None:
    (found,) = tool(name, given, "/w")
    assert (found.line, found.category) == (shown, kind)


def test_a_tool_without_a_name_is_nothing() -> None:
    assert list(tool("", {})) == []


NESTED: object = "deep"
for _ in range(30):
    NESTED = {"content": [NESTED]}


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ("plain", ["Message: plain"]),
        ({"text": "one"}, ["Message: one"]),
        ({"content": [{"type": "text", "text": "a"}, {"text": "b"}]}, ["Message: a b"]),
        ([{"message": {"content": "in"}}, 7, None], ["Message: in"]),
        ({"other": "x"}, []),
        ("  \n", []),
        (None, []),
        (NESTED, []),
    ],
)
def test_a_message_is_found_in_what_its_backend_wraps_it_in(
    payload: object, said: list[str]
) -> None:
    assert lines(message(payload)) == said


def test_only_what_is_done_has_a_category() -> None:
    (text,) = message("hello")
    assert (text.category, text.is_message) == (None, True)
    assert lines(session("s-1")) == ["Session: s-1"]
    assert list(session("")) == []
