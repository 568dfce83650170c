"""The files that an approval names as examined: of the work, at least there, and not made up."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from tests.core import builders as b

from loop_kit.core.agent.report_values import Decision
from loop_kit.core.loop.claims import false_claim

THERE = {"calc.py", "src", "src/deep/a.py", "README.md", "b/only.py"}
CHANGED = ("calc.py", "src/deep/a.py")


def claim(
    *names: str,
    changed: Collection[str] = CHANGED,
    decision: Decision = "approve",
    asked: list[Collection[str]] | None = None,
) -> str | None:
    def existing(paths: Collection[str]) -> Collection[str]:
        if asked is not None:
            asked.append(paths)
        return THERE & {*paths}

    review = b.review(1, decision).model_copy(update={"files_examined": names})
    return false_claim(review, changed, existing)


@pytest.mark.parametrize(
    "name",
    ["calc.py", "./calc.py", "a/calc.py", "calc.py:12", "`calc.py`", "/work/tree/calc.py", "src/"],
)
def test_a_changed_file_may_be_written_as_agents_write_it(name: str) -> None:
    assert claim(name) is None
    assert claim("README.md", name) is None


def test_a_file_that_is_nowhere_is_a_contradiction_whatever_else_is_named() -> None:
    why = claim("calc.py", "src/invented.py", "b/only.py")

    assert why == (
        "review_report.json names src/invented.py in 'files_examined', which is neither at the"
        " reviewed commit nor at the base"
    )


def test_an_approval_that_looked_at_no_changed_file_is_none() -> None:
    why = claim("README.md")

    assert why is not None
    assert "names none of the changed files in 'files_examined': calc.py, src/deep/a.py" in why
    assert claim("review_request.json", ".loop/review_request.patch") == why


def test_what_the_reviewer_was_given_is_not_made_up() -> None:
    assert claim("review_request.json", ".loop/task_card.json", "calc.py") is None


def test_without_a_change_any_file_that_exists_will_do() -> None:
    assert claim("README.md", changed=()) is None


def test_a_request_for_changes_claims_nothing() -> None:
    assert claim("invented.py", decision="changes_required") is None


def test_the_repository_is_asked_once_and_not_about_changed_files() -> None:
    asked: list[Collection[str]] = []
    assert claim("calc.py", "src/deep/a.py", asked=asked) is None
    assert asked == []

    assert claim("calc.py", "README.md", "b/only.py", asked=asked) is None
    assert len(asked) == 1


def test_many_names_are_cut() -> None:
    why = claim(*(f"made-up-{n}.py" for n in range(9)))
    assert why is not None
    assert "and 4 more" in why
