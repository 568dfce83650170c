"""A place is found in whatever form a reviewer writes it, and asked about only when it must be."""

from collections.abc import Collection
from typing import Any

import pytest

from loop_kit.core.agent.places import renames, settle_places
from loop_kit.core.agent.reports import ReportedIssue, ReviewReport

FILES = frozenset({"calc.py", "src/calc.py", "a/lib.py", "lib.py", "odd:5", "my file.py"})


def review_of(file: str, line: int | None) -> ReviewReport:
    return ReviewReport(
        task_id="T-001",
        round=1,
        decision="changes_required",
        blocking_issues=(ReportedIssue(file=file, line=line, reason="wrong"),),
    )


def settled(
    file: str, line: int | None = None, files: Collection[str] = FILES
) -> tuple[str, int | None]:
    (issue,) = settle_places(
        review_of(file, line), lambda paths: frozenset(paths) & frozenset(files)
    ).blocking_issues
    return issue.file, issue.line


@pytest.mark.parametrize(
    ("written", "file", "line"),
    [
        ("calc.py", "calc.py", None),
        ("calc.py:5", "calc.py", 5),
        ("calc.py:5-6", "calc.py", 5),
        ("calc.py:5:3", "calc.py", 5),
        ("calc.py:L5-L6", "calc.py", 5),
        ("calc.py#L5", "calc.py", 5),
        ("calc.py (line 5)", "calc.py", 5),
        ("calc.py, lines 5-6", "calc.py", 5),
        ("`calc.py`", "calc.py", None),
        ("./calc.py", "calc.py", None),
        ("/calc.py", "calc.py", None),
        ("a/calc.py", "calc.py", None),
        ("b/src/calc.py:7", "src/calc.py", 7),
        ("a/lib.py", "a/lib.py", None),
        ("b/lib.py", "lib.py", None),
        ("odd:5", "odd:5", None),
        ("my file.py:5", "my file.py", 5),
        ("/home/me/.cache/loop-kit/0123/T-001/reviewer/src/calc.py", "src/calc.py", None),
        ("file:///somewhere/src/calc.py:5", "src/calc.py", 5),
        ("src\\calc.py", "src/calc.py", None),
        ("C:\\work\\src\\calc.py:5", "src/calc.py", 5),
        ("/calc.py:5", "calc.py", 5),
        ("[calc.py](calc.py)", "calc.py", None),
        ("[`src/calc.py:5`](src/calc.py#L5)", "src/calc.py", 5),
        ("@calc.py:5", "calc.py", 5),
    ],
)
def test_a_place_is_found_in_any_form(written: str, file: str, line: int | None) -> None:
    assert settled(written) == (file, line)


@pytest.mark.parametrize(
    "file", ["", "the tests", "../calc.py", "src/../calc.py", ":5", "/", "a/", "#5"]
)
def test_what_is_no_place_here_stays_as_it_is_written(file: str) -> None:
    assert settled(file) == (file, None)


def test_a_file_that_is_nowhere_still_loses_its_line_to_the_line() -> None:
    assert settled("gone.py:5") == ("gone.py", 5)
    assert settled("/etc/hosts:5") == ("/etc/hosts", 5)


def test_a_line_of_its_own_counts_more_than_one_in_the_file() -> None:
    assert settled("calc.py:5", 9) == ("calc.py", 9)


def test_the_repository_is_not_asked_about_paths_in_the_form_of_git() -> None:
    issues = (ReportedIssue(file="calc.py", line=1), ReportedIssue(reason="no place at all"))
    review = ReviewReport(
        task_id="T-001", round=1, decision="changes_required", blocking_issues=issues
    )
    asked: list[Collection[str]] = []

    def existing(paths: Collection[str]) -> Collection[str]:
        asked.append(paths)
        return paths

    assert settle_places(review, existing) is review
    assert not asked


def test_what_is_asked_is_bounded() -> None:
    asked: list[Collection[str]] = []

    def existing(paths: Collection[str]) -> Collection[str]:
        asked.append(paths)
        return ()

    issue = ReportedIssue(file="/" + "a/" * 248 + "b:5")
    review = ReviewReport(
        task_id="T-001", round=1, decision="changes_required", blocking_issues=(issue,) * 200
    )
    settle_places(review, existing)
    assert len(asked) == 1
    assert len(asked[0]) < 100


def moved(
    file: str, line: int | None = None, files: Collection[str] = FILES, **work: Any
) -> tuple[str, int | None]:
    """Where an issue is after a change that names files in `changed` and `renamed`."""
    report = review_of(file, line)
    known = frozenset(files)
    (issue,) = settle_places(report, lambda paths: known & set(paths), **work).blocking_issues
    return issue.file, issue.line


def test_a_file_in_the_wrong_case_is_the_changed_one_unless_there_is_such_a_file() -> None:
    assert moved("Calc.py", 5, changed=("calc.py",)) == ("calc.py", 5)
    assert moved("SRC/Calc.py:7", changed=("src/calc.py",)) == ("src/calc.py", 7)
    assert moved("./CALC.py", changed=("calc.py",)) == ("calc.py", None)
    both = {*FILES, "Calc.py"}
    assert moved("Calc.py", 5, files=both, changed=("calc.py",)) == ("Calc.py", 5)
    assert moved("Other.py", 5, changed=("calc.py",)) == ("Other.py", 5)


def test_the_old_name_of_a_renamed_file_is_its_new_one() -> None:
    diff = "diff --git a/old.py b/new.py\nrename from old.py\nrename to new.py\n"
    renamed = renames(diff)
    assert renamed == {"old.py": "new.py"}
    files = {"old.py", "new.py"}
    assert moved("old.py", 5, files, renamed=renamed) == ("new.py", 5)
    assert moved("a/old.py:7", files=files, renamed=renamed) == ("new.py", 7)
    assert moved("calc.py", 5, renamed=renamed) == ("calc.py", 5)


def test_nothing_is_asked_about_a_changed_file_that_is_named_as_git_names_it() -> None:
    report = review_of("calc.py", 5)

    def refuse(paths: Collection[str]) -> Collection[str]:
        raise AssertionError(paths)

    assert settle_places(report, refuse, changed=("calc.py",)) == report
