"""What of a fetched loop is taken, and what may go back."""

from __future__ import annotations

import json

import pytest

from loop_kit.core.ci.branches import Branches
from loop_kit.core.ci.fetched import (
    FetchedLoop,
    changes,
    foreign_branch,
    is_bus_file,
    parse_fetched,
)
from loop_kit.core.loop.state import LoopState, Source

RECORD = FetchedLoop(
    task_id="T-1",
    remote="origin",
    branch_prefix="loop",
    state_tip="a" * 40,
    work_branch="loop/T-1/work",
)


@pytest.mark.parametrize(
    "name",
    [
        "work_report.json",
        "summary.json",
        "archive/T-1/r12_fix_list.json",
        "archive/T-1/summary.json",
        "archive/T-1/runs/2030-01-01T00-00-00Z/summary.json",
        "archive/T-1/runs/2030-01-01T00:00:00Z/summary.json",
        "archive/T-1/runs/2030-01-01T00:00:00Z-2/r1_work_report.json",
        "archive/T-1/r1_work_report_refused_1.txt",
        "archive/T-1/r1_review_report_pass_2.json",
        "archive/T-1/r2_second_review_report_pass_3.json",
        "archive/T-1/runs/2030-01-01T00:00:00Z/r12_review_report_refused_3.txt",
        "handoff/T-1/worker_r3.json",
    ],
)
def test_a_file_that_a_loop_writes_is_taken(name: str) -> None:
    assert is_bus_file(name, "T-1")


@pytest.mark.parametrize(
    "name",
    [
        "state.json",
        "task_card.json",
        "config.yaml",
        "lock",
        "inbox/7.json",
        "../work_report.json",
        "archive/T-1/../../work_report.json",
        "archive/T-2/r1_work_report.json",
        "archive/T-1/r1_state.json",
        "archive/T-1/r1_work_report_pass_2.json",
        "archive/T-1/r1_work_report.json\n",
        "archive/T-1/r１_work_report.json",
        "archive/T-1/r1234567_work_report.json",
        "archive/T-1/x/r1_work_report.json",
        "archive/T-1/runs/x/r1_work_report.json",
        "archive/T-1/r1_state_refused_1.txt",
        "work_report_refused_1.txt",
        "archive/T-1/runs/r1_work_report.json",
        "archive/T-2/runs/2030-01-01T00:00:00Z/summary.json",
        "runs/2030-01-01T00:00:00Z/summary.json",
        "handoff/T-1/tester_r1.json",
        "handoff/T-1/worker_r1.json.sh",
        "/work_report.json",
        "WORK_REPORT.JSON",
    ],
)
def test_any_other_file_is_left_where_it_is(name: str) -> None:
    assert not is_bus_file(name, "T-1")


def test_a_review_request_goes_back_without_its_diff_and_what_is_the_same_not_at_all() -> None:
    here = {
        "review_request.json": json.dumps(
            {"round": 1, "diff": "x" * 99, "diff_file": "f"}
        ).encode(),
        "fix_list.json": b'{"round": 1}',
    }
    changed, damaged = changes(here, {"fix_list.json": b'{"round": 1}', "summary.json": b"{}"})
    assert damaged == ""
    assert json.loads(changed["review_request.json"] or b"") == {"round": 1}
    assert (changed["summary.json"], {*changed}) == (None, {"review_request.json", "summary.json"})


def test_a_refused_report_goes_back_as_it_was_written() -> None:
    here = {"archive/T-1/r1_work_report_refused_1.txt": b"Refused: no JSON\n\n{\xff"}
    assert changes(here, {}) == (here, "")


def test_what_was_archived_is_never_removed() -> None:
    there = {"archive/T-1/r1_work_report.json": b"{}"}
    assert changes({}, there) == ({}, "")


def test_the_archive_of_an_earlier_run_is_moved_there_too() -> None:
    earlier = "archive/T-1/runs/2030-01-01T00:00:00Z"
    first, second = b'{"round": 1}', b'{"round": 1, "notes": "again"}'
    there = {f"archive/T-1/r{n}_work_report.json": first for n in (1, 2)}
    here = {f"{earlier}/r{n}_work_report.json": first for n in (1, 2)}
    changed, _ = changes({**here, "archive/T-1/r1_work_report.json": second}, there)
    assert changed == {
        **here,
        "archive/T-1/r1_work_report.json": second,
        "archive/T-1/r2_work_report.json": None,
    }


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_named(content: bytes) -> None:
    assert changes({"summary.json": content}, {}) == ({}, "summary.json")


@pytest.mark.parametrize(
    ("work", "source", "foreign"),
    [
        ("", Source(), False),
        ("loop/T-1/work", Source(), False),
        ("fix", Source(kind="pull_request", ref="5"), False),
        ("fix", Source(), True),
        ("main", Source(kind="pull_request", ref="5"), True),
        ("loop/T-1/state", Source(kind="pull_request", ref="5"), True),
    ],
)
def test_a_loop_writes_to_its_own_branch_or_to_the_head_of_its_pull_request(
    work: str, source: Source, foreign: bool
) -> None:
    state = LoopState(work_branch=work, base_branch="main", source=source)
    assert bool(foreign_branch(state, Branches("loop", "T-1"))) is foreign


def test_a_state_is_held_only_when_it_is_for_certain_in_ci() -> None:
    record = RECORD.with_held(b"fetched").with_tried(b"pushed, perhaps")
    assert record.is_held(b"fetched")
    assert not record.is_held(b"pushed, perhaps")
    assert record.is_known(b"pushed, perhaps")
    assert not record.is_known(b"somebody else's")


def test_a_record_survives_and_stays_bounded() -> None:
    record = RECORD
    for number in range(500):
        record = record.with_tried(b"%d" % number)
    read = parse_fetched(record.to_json())
    assert read == record
    assert read is not None
    assert (len(read.tried), read.is_known(b"499"), read.is_known(b"1")) == (200, True, False)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"task_id": "../x"}'])
def test_a_record_that_is_none_is_none(raw: bytes) -> None:
    assert parse_fetched(raw) is None
