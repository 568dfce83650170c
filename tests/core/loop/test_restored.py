"""Whether a fix takes back what the fix before it did."""

from __future__ import annotations

import difflib

import pytest

from loop_kit.core.loop.restored import restored_paths

GUARD = "    if amount < 0:\n        raise ValueError(amount)\n"
BEFORE = "def pay(amount):\n" + GUARD + "    send(amount)\n    return True\n"
WITHOUT = BEFORE.replace(GUARD, "")
ROUNDED = BEFORE.replace("send(amount)", "send(round(amount, 2))")


def diff(before: str, after: str, path: str = "pay.py") -> str:
    lines = [text.splitlines(keepends=True) for text in (before, after)]
    body = "".join(difflib.unified_diff(*lines, f"a/{path}", f"b/{path}"))
    return f"diff --git a/{path} b/{path}\n{body}"


@pytest.mark.parametrize(
    ("versions", "restores"),
    [
        ((BEFORE, WITHOUT, BEFORE), True),
        ((WITHOUT, BEFORE, WITHOUT), True),
        ((BEFORE, ROUNDED, BEFORE), True),
        ((WITHOUT, BEFORE, ROUNDED), False),
        ((BEFORE, WITHOUT, WITHOUT + "# checked elsewhere\n"), False),
        ((BEFORE, ROUNDED, ROUNDED.replace("2", "3")), False),
    ],
    ids=[
        "removed and restored",
        "added and removed",
        "changed and changed back",
        "added and built on",
        "removed and left so",
        "changed again",
    ],
)
def test_a_fix_restores_or_it_does_not(versions: tuple[str, str, str], restores: bool) -> None:
    first, second, third = versions
    expected = ("pay.py",) if restores else ()
    assert restored_paths(diff(first, second), diff(second, third)) == expected


def test_lines_that_say_nothing_are_in_every_diff() -> None:
    one, other = "a = 1\nelse:\n}\n", "a = 1\n"
    assert restored_paths(diff(one, other), diff(other, one)) == ()


def test_lines_that_only_move_restore_nothing() -> None:
    moved = BEFORE.replace(GUARD, "").replace("    return True\n", GUARD + "    return True\n")
    assert restored_paths(diff(BEFORE, moved), diff(moved, BEFORE)) == ()


def test_indenting_a_line_is_no_change_of_it() -> None:
    indented = BEFORE.replace("    ", "        ")
    assert restored_paths(diff(BEFORE, indented), diff(indented, BEFORE)) == ()


def test_each_file_is_compared_with_itself() -> None:
    last = diff(BEFORE, WITHOUT, "a.py") + diff(BEFORE, WITHOUT, "b.py")
    fix = diff(WITHOUT, BEFORE, "b.py") + diff(WITHOUT, BEFORE, "c.py")
    assert restored_paths(last, fix) == ("b.py",)


@pytest.mark.parametrize("text", ["", "no diff", "diff --git a/x b/x\n@@ nonsense @@\n+a\n"])
def test_what_cannot_be_parsed_restores_nothing(text: str) -> None:
    assert restored_paths(text, diff(WITHOUT, BEFORE)) == ()
    assert restored_paths(diff(WITHOUT, BEFORE), text) == ()
