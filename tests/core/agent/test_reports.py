"""Reports come from programs that may be confused or hostile: one sentence for the first fault."""

import json
from typing import Any

import pytest

from loop_kit.core.agent.report_values import issued_id
from loop_kit.core.agent.reports import (
    MAX_ITEMS,
    MAX_TEXT,
    ReportInvalid,
    parse_review_report,
    parse_work_report,
    report_document,
)

WORK: dict[str, Any] = {"task_id": "T-001", "head_sha": "abc", "round": 2}
REVIEW: dict[str, Any] = {"task_id": "T-001", "round": 2, "decision": "approve"}


def work_fault(document: object) -> str:
    with pytest.raises(ReportInvalid) as refused:
        parse_work_report(document, "T-001", 2)
    return str(refused.value)


def review_fault(document: object) -> str:
    with pytest.raises(ReportInvalid) as refused:
        parse_review_report(document, "T-001", 2)
    return str(refused.value)


def without(document: dict[str, Any], field: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != field}


def rejection(**fields: object) -> dict[str, Any]:
    return {**REVIEW, "decision": "changes_required", **fields}


@pytest.mark.parametrize("field", WORK)
def test_a_work_report_without_a_required_field_names_it(field: str) -> None:
    assert work_fault(without(WORK, field)) == f"work_report.json missing required field '{field}'"


@pytest.mark.parametrize("field", REVIEW)
def test_a_review_report_without_a_required_field_names_it(field: str) -> None:
    fault = review_fault(without(REVIEW, field))
    assert fault == f"review_report.json missing required field '{field}'"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"round": "two"}, "field 'round' must be int, got str"),
        ({"round": "2.5"}, "field 'round' must be int, got str"),
        ({"round": True}, "field 'round' must be int, got bool"),
        ({"round": 2.5}, "field 'round' must be int, got float"),
        ({"round": None}, "field 'round' must be int, got NoneType"),
        ({"task_id": 1}, "field 'task_id' must be str, got int"),
        ({"head_sha": ["abc"]}, "field 'head_sha' must be str, got list"),
        ({"head_sha": " \n"}, "field 'head_sha' must be non-empty"),
        ({"task_id": ""}, "field 'task_id' must be non-empty"),
        ({"files_changed": "a.py"}, "field 'files_changed' must be a list, got str"),
        ({"tests": {"a": 1}}, "field 'tests' must be a list, got dict"),
        ({"task_id": "T-002"}, "field 'task_id' mismatch: expected T-001, got T-002"),
        ({"round": 3}, "field 'round' mismatch: expected 2, got 3"),
    ],
)
def test_a_work_report_that_does_not_fit_says_how(change: dict[str, Any], fault: str) -> None:
    assert work_fault({**WORK, **change}) == f"work_report.json {fault}"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"round": False}, "field 'round' must be int, got bool"),
        ({"decision": 1}, "field 'decision' must be str, got int"),
        ({"decision": " "}, "field 'decision' must be non-empty"),
        (
            {"decision": "approve nothing"},
            "field 'decision' must be one of approve, changes_required, got 'approve nothing'",
        ),
        ({"task_id": "T-002"}, "field 'task_id' mismatch: expected T-001, got T-002"),
        ({"round": 1}, "field 'round' mismatch: expected 2, got 1"),
        ({"blocking_issues": [{"reason": "x"}, "y"]}, "approves and lists 2 blocking issues"),
    ],
)
def test_a_review_report_that_does_not_fit_says_how(change: dict[str, Any], fault: str) -> None:
    assert review_fault({**REVIEW, **change}) == f"review_report.json {fault}"


@pytest.mark.parametrize("document", [None, [], "approve", 3, True])
def test_a_report_that_is_not_an_object_says_so(document: object) -> None:
    name = type(document).__name__
    assert work_fault(document) == f"work_report.json must be an object, got {name}"
    assert review_fault(document) == f"review_report.json must be an object, got {name}"


def test_faults_are_told_in_order_missing_then_type_then_blank_then_list_then_identity() -> None:
    worst: dict[str, Any] = {"task_id": " ", "head_sha": 1, "tests": 1}
    assert "missing required field 'round'" in work_fault(worst)
    worst["round"] = 9
    assert "field 'head_sha' must be str" in work_fault(worst)
    worst["head_sha"] = "abc"
    assert "field 'task_id' must be non-empty" in work_fault(worst)
    worst["task_id"] = "T-999"
    assert "field 'tests' must be a list" in work_fault(worst)
    worst["tests"] = []
    assert "field 'task_id' mismatch" in work_fault(worst)
    worst["task_id"] = "T-001"
    assert "field 'round' mismatch" in work_fault(worst)


def test_a_minimal_report_is_accepted() -> None:
    work = parse_work_report(WORK, "T-001", 2)
    assert (work.notes, work.files_changed, work.tests_summary.total) == ("", (), 0)
    assert parse_review_report(REVIEW, "T-001", 2).decision == "approve"


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (None, "not readable as JSON"),
        (b"", "not readable as JSON"),
        (b'{"task_id": ', "not readable as JSON"),
        (b"\xff\xfe{}", "not readable as JSON"),
        (b"\x00{\xd8\x00", "not readable as JSON"),
        (b"[" * 100_000, "not readable as JSON"),
        (b'{"round": ' + b"9" * 5_000 + b"}", "not readable as JSON"),
        (ReportInvalid("it is a symbolic link"), "it is a symbolic link"),
    ],
)
def test_bytes_that_are_no_document_are_one_sentence(
    raw: bytes | ReportInvalid | None, fault: str
) -> None:
    with pytest.raises(ReportInvalid, match=fault):
        report_document(raw)


def test_a_byte_order_mark_is_read_over() -> None:
    assert report_document(b"\xef\xbb\xbf" + json.dumps(WORK).encode()) == WORK


def test_a_blocking_issue_that_is_not_an_object_is_kept_as_its_reason() -> None:
    issues = [{"reason": "first"}, "second", None, 123, ["third"], {}]
    report = parse_review_report(rejection(blocking_issues=issues), "T-001", 2)
    assert [i.reason for i in report.blocking_issues] == ["first", "second", "123", '["third"]']


@pytest.mark.parametrize("issues", ["the login is broken", {"reason": "the login is broken"}])
def test_an_approval_with_blocking_issues_of_a_wrong_shape_is_no_approval(issues: object) -> None:
    assert "blocking" in review_fault({**REVIEW, "blocking_issues": issues})


def test_an_issue_keeps_what_fits_and_drops_what_does_not() -> None:
    issue = {
        "id": "F3",
        "severity": "Critical",
        "file": "a.py",
        "line": 7,
        "reason": "r",
        "required_change": "c",
        "scenario": "s",
        "criterion": "C1",
    }
    (kept,) = parse_review_report(rejection(blocking_issues=[issue]), "T-001", 2).blocking_issues
    assert kept.model_dump() == {**issue, "severity": "high"}
    odd = {**issue, "severity": {"x": 1}, "line": True, "file": None}
    (kept,) = parse_review_report(rejection(blocking_issues=[odd]), "T-001", 2).blocking_issues
    assert (kept.severity, kept.line, kept.file) == ("medium", None, "")


@pytest.mark.parametrize(
    "line", [0, -1, "0", "-7", "seven", 7.5, None, True, [], ["x"], {"start": 7}, "9" * 30]
)
def test_a_line_that_is_no_line_number_is_left_out(line: object) -> None:
    document = rejection(blocking_issues=[{"reason": "r", "line": line}])
    assert parse_review_report(document, "T-001", 2).blocking_issues[0].line is None


def test_tests_are_counted_as_agent_task_runner_counts_them() -> None:
    words: list[object] = ["pass", "PASSED", "fail", "failed", "error", "skipped", "", None, 3]
    tests = [{"result": w} for w in words] + ["pass", {"status": "pass", "result": "fail"}]
    counted = parse_work_report({**WORK, "tests": tests}, "T-001", 2).tests_summary.to_seed()
    assert counted == {"total": 11, "pass": 4, "fail": 3, "other": 4}


def test_extensions_are_read_and_odd_entries_left_out() -> None:
    responses = [{"id": "F1", "action": "Disputed", "evidence": "it is right"}, "F2", {"id": "F3"}]
    work = parse_work_report({**WORK, "responses": responses}, "T-001", 2)
    assert [(r.id, r.action) for r in work.responses] == [("F1", "disputed"), ("F3", "fixed")]
    disposed = [{"id": "F1", "status": "Upheld", "note": "n"}, {"id": "F2", "status": "?"}, 4]
    criteria = [{"id": "C1", "met": True}, {"id": "C2", "met": "no"}, {"id": "C3"}, "C4"]
    document = {**REVIEW, "dispositions": disposed, "criteria": criteria, "files_examined": ["a"]}
    report = parse_review_report(document, "T-001", 2)
    assert [(d.id, d.status, d.note) for d in report.dispositions] == [("F1", "upheld", "n")]
    assert [(c.id, c.met) for c in report.criteria] == [("C1", True), ("C2", False), ("C3", False)]
    assert report.files_examined == ("a",)


def test_what_no_encoder_can_carry_is_replaced() -> None:
    document = json.loads('{"notes": "a\\ud800b\\u0000c", "files_changed": ["x\\udfff"]}')
    work = parse_work_report({**WORK, **document}, "T-001", 2)
    assert work.notes == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert work.files_changed == ("x\N{REPLACEMENT CHARACTER}",)
    odd = rejection(blocking_issues=[{"reason": "\ud800", "file": "\x00", "id": "\udc00"}])
    assert parse_review_report(odd, "T-001", 2).model_dump_json().encode()


def test_long_lists_and_texts_are_cut() -> None:
    long = rejection(
        blocking_issues=["x" * (MAX_TEXT + 5)] * 5_000, non_blocking_suggestions=["y" * 9_000]
    )
    report = parse_review_report(long, "T-001", 2)
    assert len(report.blocking_issues) == MAX_ITEMS
    assert len(report.blocking_issues[0].reason) == MAX_TEXT
    assert len(report.non_blocking[0]) == 2_000


@pytest.mark.parametrize("round_", ["2", " 2 ", 2.0, "2.0"])
def test_a_round_is_taken_as_text_and_as_a_float(round_: object) -> None:
    assert parse_work_report({**WORK, "round": round_}, "T-001", 2).round == 2
    assert parse_review_report({**REVIEW, "round": round_}, "T-001", 2).round == 2


def test_a_task_id_is_taken_as_a_number_and_with_spaces_around_it() -> None:
    assert parse_work_report({**WORK, "task_id": 7}, "7", 2).task_id == "7"
    assert parse_review_report({**REVIEW, "task_id": " T-001\n"}, "T-001", 2).task_id == "T-001"


@pytest.mark.parametrize(
    ("word", "decision"),
    [
        *((word, "approve") for word in ("Approve", "approved", " APPROVED.", "LGTM", "accepted")),
        *(
            (word, "changes_required")
            for word in ("Changes required", "changes-required", "CHANGES_REQUESTED", "reject")
        ),
        *((word, "changes_required") for word in ("request changes", "needs changes", "Rejected")),
        ("Needs work", "changes_required"),
        ("approved with suggestions", "approve"),
    ],
)
def test_a_decision_is_taken_in_other_words(word: str, decision: str) -> None:
    assert parse_review_report({**REVIEW, "decision": word}, "T-001", 2).decision == decision


@pytest.mark.parametrize(
    "line", ["5", 5.0, "5.0", "5-6", "5:3", "L5", "#L5-L6", "line 5", "Lines 5-6", [5, 6]]
)
def test_a_line_is_taken_as_text_and_as_the_first_of_a_range(line: object) -> None:
    document = rejection(blocking_issues=[{"reason": "r", "line": line}])
    assert parse_review_report(document, "T-001", 2).blocking_issues[0].line == 5


def test_ids_statuses_and_answers_are_taken_in_other_forms() -> None:
    responses = [{"id": "f1", "action": "dispute"}, {"id": 2, "action": "Fixed"}]
    work = parse_work_report({**WORK, "responses": responses}, "T-001", 2)
    assert [(r.id, r.action) for r in work.responses] == [("F1", "disputed"), ("F2", "fixed")]
    statuses = ("Not fixed", "not-fixed", "unresolved", "resolved", "withdraw", "Uphold")
    disposed = [{"id": number, "status": word} for number, word in enumerate(statuses, 1)]
    criteria = [{"id": "c1", "met": "true"}, {"id": 2, "met": "Yes"}]
    report = parse_review_report(
        {**REVIEW, "dispositions": disposed, "criteria": criteria, "files_examined": "a.py"},
        "T-001",
        2,
    )
    assert [d.id for d in report.dispositions] == ["F1", "F2", "F3", "F4", "F5", "F6"]
    assert [d.status for d in report.dispositions] == [
        *("not_fixed", "not_fixed", "not_fixed", "fixed", "withdrawn", "upheld"),
    ]
    assert [(c.id, c.met) for c in report.criteria] == [("C1", True), ("C2", True)]
    assert report.files_examined == ("a.py",)


def test_a_list_by_id_is_taken_as_a_mapping_too() -> None:
    responses = {"F1": "disputed", "F2": {"action": "fixed", "evidence": "see f()"}}
    work = parse_work_report({**WORK, "responses": responses}, "T-001", 2)
    answers = [(r.id, r.action, r.evidence) for r in work.responses]
    assert answers == [("F1", "disputed", ""), ("F2", "fixed", "see f()")]
    mappings = {
        "dispositions": {"F1": "still open", "F2": {"status": "addressed", "note": "seen"}},
        "criteria": {"C1": True, "C2": {"met": False}, "C3": "met"},
    }
    report = parse_review_report({**REVIEW, **mappings}, "T-001", 2)
    assert [(d.id, d.status) for d in report.dispositions] == [("F1", "not_fixed"), ("F2", "fixed")]
    assert [(c.id, c.met) for c in report.criteria] == [("C1", True), ("C2", False), ("C3", True)]


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        *((text, "F3") for text in ("[F3]", "F3: add() subtracts", "#3", "**f-3**", "F 3.")),
        *((text, text.upper()) for text in ("F3a", "3 numbers are lost", "2F3", "T-001", "")),
    ],
)
def test_an_id_is_taken_with_what_is_written_around_it(written: str, id_: str) -> None:
    assert issued_id(written, "F") == id_


def test_a_missing_value_is_as_good_as_a_missing_field() -> None:
    work = parse_work_report({**WORK, "tests": None, "files_changed": None}, "T-001", 2)
    assert (work.tests, work.files_changed) == ((), ())


@pytest.mark.parametrize("nothing", [None, [], "", "None", ["none"], ["N/A"], [{}], "nothing"])
def test_an_approval_may_say_in_words_that_nothing_blocks(nothing: object) -> None:
    assert (
        parse_review_report({**REVIEW, "blocking_issues": nothing}, "T-001", 2).blocking_issues
        == ()
    )
