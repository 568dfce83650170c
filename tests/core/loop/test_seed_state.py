"""States of agent-task-runner: what each becomes, and that no damage to one is a bug here."""

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.core import builders as b

from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.machine import outstanding
from loop_kit.core.loop.state import LoopState, Phase, Role, StateCorrupt, parse_state

BASE, WORK = b.sha(7), b.sha(8)
OLD: dict[str, Any] = {
    "version": 1,
    "state": "awaiting_work",
    "round": 2,
    "task_id": "T-001",
    "base_sha": BASE,
    "started_at": b.AT,
    "sessions": {"worker": {"session_id": "s", "backend": "codex", "started_round": 1}},
    "round_details": [
        {
            "round": 1,
            "started_at": b.AT,
            "worker_notes": "did it",
            "tests_summary": {"total": 1, "pass": 0, "fail": 0, "other": 1},
            "review_decision": "changes_required",
        }
    ],
    "head_sha": WORK,
}
REPORT = {"task_id": "T-001", "round": 2, "head_sha": b.sha(9), "notes": "again", "tests": ["x"]}
REQUEST = {
    "task_id": "T-001",
    "round": 2,
    "base_sha": BASE,
    "head_sha": b.sha(9),
    "commits": "0000009 Second\n0000008 First",
    "worker_notes": "again",
}
FIXES = {
    "task_id": "T-001",
    "round": 2,
    "fixes": [
        {"id": "B7", "severity": "critical", "file": "a.py", "reason": "wrong", "line": 3},
        {"reason": "no test", "required_change": "add one"},
    ],
}
UNDER_REVIEW = {"review_request.json": REQUEST, "work_report.json": REPORT}


def bus(files: Mapping[str, object]) -> Callable[[str], bytes | None]:
    """The bus files of a folder."""
    return lambda name: json.dumps(files[name]).encode() if name in files else None


def read(files: Mapping[str, object] | None = None, /, **changes: object) -> LoopState:
    """The state that OLD with `changes` becomes, beside these bus files."""
    return parse_state(json.dumps({**OLD, **changes}).encode(), bus(files or {}))


def next_role(state: LoopState) -> Role:
    """Who is called first when this state is continued."""
    effect = outstanding(b.after(state, b.resumed()))
    assert isinstance(effect, RunAgent)
    return effect.role


def test_a_loop_that_waits_for_the_worker_continues_from_the_reviewed_commit() -> None:
    state = read()
    assert (state.state, state.round, state.outcome) == (Phase.AWAITING_WORK, 2, None)
    assert (state.base_sha, state.start_sha, state.tip) == (BASE, BASE, WORK)
    assert state.sessions["worker"].session_id == "s"
    assert [detail.review_decision for detail in state.round_details] == ["changes_required"]
    assert (state.usage.rounds, state.usage.tokens_in) == (1, None)


def test_what_is_written_afterwards_is_ours_alone() -> None:
    written = json.loads(read().to_json())
    assert "version" not in written
    assert written["schema_version"] == 2
    assert parse_state(json.dumps(written).encode()) == read()


def test_a_state_of_0_3_0_has_no_version_and_no_sessions() -> None:
    old = {key: value for key, value in OLD.items() if key not in {"version", "sessions"}}
    assert parse_state(json.dumps(old).encode()) == read(sessions={})


def test_the_findings_of_the_fix_list_get_ids_of_ours() -> None:
    findings = read({"fix_list.json": FIXES}).findings
    said = [(f.id, f.round, f.severity, f.file, f.line, f.reason) for f in findings]
    assert said == [
        ("F1", 1, "high", "a.py", 3, "wrong"),
        ("F2", 1, "medium", "", None, "no test"),
    ]
    assert findings[1].required_change == "add one"


@pytest.mark.parametrize(
    "changes",
    [{"round": 3}, {"task_id": "T-002"}, {"fixes": {}}, {"fixes": None}, {"fixes": []}],
)
def test_a_fix_list_of_another_round_or_shape_says_nothing(changes: dict[str, object]) -> None:
    assert read({"fix_list.json": {**FIXES, **changes}}).findings == ()


def test_a_fix_list_in_the_first_round_is_a_leftover() -> None:
    fixes = {"fix_list.json": {**FIXES, "round": 1}}
    assert read(fixes, round=1, round_details=[]).findings == ()


def test_a_loop_that_waits_for_the_reviewer_has_what_a_review_is_written_into() -> None:
    state = read(UNDER_REVIEW, state="awaiting_review", head_sha=b.sha(9))
    assert next_role(state) is Role.REVIEWER
    assert state.history[-1].commits == ("0000009 Second", "0000008 First")
    assert [detail.round for detail in state.round_details] == [1, 2]
    assert state.round_details[-1].worker_notes == "again"
    assert state.round_details[-1].tests_summary["total"] == 1
    again = b.after(state, b.resumed(), b.attempted(Role.REVIEWER), b.rejected(2))
    assert (again.state, again.round) == (Phase.AWAITING_WORK, 3)
    assert [detail.review_decision for detail in again.round_details] == ["changes_required"] * 2


def test_a_review_can_begin_without_the_bus_too() -> None:
    state = read(state="awaiting_review")
    assert next_role(state) is Role.REVIEWER
    assert (state.history[-1].head_sha, state.round_details[-1].round) == (WORK, 2)


OUTCOMES = {
    "worker_timeout": ("worker_timeout", Role.WORKER),
    "worker_dispatch_failed": ("worker_dispatch_failed", Role.WORKER),
    "invalid_work_report": ("invalid_work_report", Role.WORKER),
    "worker_noop": ("worker_noop", Role.WORKER),
    "git_compare_failed": ("git_compare_failed", Role.WORKER),
    "reviewer_timeout": ("reviewer_timeout", Role.REVIEWER),
    "reviewer_dispatch_failed": ("reviewer_dispatch_failed", Role.REVIEWER),
    "invalid_review_report": ("invalid_review_report", Role.REVIEWER),
    "single_round_failed": ("worker_dispatch_failed", Role.WORKER),
    "interrupted": ("interrupted", Role.WORKER),
    "state_contract_missing": ("interrupted", Role.WORKER),
    "state_contract_mismatch": ("interrupted", Role.WORKER),
    "state_task_mismatch": ("interrupted", Role.WORKER),
    "invalid_state_transition": ("interrupted", Role.WORKER),
    "invalid_resume_state": ("interrupted", Role.WORKER),
    "max_rounds_exhausted": ("max_rounds_exhausted", Role.WORKER),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_failure_continues_at_the_role_that_is_due(outcome: str) -> None:
    expected, role = OUTCOMES[outcome]
    state = read(state="done", outcome=outcome, error="why", failed_at=b.AT)
    assert (state.state, state.outcome, state.error) == (Phase.DONE, expected, "why")
    assert next_role(state) is role


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("single_round_failed", "reviewer_dispatch_failed"), ("interrupted", "interrupted")],
)
def test_a_worker_whose_report_is_under_review_is_not_due_again(
    outcome: str, expected: str
) -> None:
    state = read(UNDER_REVIEW, state="done", outcome=outcome)
    assert (state.outcome, state.head_sha) == (expected, b.sha(9))
    assert state.history[-1].parent_sha == WORK
    assert next_role(state) is Role.REVIEWER


@pytest.mark.parametrize(
    "files",
    [
        {"work_report.json": REPORT},
        {"review_request.json": REQUEST},
        {**UNDER_REVIEW, "work_report.json": {**REPORT, "round": 1}},
        {**UNDER_REVIEW, "work_report.json": {**REPORT, "head_sha": b.sha(1)}},
        {**UNDER_REVIEW, "review_request.json": {**REQUEST, "base_sha": b.sha(1)}},
        {**UNDER_REVIEW, "review_request.json": {**REQUEST, "task_id": "T-9"}},
        {"review_request.json": [], "work_report.json": "x"},
    ],
)
def test_only_request_and_report_of_this_round_prove_that_the_worker_is_done(
    files: dict[str, object],
) -> None:
    assert next_role(read(files, state="done", outcome="single_round_failed")) is Role.WORKER


def test_a_state_that_was_restored_to_do_a_round_again_does_it_again() -> None:
    assert next_role(read(UNDER_REVIEW)) is Role.WORKER


@pytest.mark.parametrize("head", ["HEAD", "main", WORK[:8], "--output=x", "", 5, None, ["x"]])
def test_a_head_that_a_worker_did_not_spell_out_is_not_kept(head: object) -> None:
    state = read(state="awaiting_review", head_sha=head)
    if head is None:
        assert state.state is Phase.AWAITING_REVIEW
    else:
        assert next_role(state) is Role.WORKER
        assert state.tip == BASE


def test_an_approved_loop_stays_approved() -> None:
    state = read(state="done", outcome="approved")
    assert (state.outcome, state.is_finished) == ("approved", True)


def test_a_loop_that_never_began_is_idle() -> None:
    old = {"version": 1, "state": "idle", "round": 0, "task_id": None}
    assert parse_state(json.dumps(old).encode()) == LoopState()


@pytest.mark.parametrize("notes", [None, ["a", 1], {"a": {"b": 1}}, 5, "\ud800\x00"])
def test_notes_of_any_kind_are_kept_as_text(notes: object) -> None:
    state = read(round_details=[{**OLD["round_details"][0], "worker_notes": notes}, None, 5, {}])
    (detail,) = state.round_details
    assert detail.worker_notes.encode().decode() == detail.worker_notes


JUNK: tuple[object, ...] = (
    None,
    True,
    -1,
    1.5,
    10**30,
    "x",
    "\ud800",
    "",
    [],
    [[]],
    {},
    {"round": 1},
    [{"round": []}],
)


@pytest.mark.parametrize("key", [*OLD, "outcome", "error", "failed_at", "findings", "history"])
@pytest.mark.parametrize("phase", ["awaiting_work", "awaiting_review", "done", "idle"])
def test_a_damaged_state_is_read_or_refused_and_never_a_bug(key: str, phase: str) -> None:
    files = {**UNDER_REVIEW, "fix_list.json": FIXES}
    read_back = []
    for junk in JUNK:
        with contextlib.suppress(StateCorrupt):
            state = read(files, **{"state": phase, key: junk})
            read_back.append(parse_state(state.to_json()) == state)
    assert all(read_back)


@pytest.mark.parametrize("name", ["review_request.json", "work_report.json", "fix_list.json"])
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"round": 1e999}'])
def test_damaged_bus_files_beside_it_say_nothing(name: str, raw: bytes) -> None:
    def damaged(wanted: str) -> bytes | None:
        return raw if wanted == name else bus({**UNDER_REVIEW, "fix_list.json": FIXES})(wanted)

    state = parse_state(json.dumps({**OLD, "state": "done", "outcome": "x"}).encode(), damaged)
    assert state.findings == () if name == "fix_list.json" else len(state.findings) == 2
    assert next_role(state) is (Role.REVIEWER if name == "fix_list.json" else Role.WORKER)
