"""The context files: lessons are written down, and nothing that cannot be read is written over."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.named_pipe import make_pipe

from loop_kit.adapters.loop_dir.context_folder import MAX_FILE, NAMES, ContextFolder
from loop_kit.core.briefing.knowledge import KINDS, Entry, Knowledge, Lesson
from loop_kit.errors import BadBusFile

NOW = "2026-11-22T12:00:00Z"
LESSONS = [
    Lesson("high", "a.py", "VALUE is wrong", "T-1 F1 round 1"),
    Lesson("low", "", "no test", "T-1 F2 round 1"),
]


@pytest.fixture
def context(tmp_path: Path) -> ContextFolder:
    return ContextFolder(tmp_path / ".loop")


def as_link(path: Path) -> None:
    target = path.with_name("elsewhere")
    target.write_text("- theirs\n")
    path.symlink_to(target)


def as_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, MAX_FILE + 1)


def as_latin(path: Path) -> None:
    path.write_bytes(b"- caf\xe9\n")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a link": as_link,
    "a folder": Path.mkdir,
    "a pipe": make_pipe,
    "over 4 MiB": as_huge,
    "not UTF-8": as_latin,
}


def test_lessons_are_there_when_they_are_loaded_again(context: ContextFolder) -> None:
    assert context.load(NOW) == Knowledge()
    assert context.learn(LESSONS, NOW) == 4
    known = context.load(NOW)
    assert [entry.text for entry in known.pitfalls] == [
        "[high] a.py: VALUE is wrong (T-1 F1 round 1)",
        "[low] no test (T-1 F2 round 1)",
    ]
    assert [(e.text, e.source) for e in known.patterns] == [
        ("VALUE is wrong", "T-1 F1 round 1"),
        ("no test", "T-1 F2 round 1"),
    ]


def test_learning_the_same_again_adds_nothing(context: ContextFolder) -> None:
    context.learn(LESSONS, NOW)
    before = {kind: context.path(kind).read_bytes() for kind in ("pitfalls", "patterns")}
    assert context.learn(LESSONS, NOW) == 0
    assert {kind: context.path(kind).read_bytes() for kind in before} == before  # type: ignore[arg-type]
    assert context.learn((), NOW) == 0
    assert not context.path("facts").exists()


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", ["pitfalls", "patterns"])
def test_a_damaged_file_reads_as_empty_and_is_never_written_over(
    context: ContextFolder, damage: str, kind: str
) -> None:
    (context.folder / "context").mkdir(parents=True)
    path = context.folder / "context" / NAMES["pitfalls" if kind == "pitfalls" else "patterns"]
    DAMAGE[damage](path)
    before = _written(path)
    assert context.load(NOW) == Knowledge()
    for write in (
        lambda: context.learn(LESSONS, NOW),
        lambda: context.prune(0, NOW),
        context.dedupe,
    ):
        with pytest.raises(BadBusFile, match=path.name):
            write()
    assert _written(path) == before
    assert {found.name for found in path.parent.iterdir()} <= {path.name, "elsewhere"}


def test_one_damaged_file_hides_no_other(context: ContextFolder) -> None:
    context.learn(LESSONS, NOW)
    context.path("pitfalls").write_bytes(b"\xff")
    assert len(context.load(NOW).patterns) == 2
    assert [context.presence(kind) for kind in KINDS] == ["missing", "unreadable", "EXISTS"]


def test_a_context_folder_that_is_a_link_leads_nowhere(
    context: ContextFolder, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "pitfalls.md").write_text("- theirs\n")
    context.folder.mkdir()
    (context.folder / "context").symlink_to(tmp_path / "outside")
    assert context.load(NOW) == Knowledge()
    for write in (lambda: context.learn(LESSONS, NOW), context.module_map):
        with pytest.raises(BadBusFile, match="is a link"):
            write()
    assert (tmp_path / "outside" / "pitfalls.md").read_text() == "- theirs\n"
    assert len(list((tmp_path / "outside").iterdir())) == 1


def test_half_a_character_in_a_line_of_somebody_else_survives(context: ContextFolder) -> None:
    theirs = '{"pattern": "VALUE is wrong", "category": "review_blocking_issue", "x": "\\ud800"}\n'
    context.path("patterns").parent.mkdir(parents=True)
    context.path("patterns").write_text(theirs)
    assert context.learn(LESSONS, NOW) == 3
    written = [json.loads(line) for line in context.path("patterns").read_text().splitlines()]
    assert written[0]["x"] == "\ud800"
    assert written[0]["last_verified"] == NOW


def test_an_added_pattern_is_counted_with_the_others(context: ContextFolder) -> None:
    context.learn(LESSONS, NOW)
    entry = Entry("patterns", "mine", "style", 0.5, "Mona", NOW, NOW)
    assert context.add(entry) == 3
    assert context.add(entry) == 3
    assert context.everything(NOW).patterns[-1] == entry


def _written(path: Path) -> tuple[int, int, int]:
    """What a write would change; reading changes the time of access."""
    found = path.lstat()
    return found.st_ino, found.st_size, found.st_mtime_ns
