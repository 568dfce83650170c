"""Whatever an agent writes, a report is either used or refused by `ReportInvalid`."""

import functools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from loop_kit.core.agent.reports import (
    ReportInvalid,
    parse_review_report,
    parse_work_report,
    report_document,
)
from loop_kit.core.loop import bus

FIELDS = (
    *("task_id", "round", "head_sha", "decision", "notes", "summary", "files_changed", "tests"),
    *("responses", "blocking_issues", "non_blocking_suggestions", "dispositions", "criteria"),
    *("files_examined", "id", "severity", "file", "line", "reason", "status", "action", "met"),
)
ATOMS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 10**40, 1.5, float("inf"), float("nan"), 1e308),
    *("", " ", "T-001", "approve", "changes_required", "high", "fixed", "F1", "\x00", "\ud800"),
    *("\u202e", "x" * 30_000, "\U0001f600"),
)


def value(chance: random.Random, depth: int) -> Any:
    kind = chance.random()
    if depth == 0 or kind < 0.5:
        return chance.choice(ATOMS)
    if kind < 0.75:
        return [value(chance, depth - 1) for _ in range(chance.randint(0, 4))]
    return {chance.choice(FIELDS): value(chance, depth - 1) for _ in range(chance.randint(0, 4))}


def document(chance: random.Random) -> dict[str, Any]:
    """A report that is right in what is checked and random in everything else, or all random."""
    valid = {"task_id": "T-001", "round": 2, "head_sha": "a", "decision": "changes_required"}
    odd = {name: value(chance, 3) for name in chance.sample(FIELDS, 8)}
    return {**odd, **valid} if chance.random() < 0.7 else {**valid, **odd}


def used(parse: Any, found: Any) -> bool:
    refusal = ""
    try:
        report = parse(found, "T-001", 2)
    except ReportInvalid as error:
        refusal = str(error)
    if refusal:
        assert "\n" not in refusal
        assert len(refusal) < 500
        return False
    assert (report.task_id, report.round) == ("T-001", 2)
    json.dumps(report.model_dump()).encode()
    return True


@pytest.mark.parametrize("seed", range(20))
def test_a_random_document_is_used_or_refused_and_nothing_else(seed: int) -> None:
    chance = random.Random(seed)
    verdicts = set()
    for _ in range(60):
        found = document(chance)
        verdicts.add(used(parse_work_report, found))
        verdicts.add(used(parse_review_report, found))
        verdicts.add(used(parse_work_report, json.loads(json.dumps(found))))
    assert verdicts == {True, False}


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_a_document_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    refusals = []
    for _ in range(200):
        raw = chance.choice((b"", b"{", b'{"round":2')) + chance.randbytes(chance.randint(0, 30))
        try:
            report_document(raw)
        except ReportInvalid as error:
            refusals.append(str(error))
    assert refusals
    assert all("not readable as JSON" in refusal for refusal in refusals)


SHAPES = (
    '{"task_id":"T-001","round":2,"head_sha":"a","decision":"changes_required",'
    '"blocking_issues":[%s],"notes":%s,"tests":[%s]}',
    '{"task_id":"T-001","round":2,"head_sha":%s,"decision":%s}',
    '{"task_id":"T-001","round":2,"head_sha":"a","decision":"changes_required",'
    '"blocking_issues":[{"severity":%s,"id":%s}],"responses":[{"id":%s}]}',
)


@pytest.mark.parametrize("shape", SHAPES)
def test_nesting_that_just_fits_the_parser_still_makes_no_other_error(shape: str) -> None:
    for depth in (10, 500, *range(850, 1010, 2), 5_000):
        nested = "[" * depth + "]" * depth
        raw = (shape % ((nested,) * shape.count("%s"))).encode()
        try:
            found = report_document(raw)
        except ReportInvalid:
            continue
        used_somehow = (used(parse_work_report, found), used(parse_review_report, found))
        assert len(used_somehow) == 2


def deeper(frames: int, act: Callable[[], bytes]) -> bytes:
    """`act`, called from so many frames further down the stack."""
    return deeper(frames - 1, act) if frames else act()


def test_what_a_worker_nests_can_be_written_into_the_review_request() -> None:
    for depth in (10, 500, *range(850, 1010, 4)):
        nested = "[" * depth + "]" * depth
        raw = f'{{"task_id":"T-001","round":2,"head_sha":"a","tests":[{nested}]}}'.encode()
        try:
            report = parse_work_report(report_document(raw), "T-001", 2)
        except ReportInvalid:
            continue
        request = {"worker_tests": list(report.tests)}
        assert deeper(20, functools.partial(bus.encode, request))
