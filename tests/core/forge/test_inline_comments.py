"""Only lines that the diff shows on its right side take a comment, whatever the diff contains."""

from __future__ import annotations

import pytest

from loop_kit.core.forge.inline_comments import MAX_COMMENTS, positions
from loop_kit.core.loop.findings import Finding

DIFF = """\
diff --git a/calc.py b/calc.py
index 1111111..2222222 100644
--- a/calc.py
+++ b/calc.py
@@ -1,5 +1,5 @@
 def add(a, b):
-    return a - b
+    return a + b
 
 
 def double(a):
diff --git a/new.py b/new.py
new file mode 100644
index 0000000..3333333
--- /dev/null
+++ b/new.py
@@ -0,0 +1,2 @@
+x
+diff --git a/z.py b/z.py
diff --git a/gone.py b/gone.py
deleted file mode 100644
index 4444444..0000000
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/old.py b/moved.py
similarity index 90%
rename from old.py
rename to moved.py
index 5555555..6666666 100644
--- a/old.py
+++ b/moved.py
@@ -9,2 +9,3 @@ def f():
 a
+b
 c
"""  # noqa: W293


def where(diff: str, file: str, line: int | None) -> tuple[str, int] | None:
    found = positions([Finding(id="F1", round=1, file=file, line=line)], diff).get("F1")
    assert found is None or found.side == ("LEFT" if file == "gone.py" else "RIGHT")
    return found[:2] if found else None


@pytest.mark.parametrize(
    ("file", "line", "found"),
    [
        ("calc.py", 2, ("calc.py", 2)),
        ("calc.py", 5, ("calc.py", 5)),
        ("calc.py", 6, None),
        ("calc.py", None, None),
        ("./new.py", 1, ("new.py", 1)),
        ("new.py", 2, ("new.py", 2)),
        ("new.py", 3, None),
        ("gone.py", 1, ("gone.py", 1)),
        ("gone.py", 2, None),
        ("z.py", 1, None),
        ("moved.py", 10, ("moved.py", 10)),
        ("old.py", 10, None),
        ("../calc.py", 2, None),
        ("alc.py", 2, None),
        ("calc.py\nnew.py", 2, None),
        ("", 2, None),
    ],
)
def test_a_finding_is_placed_where_the_diff_shows_its_line(
    file: str, line: int | None, found: tuple[str, int] | None
) -> None:
    assert where(DIFF, file, line) == found


def test_a_diff_that_was_cut_still_places_what_its_whole_files_show() -> None:
    for length in range(len(DIFF)):
        found = where(DIFF[:length], "new.py", 1)
        assert found in {None, ("new.py", 1)}
    assert where(DIFF[: DIFF.index(" c\n")], "calc.py", 2) == ("calc.py", 2)


@pytest.mark.parametrize(
    "damage",
    [
        ("@@ -1,5 +1,5 @@", "@@ -1,9 +1,9 @@"),
        ("@@ -1,5 +1,5 @@", "@@ -1,1 +1,1 @@"),
        ("@@ -1,5 +1,5 @@", "@@ @@"),
        ("--- a/calc.py\n", ""),
        (" def add", "\x00\x0c\u2028def add"),
        ("index 1111111", "GIT binary patch\nindex"),
    ],
)
def test_a_file_that_cannot_be_parsed_costs_the_others_nothing(damage: tuple[str, str]) -> None:
    assert where(DIFF.replace(*damage, 1), "new.py", 1) == ("new.py", 1)


def test_the_comments_of_one_review_are_capped() -> None:
    findings = [Finding(id=f"F{n}", round=1, file="calc.py", line=2) for n in range(500)]
    assert len(positions(findings, DIFF)) == MAX_COMMENTS
