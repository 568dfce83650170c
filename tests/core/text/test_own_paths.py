"""Paths of a workspace become relative, and nothing else of a text changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop_kit.core.text.own_paths import without_folders

WORKSPACE = "/home/runner/work/_loop-kit/0123/issue-7/workspace"
MAILBOX = "/home/runner/work/_temp/loop-kit/mailbox/reviewer-1"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (f'File "{WORKSPACE}/calc.py", line 4', 'File "calc.py", line 4'),
        (f"{WORKSPACE}/src/calc.py:5: error", "src/calc.py:5: error"),
        (f"rootdir: {WORKSPACE}", "rootdir: ."),
        (f"cd {WORKSPACE}.", "cd .."),
        (f"cd {WORKSPACE}/ && ls", "cd  && ls"),
        (f"file://{WORKSPACE}/calc.py", "calc.py"),
        (f"/private{WORKSPACE}/calc.py", "calc.py"),
        (f"-I{WORKSPACE}/include:{WORKSPACE}/lib", "-Iinclude:lib"),
        (f"{MAILBOX}/review_report.json", "review_report.json"),
        (f"{WORKSPACE}2/calc.py", f"{WORKSPACE}2/calc.py"),
        (f"{WORKSPACE}.index", f"{WORKSPACE}.index"),
        ("/home/runner/other/calc.py", "/home/runner/other/calc.py"),
        ("", ""),
    ],
)
def test_a_path_of_a_workspace_is_relative_to_it(text: str, plain: str) -> None:
    assert without_folders(text, (WORKSPACE, MAILBOX)) == plain


def test_both_slashes_of_windows_and_those_of_json_are_paths() -> None:
    folder = "C:\\cache\\loop-kit\\0123\\issue-7"
    for text in (f"{folder}\\calc.py", folder.replace("\\", "/") + "/calc.py"):
        assert without_folders(f"see {text}", (folder,)) == "see calc.py"
        assert without_folders(json.dumps([text]), (folder,)) == '["calc.py"]'
    assert without_folders(f"{folder}2\\calc.py", (folder,)) == f"{folder}2\\calc.py"


def test_the_root_and_no_folder_at_all_change_nothing() -> None:
    assert without_folders("/usr/bin/python", ("/", "")) == "/usr/bin/python"


@given(st.text(), st.text())
def test_a_text_without_the_folder_stays_as_it_is(before: str, after: str) -> None:
    text = before + after
    if WORKSPACE not in text:
        assert without_folders(text, (WORKSPACE,)) == text
