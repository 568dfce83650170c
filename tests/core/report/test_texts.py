"""Texts of a report: colours, diffs with findings, changes from text to text, transcripts."""

from __future__ import annotations

import pytest

from loop_kit.core.loop.findings import Finding
from loop_kit.core.report.changes import changed_blocks
from loop_kit.core.report.colours import MAX_CHANGES, MAX_LINE, coloured
from loop_kit.core.report.patch import annotated
from loop_kit.core.report.transcript import MAX_STEPS, steps

DIFF = """diff --git a/calc.py b/calc.py
index 1..2 100644
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,3 @@
 def add(a, b):
-    return a - b
+    return a + b
+# done
diff --git a/old.py b/new.py
similarity index 100%
rename from old.py
rename to new.py"""


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("plain", [("", "plain")]),
        ("\x1b[31mred\x1b[0m.", [("ansi1", "red"), ("", ".")]),
        ("\x1b[1;92mok\x1b[22m yes", [("ansi2 bold", "ok"), ("ansi2", " yes")]),
        ("\x1b[38;5;4mblue\x1b[39m", [("ansi4", "blue")]),
        ("\x1b[38;2;255;0;0;1mx", [("bold", "x")]),
        ("\x1b[48;5;1mback", [("", "back")]),
        ("\x1b]8;;javascript:x\x07link\x1b]8;;\x07", [("", "link")]),
        ("\x1b[2J\x1b[Hgone\u202e\x00", [("", "gone")]),
        ("10%\r50%\r100%\nend\r\n", [("", "100%\nend\n")]),
        ("\x1b[999999999999m\x1b[;;;mx", [("", "x")]),
    ],
)
def test_colours_become_styles_and_other_escapes_nothing(
    text: str, pieces: list[tuple[str, str]]
) -> None:
    assert coloured(text) == pieces


def test_a_bomb_of_colours_and_a_line_without_end_are_cut() -> None:
    assert len(coloured("\x1b[31mx\x1b[32my" * MAX_CHANGES)) <= MAX_CHANGES + 1
    ((_, line),) = coloured("x" * (MAX_LINE + 5))
    assert line.endswith(" [… 5 more characters]")


def test_a_diff_has_each_finding_below_its_line_and_no_noise() -> None:
    findings = [
        Finding(id="F1", round=1, file="./calc.py", line=2),
        Finding(id="F2", round=1, file="calc.py", line=99),
        Finding(id="F3", round=1, file="calc.py"),
    ]
    patch = annotated(DIFF, findings)
    assert [(b.kind, b.text or (b.finding and b.finding.id)) for b in patch.blocks] == [
        ("file", "calc.py"),
        ("hunk", "@@ -1,2 +1,3 @@"),
        ("same", " def add(a, b):"),
        ("removed", "-    return a - b"),
        ("added", "+    return a + b"),
        ("finding", "F1"),
        ("added", "+# done"),
        ("file", "a/old.py b/new.py\nsimilarity index 100%\nrename from old.py\nrename to new.py"),
    ]
    assert patch.placed == {"F1"}


def test_a_diff_may_be_cut_anywhere() -> None:
    for end in range(len(DIFF)):
        assert annotated(DIFF[:end], []).placed == set()


def test_what_is_new_in_a_prompt_is_shown_with_a_little_around_it() -> None:
    before = "\n".join(f"line {n}" for n in range(40))
    after = before.replace("line 3\n", "line three\n").replace("line 30\n", "")
    blocks = changed_blocks(before, after)
    assert [(block.kind, block.text) for block in blocks] == [
        ("same", " line 1\n line 2"),
        ("removed", "-line 3"),
        ("added", "+line three"),
        ("same", " line 4\n line 5"),
        ("hunk", "… 22 lines that are the same"),
        ("same", " line 28\n line 29"),
        ("removed", "-line 30"),
        ("same", " line 31\n line 32"),
    ]
    assert changed_blocks(after, after) == []


def test_texts_that_differ_in_very_many_lines_are_not_compared_line_by_line() -> None:
    old, new = ("\n".join(f"{word} {n % 20}" for n in range(20_000)) for word in ("a", "b"))
    assert [block.kind for block in changed_blocks(old, new)] == ["removed", "added"]


def test_a_transcript_is_steps_with_what_is_long_folded() -> None:
    text = (
        "2025-01-02T03:04:05Z Running: make test\n"
        "2025-01-02T03:04:06Z Message: first\nsecond\n"
        "2025-01-02T03:04:07Z ended after 3 s\n"
    )
    found = steps(text)
    assert [(s.time, s.verb, s.head, s.rest, s.kind) for s in found] == [
        ("03:04:05", "Running", "make test", "", "command"),
        ("03:04:06", "Message", "first", "first\nsecond", "message"),
        ("03:04:07", "", "ended after 3 s", "", ""),
    ]
    many = steps("2025-01-02T03:04:05Z Running: x\n" * (MAX_STEPS + 7))
    assert [step.head for step in many if step.head != "x"] == ["… 7 steps are left out here"]
