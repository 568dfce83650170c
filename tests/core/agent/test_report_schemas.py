"""Schemas of the reports: strict, and what fits them is a report that we take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from loop_kit.core.agent.report_schemas import report_schema, without_nulls
from loop_kit.core.agent.reports import parse_review_report, parse_work_report
from loop_kit.core.loop.state import Role

WORK = {
    "task_id": "T-001", "round": 2, "head_sha": "a" * 40, "notes": "did it",
    "files_changed": ["a.py"], "tests": [{"name": "pytest", "result": "pass"}],
    "responses": [{"id": "F1", "action": "fixed", "evidence": "test_a"}],
}  # fmt: skip
ISSUE = {
    "id": None, "severity": "high", "file": "a.py", "line": None, "reason": "wrong",
    "scenario": "a(1)", "criterion": None, "required_change": "mend it",
}  # fmt: skip
REVIEW = {
    "task_id": "T-001", "round": 2, "head_sha": "a" * 40, "decision": "changes_required",
    "summary": "not yet", "dispositions": [{"id": "F1", "status": "fixed", "note": ""}],
    "criteria": [{"id": "C1", "met": True, "evidence": "seen"}], "files_examined": ["a.py"],
    "blocking_issues": [ISSUE], "non_blocking_suggestions": ["name it better"],
}  # fmt: skip


def objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Every object schema inside `schema`."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)


@pytest.mark.parametrize("role", list(Role))
def test_a_schema_is_strict_everywhere(role: Role) -> None:
    schema = report_schema(role)
    Draft202012Validator.check_schema(schema)
    found = list(objects(schema))
    assert len(found) >= 3
    for each in found:
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])


def test_what_fits_is_a_report_that_we_take() -> None:
    Draft202012Validator(report_schema(Role.WORKER)).validate(WORK)
    report = parse_work_report(without_nulls(WORK), "T-001", 2)
    assert (report.notes, report.responses[0].id, report.tests_summary.passed) == (
        "did it",
        "F1",
        1,
    )


def test_nulls_of_a_strict_schema_mean_missing() -> None:
    Draft202012Validator(report_schema(Role.REVIEWER)).validate(REVIEW)
    report = parse_review_report(without_nulls(REVIEW), "T-001", 2)
    (issue,) = report.blocking_issues
    assert (issue.id, issue.line, issue.reason, issue.criterion) == ("", None, "wrong", "")
    assert report.criteria[0].met
    assert report.dispositions[0].status == "fixed"
    assert report.non_blocking == ("name it better",)


@pytest.mark.parametrize("value", [None, 1, "x", [], [None, {"a": None}], {"a": [None]}])
def test_only_properties_are_left_out(value: object) -> None:
    assert without_nulls({"kept": value, "gone": None}).get("gone", "absent") == "absent"  # type: ignore[attr-defined]
