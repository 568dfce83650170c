"""The record of a bundle: strict, bounded, made for one claim, and silent about the verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.core.builders import (
    START,
    TASK,
    after,
    approved,
    attempted,
    awaiting_work,
    failed,
    halted,
    sha,
    verified,
    work_reported,
)

from loop_kit.core.ci.bundle import (
    Bundle,
    BundleInvalid,
    mismatch,
    parse_bundle,
    parse_header,
)
from loop_kit.core.ci.bundle_builder import build_bundle, shorten
from loop_kit.core.loop.messages import (
    BaseVerified,
    Event,
    Failure,
    LeaseTaken,
    PassSkipped,
    SandboxChosen,
)
from loop_kit.core.loop.state import (
    CommandResult,
    Lease,
    Limits,
    LoopState,
    Outcome,
    Role,
    Spent,
    Verification,
)

HOLDER = "a1b2c3"
PASSES = Limits.model_validate({"rules": {"passes": {"alone": 2}}})
COMMANDS = ("check 1", "check 2")
HEAD, PARENT = sha(1), START
HEADER = f"# v2 git bundle\n-{PARENT} Start\n{HEAD} refs/loop-kit/work\n\nPACK"


def recorded(verify: tuple[str, ...] = ()) -> LoopState:
    return after(awaiting_work(verify=verify), LeaseTaken(Lease(holder=HOLDER, run_id="7")))


def document(**fields: Any) -> dict[str, Any]:
    state = recorded()
    body = {"version": 1, "task_id": TASK, "round": 1, "holder": HOLDER, "seq": state.seq}
    return {**body, **fields}


def bundle(**fields: Any) -> Bundle:
    return parse_bundle(json.dumps(document(**fields)).encode())


def bundle_of(*events: Event, reports: dict[Role, bytes] | None = None) -> Bundle:
    state = recorded(COMMANDS)
    made = build_bundle(state, after(state, *events), events, reports or {})
    return parse_bundle(made.to_json())


def test_a_bundle_says_how_its_agents_were_confined() -> None:
    assert bundle_of(SandboxChosen("Landlock; network: open")).sandbox == "Landlock; network: open"
    assert bundle_of().sandbox == ""


def assert_refused(raw: bytes, why: str) -> None:
    with pytest.raises(BundleInvalid) as caught:
        parse_bundle(raw)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_worker_left_outside_its_commits_comes_through() -> None:
    worked = work_reported(1, 1)
    notes = ("Not committed for the worker: debug.log.",)
    found = bundle_of(
        attempted(Role.WORKER), replace(worked, work=replace(worked.work, notes=notes))
    )
    assert found.work is not None
    assert found.work.notes == notes
    endless = found.to_json().replace(b"debug.log", b"x" * 10_000)
    assert_refused(endless, "8192")


def test_a_round_comes_through_as_it_was_reported() -> None:
    reports = {Role.WORKER: b'{"notes": "did it"}', Role.REVIEWER: b'{"decision": "approve"}'}
    base = BaseVerified(verified(0, 1), "")

    found = bundle_of(
        base,
        attempted(Role.WORKER),
        work_reported(1, 1, verification=verified(1, 0, 0), spent=Spent(agent_seconds=2)),
        attempted(Role.REVIEWER),
        approved(1),
        reports=reports,
    )

    assert found.work is not None
    assert found.work.head_sha == HEAD
    assert found.report(Role.WORKER) == '{"notes": "did it"}'
    assert found.report(Role.REVIEWER) == '{"decision": "approve"}'
    assert found.spent.of(Role.WORKER) == Spent(agent_seconds=2)
    told = found.verification(HEAD, COMMANDS)
    assert told is not None
    assert told.passed
    assert found.outcome is None


def test_each_further_pass_comes_through_with_what_it_used_or_why_there_is_none() -> None:
    state = recorded().model_copy(update={"limits": PASSES})
    first, again, last = (Spent(agent_seconds=n) for n in (1, 2, 4))
    down = failed(Role.REVIEWER, Failure.PERMANENT, "codex is down.", spent=last)
    events: tuple[Event, ...] = (
        attempted(Role.WORKER),
        work_reported(1, 1),
        attempted(Role.REVIEWER),
        replace(approved(1, spent=first), takes_passes=True),
        attempted(Role.REVIEWER),
        replace(approved(1, spent=again), takes_passes=True, further=1),
        attempted(Role.REVIEWER),
        replace(down, further=2),
        PassSkipped(Role.REVIEWER, "codex is down.", ""),
    )
    reports = {Role.REVIEWER: b'{"pass": 1}'}
    further = {(Role.REVIEWER, 1): b'{"pass": 2}'}
    made = build_bundle(state, after(state, *events), events, reports, (), further)

    found = parse_bundle(made.to_json())

    assert found.review == '{"pass": 1}'
    assert [(one.report, one.missed, one.spent.agent_seconds) for one in found.passes] == [
        ('{"pass": 2}', "", 2),
        (None, "codex is down.", 4),
    ]
    assert found.spent.reviewer.agent_seconds == 1
    assert found.failure(Role.REVIEWER, 2) == (Failure.PERMANENT, "codex is down.")


def test_a_pass_of_which_nothing_is_left_is_done_without_unless_its_agent_tampered() -> None:
    lost, why = bundle().failure(Role.REVIEWER, 1)
    assert (lost, why) == (
        Failure.PERMANENT,
        "The agents' job left no report of this reviewer's pass.",
    )
    tampered = bundle(outcome="needs_human", reasons=["tampered"], error="It changed a hook.")
    assert tampered.failure(Role.REVIEWER, 1) == (Failure.TAMPERED, "It changed a hook.")


def test_a_failed_round_tells_why_and_what_all_attempts_spent() -> None:
    spent = Spent(agent_seconds=5, tokens_in=10, tokens_out=1, backend="codex", model="gpt-5")
    transient = failed(Role.WORKER, Failure.TRANSIENT, "overloaded", spent=spent)
    last = failed(Role.WORKER, Failure.TIMEOUT, "timed out after 5 s", spent=spent)

    found = bundle_of(attempted(Role.WORKER), transient, attempted(Role.WORKER), last)

    assert found.work is None
    assert found.outcome is Outcome.WORKER_TIMEOUT
    assert found.failure(Role.WORKER) == (Failure.TIMEOUT, "timed out after 5 s")
    assert found.spent.of(Role.WORKER) == spent.model_copy(
        update={"agent_seconds": 10, "tokens_in": 20, "tokens_out": 2}
    )


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (Failure.SCOPE, "needs_human"),
        (Failure.PROTECTED_PATH, "needs_human"),
        (Failure.BUDGET, "needs_human"),
        (Failure.NOOP, "worker_noop"),
        (Failure.HISTORY, "git_compare_failed"),
        (Failure.INVALID_REPORT, "invalid_work_report"),
        (Failure.PERMANENT, "worker_dispatch_failed"),
    ],
)
def test_a_failure_is_the_same_on_the_other_side(failure: Failure, outcome: str) -> None:
    event = failed(Role.WORKER, failure, "that is why", repairable=False)

    found = bundle_of(attempted(Role.WORKER), event)

    assert found.outcome == outcome
    assert found.failure(Role.WORKER) == (failure, "that is why")


def test_what_failed_for_the_worker_is_no_reason_for_the_reviewer() -> None:
    found = bundle(outcome="worker_timeout", error="timed out")
    said = "The agents' job left no report of the reviewer."

    assert found.failure(Role.REVIEWER) == (Failure.PERMANENT, said)


def test_an_interrupted_round_says_so() -> None:
    assert bundle_of(halted(Outcome.INTERRUPTED)).outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize("outcome", ["approved", "cancelled", "max_rounds_exhausted"])
def test_no_bundle_says_how_a_loop_was_judged(outcome: str) -> None:
    assert_refused(json.dumps(document(outcome=outcome)).encode(), "'outcome'")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xff\xfe", "not readable as JSON"),
        (b"", "not readable as JSON"),
        (b"[]", "the document"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"version": NaN}', "NaN is not a number"),
        (b'{"version": 1, "version": 1}', "a key is repeated"),
        (b'{"work": {"report": "", "report": ""}}', "a key is repeated"),
        (b'{"version": ' + b"9" * 5_000 + b"}", "not readable as JSON"),
    ],
)
def test_what_is_no_record_is_refused_in_one_sentence(raw: bytes, why: str) -> None:
    assert_refused(raw, why)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"version": 2}, "'version'"),
        ({"version": "1"}, "'version'"),
        ({"round": "1"}, "'round'"),
        ({"round": 0}, "'round'"),
        ({"round": True}, "'round'"),
        ({"holder": ""}, "'holder'"),
        ({"seq": -1}, "'seq'"),
        ({"seq": 1.5}, "'seq'"),
        ({"state": "done"}, "unknown key 'state'"),
        ({"work": {"head_sha": "HEAD", "report": ""}}, "'work.head_sha'"),
        ({"work": {"head_sha": "--upload-pack=x", "report": ""}}, "'work.head_sha'"),
        ({"work": {"head_sha": HEAD + "\n", "report": ""}}, "'work.head_sha'"),
        ({"work": {"head_sha": HEAD, "report": {}}}, "'work.report'"),
        ({"work": {"head_sha": HEAD, "report": "\x00"}}, "'work.report'"),
        ({"review": "\ud800"}, "bundle.json"),
        ({"error": "x" * 4_001}, "'error'"),
        ({"reasons": ["because"]}, "'reasons.0'"),
        ({"spent": {"worker": {"agent_seconds": -1}}}, "agent_seconds"),
        ({"spent": {"worker": {"agent_seconds": 90_000}}}, "agent_seconds"),
        ({"spent": {"worker": {"tokens_in": 10**10}}}, "tokens_in"),
        ({"spent": {"worker": {"tokens_in": -1}}}, "tokens_in"),
        ({"spent": {"worker": {"cost_usd": -0.5}}}, "cost_usd"),
        ({"spent": {"operator": {}}}, "operator"),
        ({"verifications": [{"sha": HEAD, "results": []}] * 5}, "'verifications'"),
        ({"verifications": [{"sha": HEAD, "passed": True}]}, "passed"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields: dict[str, Any], why: str) -> None:
    assert_refused(json.dumps(document(**fields)).encode(), why)


def results(*pairs: tuple[str, int], at: str = HEAD) -> dict[str, Any]:
    return {"sha": at, "results": [{"command": c, "exit_code": code} for c, code in pairs]}


def test_verification_that_stopped_at_the_first_failure_is_told_in_full() -> None:
    found = bundle(verifications=[results(("check 1", 1))]).verification(HEAD, COMMANDS)

    result = CommandResult(command="check 1", exit_code=1)
    assert found == Verification(sha=HEAD, results=(result,))


@pytest.mark.parametrize(
    "told",
    [
        results(("check 1", 0)),
        results(("check 2", 0), ("check 1", 0)),
        results(("true", 0), ("true", 0)),
        results(("check 1", 1), ("check 2", 0)),
        results(("check 1", 0), ("check 2", 0), ("check 3", 0)),
        results(),
        results(("check 1", 0), ("check 2", 0), at=sha(2)),
    ],
    ids=["half", "order", "other commands", "went on", "more", "none", "other commit"],
)
def test_verification_of_other_commits_or_commands_is_none(told: dict[str, Any]) -> None:
    assert bundle(verifications=[told]).verification(HEAD, COMMANDS) is None


def test_the_bundle_of_this_claim_fits() -> None:
    assert mismatch(bundle(), recorded(), rerun=False) is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"task_id": "T-002"}, "it is of 'T-002', the loop is T-001"),
        ({"task_id": "\x1b[2J"}, "it is of '', the loop is T-001"),
        ({"holder": "ffffff"}, "another claim"),
        ({"round": 2}, "it was made for round 2"),
        ({"seq": 9}, "at state 9"),
        ({"seq": 0}, "at state 0"),
    ],
)
def test_a_bundle_of_something_else_does_not_fit(fields: dict[str, Any], why: str) -> None:
    assert why in mismatch(bundle(**fields), recorded(), rerun=False)
    if fields != {"seq": 0}:
        assert why in mismatch(bundle(**fields), recorded(), rerun=True)


def test_a_rerun_takes_the_review_of_work_that_it_has_saved_and_of_no_other() -> None:
    state = after(recorded(), attempted(Role.WORKER), work_reported(1, 1))
    saved = bundle(work={"head_sha": HEAD, "report": "{}"})
    other = bundle(work={"head_sha": sha(2), "report": "{}"})

    assert mismatch(saved, state, rerun=True) is None
    assert "at state" in mismatch(saved, state, rerun=False)
    assert "at state" in mismatch(other, state, rerun=True)


def test_a_loop_without_a_lease_waits_for_no_bundle() -> None:
    assert mismatch(bundle(), awaiting_work(), rerun=False) == (
        "it was made for another claim of this loop"
    )


REFUSED = {"role": "worker", "attempt": 2, "text": "Refused: no task_id\n\n{}"}


def test_refused_reports_are_archived_by_the_round_and_attempt_they_are_of() -> None:
    found = bundle(refused=[REFUSED])
    assert found.refused_files() == {
        "archive/T-001/r1_work_report_refused_2.txt": b"Refused: no task_id\n\n{}"
    }
    assert shorten(found) == found


@pytest.mark.parametrize(
    "wrong", [{"role": "boss"}, {"attempt": 0}, {"attempt": "../2"}, {"text": "x" * 3_000_000}]
)
def test_a_refused_report_that_does_not_fit_is_refused_itself(wrong: dict[str, Any]) -> None:
    assert_refused(json.dumps(document(refused=[{**REFUSED, **wrong}])).encode(), "refused")


def test_refused_reports_make_room_for_those_that_count() -> None:
    work = {"head_sha": HEAD, "report": "x" * 3_000_000}
    found = shorten(bundle(work=work, refused=[{**REFUSED, "text": "y" * 2_000_000}]))

    assert found.refused == ()
    assert found.report(Role.WORKER) == work["report"]


def test_reports_that_are_too_long_are_an_invalid_report() -> None:
    long = {"head_sha": HEAD, "report": "x" * 4_200_000}
    found = shorten(bundle(work=long, review="{}", refused=[REFUSED]))

    assert (found.work, found.review, found.refused) == (None, None, ())
    assert found.failure(Role.WORKER)[0] is Failure.INVALID_REPORT


def test_terminal_escapes_in_an_error_are_not_passed_on() -> None:
    assert bundle(outcome="worker_timeout", error="\x1b[31mlate\x07").message == "late"


@pytest.mark.parametrize(
    "header",
    [HEADER, HEADER.replace("# v2 git bundle", "# v3 git bundle\n@object-format=sha1")],
    ids=["v2", "v3"],
)
def test_a_bundle_of_one_ref_on_the_known_commit_is_taken(header: str) -> None:
    parse_header(header.encode(), PARENT, HEAD)
    assert header.encode().endswith(b"PACK")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "PACK",
        HEADER.replace("\n\n", f"\n{HEAD} refs/heads/main\n\n"),
        HEADER.replace("refs/loop-kit/work", "refs/heads/main"),
        HEADER.replace("refs/loop-kit/work", "--upload-pack=touch"),
        HEADER.replace(f"-{PARENT} Start\n", ""),
        HEADER.replace(f"-{PARENT} Start\n", f"-{PARENT}\n-{sha(3)}\n"),
        HEADER.replace("# v2 git bundle", "# v3 git bundle\n@filter=blob:none"),
        HEADER.replace(HEAD, HEAD[:20]),
        HEADER.replace("\n\n", "\n"),
    ],
    ids=[
        *("empty", "no bundle", "two refs", "another ref", "an option", "no parent"),
        *("two parents", "objects left out", "short id", "no end"),
    ],
)
def test_any_other_beginning_is_refused(header: str) -> None:
    with pytest.raises(BundleInvalid, match="no git bundle of exactly refs/loop-kit/work"):
        parse_header(header.encode(), PARENT, HEAD)


def test_another_commit_at_either_end_is_refused() -> None:
    with pytest.raises(BundleInvalid, match="does not build on"):
        parse_header(HEADER.encode(), sha(5), HEAD)
    with pytest.raises(BundleInvalid, match="does not hold the commit"):
        parse_header(HEADER.encode(), PARENT, sha(5))


def test_where_merges_are_allowed_the_other_commits_below_them_are_named() -> None:
    header = HEADER.replace(f"-{PARENT}", f"-{sha(5)} Theirs\n-{PARENT}", 1).encode()

    assert parse_header(header, PARENT, HEAD, merges=True) == {sha(5)}
    with pytest.raises(BundleInvalid, match="does not build on"):
        parse_header(header, sha(6), HEAD, merges=True)
