"""Reports of workers and reviewers: validated, and never trusted about git.

A report comes from a program that may be confused or hostile. Shapes that matter are checked in a
fixed order, with one sentence for the first thing wrong, because that sentence goes back to the
agent as its one chance to repair. Shapes that do not matter become text rather than a refusal, and
what means the right thing in another form is taken: a number as text, `approved`, a line as `5-6`.
"""

from typing import Any, Literal

from loop_kit.core.agent.report_text import read_json
from loop_kit.core.agent.report_values import (
    DECISIONS,
    DISPUTED,
    NOTHING,
    SEVERITIES,
    STATUSES,
    YES,
    Decision,
    DispositionStatus,
    Severity,
    entries,
    issued_id,
    line_number,
    whole_number,
    word,
)
from loop_kit.core.record import Record, Text, clean_text
from loop_kit.core.text.numbers import counted

MAX_ITEMS = 200
MAX_TEXT = 20_000

_WORK_FIELDS = {"task_id": str, "head_sha": str, "round": int}
_REVIEW_FIELDS = {"task_id": str, "round": int, "decision": str}


class ReportInvalid(ValueError):
    """A report that cannot be used; the message is one sentence for whoever wrote it."""


class Response(Record):
    """The worker's answer to one finding."""

    id: str
    action: Literal["fixed", "disputed"]
    evidence: str = ""


class ReportedIssue(Record):
    """One change that a reviewer requires; `id` only when it repeats a known finding."""

    id: str = ""
    severity: Severity = "medium"
    file: str = ""
    line: int | None = None
    reason: str = ""
    required_change: str = ""
    scenario: str = ""
    criterion: str = ""


class Disposition(Record):
    """The reviewer's judgement on a finding of an earlier round."""

    id: str
    status: DispositionStatus
    note: str = ""


class CriterionVerdict(Record):
    """Whether one acceptance criterion is met, and how the reviewer knows."""

    id: str
    met: bool
    evidence: str = ""


class TestsSummary(Record):
    """The worker's own claims about tests, counted."""

    __test__ = False

    total: int = 0
    passed: int = 0
    failed: int = 0
    other: int = 0

    def to_seed(self) -> dict[str, int]:
        """The counts under the names that agent-task-runner gives them."""
        return {
            "total": self.total,
            "pass": self.passed,
            "fail": self.failed,
            "other": self.other,
        }


class WorkReport(Record):
    """A worker's report, as far as it can be used."""

    task_id: str
    round: int
    head_sha: str
    notes: Text = ""
    files_changed: tuple[str, ...] = ()
    tests: tuple[Any, ...] = ()
    responses: tuple[Response, ...] = ()

    @property
    def tests_summary(self) -> TestsSummary:
        """`tests` counted by their `status` or `result`."""
        words = [_test_word(test) for test in self.tests]
        passed = sum(word in {"pass", "passed"} for word in words)
        failed = sum(word in {"fail", "failed", "error"} for word in words)
        return TestsSummary(
            total=len(words), passed=passed, failed=failed, other=len(words) - passed - failed
        )


class ReviewReport(Record):
    """A reviewer's report, as far as it can be used."""

    task_id: str
    round: int
    decision: Decision
    summary: Text = ""
    head_sha: str = ""
    blocking_issues: tuple[ReportedIssue, ...] = ()
    non_blocking: tuple[str, ...] = ()
    dispositions: tuple[Disposition, ...] = ()
    criteria: tuple[CriterionVerdict, ...] = ()
    files_examined: tuple[str, ...] = ()


def read_report(raw: bytes | ReportInvalid | None) -> tuple[Any, bool]:
    """The JSON document in `raw`, and whether `raw` is JSON to the letter.

    Raises:
        ReportInvalid: `raw` is one, or holds no such document.
    """
    if isinstance(raw, ReportInvalid):
        raise raw
    try:
        return read_json(raw or b"")
    except (ValueError, RecursionError) as error:
        raise ReportInvalid(f"the report is not readable as JSON: {str(error)[:200]}") from None


def report_document(raw: bytes | ReportInvalid | None) -> Any:
    """The JSON document in `raw`.

    Raises:
        ReportInvalid: `raw` is one, or holds no such document.
    """
    return read_report(raw)[0]


def parse_work_report(document: object, task_id: str, round_: int) -> WorkReport:
    """The worker's report for this task and round.

    Raises:
        ReportInvalid: in the order missing, ill-typed, blank, not a list, wrong task, wrong round.
    """
    name = "work_report.json"
    body = _require_fields(_loosened(document, task_id), name, _WORK_FIELDS)
    _require_lists(body, name, "files_changed", "tests")
    _check_identity(body, name, task_id, round_)
    return WorkReport(
        task_id=task_id,
        round=round_,
        head_sha=_text(body["head_sha"], 200),
        notes=_text(body.get("notes")),
        files_changed=_texts(body.get("files_changed")),
        tests=tuple(_limit_depth(test) for test in _items(body.get("tests"))),
        responses=tuple(_responses(body.get("responses"))),
    )


def parse_review_report(document: object, task_id: str, round_: int) -> ReviewReport:
    """The reviewer's report for this task and round.

    Raises:
        ReportInvalid: as for a work report, an unknown decision, or an approval with blockers.
    """
    name = "review_report.json"
    body = _require_fields(_loosened(document, task_id), name, _REVIEW_FIELDS)
    decision = DECISIONS.get(word(body["decision"]))
    if decision is None:
        raise ReportInvalid(
            f"{name} field 'decision' must be one of approve, changes_required,"
            f" got {_text(body['decision'], 40)!r}"
        )
    _check_identity(body, name, task_id, round_)
    blocking = body.get("blocking_issues")
    listed = blocking if isinstance(blocking, list) else [blocking]
    issues = tuple(_issue(item) for item in _items(listed) if item and word(item) not in NOTHING)
    if decision == "approve" and issues:
        raise ReportInvalid(f"{name} approves and lists {counted(len(issues), 'blocking issue')}")
    return ReviewReport(
        task_id=task_id,
        round=round_,
        decision=decision,
        summary=_text(body.get("summary")),
        head_sha=_text(body.get("head_sha"), 64).strip(),
        blocking_issues=issues,
        non_blocking=_texts(body.get("non_blocking_suggestions")),
        dispositions=tuple(_dispositions(body.get("dispositions"))),
        criteria=tuple(_criteria(body.get("criteria"))),
        files_examined=_texts(body.get("files_examined")),
    )


def _loosened(document: object, task_id: str) -> object:
    """`document` with its task and round in the type that they are compared in."""
    if not isinstance(document, dict):
        return document
    changed = dict(document)
    round_, task = whole_number(document.get("round")), document.get("task_id")
    if round_ is not None:
        changed["round"] = round_
    if isinstance(task, str) or (isinstance(task, int) and str(task) == task_id):
        changed["task_id"] = str(task).strip()
    return changed


def _require_fields(document: object, name: str, wanted: dict[str, type]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ReportInvalid(f"{name} must be an object, got {type(document).__name__}")
    for field in wanted:
        if field not in document:
            raise ReportInvalid(f"{name} missing required field {field!r}")
    for field, kind in wanted.items():
        value = document[field]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ReportInvalid(
                f"{name} field {field!r} must be {kind.__name__}, got {type(value).__name__}"
            )
    for field, kind in wanted.items():
        if kind is str and not document[field].strip():
            raise ReportInvalid(f"{name} field {field!r} must be non-empty")
    return document


def _require_lists(body: dict[str, Any], name: str, *fields: str) -> None:
    for field in fields:
        if body.get(field) is not None and not isinstance(body[field], list):
            got = type(body[field]).__name__
            raise ReportInvalid(f"{name} field {field!r} must be a list, got {got}")


def _check_identity(body: dict[str, Any], name: str, task_id: str, round_: int) -> None:
    for field, expected in (("task_id", task_id), ("round", round_)):
        if body[field] != expected:
            got = _text(body[field], 80)
            raise ReportInvalid(f"{name} field {field!r} mismatch: expected {expected}, got {got}")


def _text(value: object, limit: int = MAX_TEXT) -> str:
    text = clean_text(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _items(value: object) -> list[Any]:
    return value[:MAX_ITEMS] if isinstance(value, list) else []


def _limit_depth(value: object, depth: int = 4) -> object:
    """A test as the worker wrote it, as deep and as long as a reader can use."""
    if isinstance(value, dict) and depth:
        items = list(value.items())[:MAX_ITEMS]
        return {_text(key, 200): _limit_depth(item, depth - 1) for key, item in items}
    if isinstance(value, list) and depth:
        return [_limit_depth(item, depth - 1) for item in value[:MAX_ITEMS]]
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    return _text(value, 2_000)


def _texts(value: object) -> tuple[str, ...]:
    value = [value] if isinstance(value, str) else value
    return tuple(_text(item, 2_000) for item in _items(value) if item)


def _issue(item: object) -> ReportedIssue:
    """An issue; one that is not an object becomes its reason, so that it is not lost."""
    if not isinstance(item, dict):
        return ReportedIssue(reason=_text(item))
    return ReportedIssue(
        id=issued_id(_text(item.get("id"), 20), "F"),
        severity=SEVERITIES.get(word(item.get("severity")), "medium"),
        file=_text(item.get("file"), 500),
        line=line_number(item.get("line")),
        reason=_text(item.get("reason")),
        required_change=_text(item.get("required_change")),
        scenario=_text(item.get("scenario")),
        criterion=issued_id(_text(item.get("criterion"), 20), "C"),
    )


def _responses(value: object) -> list[Response]:
    return [
        Response.model_validate(
            {
                "id": issued_id(_text(item.get("id"), 20), "F"),
                "action": "disputed" if word(item.get("action")) in DISPUTED else "fixed",
                "evidence": _text(item.get("evidence"), 2_000),
            }
        )
        for item in entries(value, "action")[:MAX_ITEMS]
    ]


def _dispositions(value: object) -> list[Disposition]:
    found = []
    for item in entries(value, "status")[:MAX_ITEMS]:
        status = STATUSES.get(word(item.get("status")))
        if status is not None:
            id_, note = issued_id(_text(item.get("id"), 20), "F"), _text(item.get("note"), 2_000)
            found.append(Disposition(id=id_, status=status, note=note))
    return found


def _criteria(value: object) -> list[CriterionVerdict]:
    return [
        CriterionVerdict(
            id=issued_id(_text(item.get("id"), 20), "C"),
            met=item.get("met") is True or word(item.get("met")) in YES,
            evidence=_text(item.get("evidence"), 2_000),
        )
        for item in entries(value, "met")[:MAX_ITEMS]
    ]


def _test_word(test: object) -> str:
    if isinstance(test, dict):
        test = test.get("status", test.get("result", ""))
    return test.strip().lower() if isinstance(test, str) else ""
