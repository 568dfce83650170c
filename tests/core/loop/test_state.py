"""The snapshot: it reads back as it was written, and what cannot be read is corrupt, not a bug."""

import json
from pathlib import Path

import pytest
from tests.core import builders as b

from loop_kit import __version__
from loop_kit.core.loop.state import (
    CommandResult,
    LoopState,
    Outcome,
    Session,
    Spent,
    StateCorrupt,
    StateTooNew,
    Usage,
    Verification,
    parse_state,
    state_encoder,
)
from loop_kit.core.record import encode_json

BEFORE_RENAMES = Path(__file__).parent / "state_before_renames.json"


def finished() -> LoopState:
    """A loop that was rejected once and approved then, with posts."""
    state = b.after(b.awaiting_work(publishes=True), b.work_reported(1, 1), b.rejected(1))
    return b.after(state, b.work_reported(2, 2, verification=b.verified(2, 0)), b.approved(2))


@pytest.mark.parametrize(
    "state",
    [LoopState(), b.awaiting_work(), b.awaiting_review(), finished()],
    ids=["idle", "work", "review", "done"],
)
def test_a_state_reads_back_as_it_was_written(state: LoopState) -> None:
    assert parse_state(state.to_json()) == state


def test_what_is_written_is_short_utf_8_json_under_the_names_of_agent_task_runner() -> None:
    written = finished().to_json()
    document = json.loads(written)
    assert written.endswith(b"}\n")
    assert {"round", "task_id", "base_sha", "head_sha", "started_at", "round_details"} <= set(
        document
    )
    assert (document["state"], document["outcome"], document["round"]) == ("done", "approved", 2)
    assert document["round_details"][0] == {
        "round": 1,
        "started_at": b.AT,
        "worker_notes": "did it",
        "tests_summary": {"total": 0, "pass": 0, "fail": 0, "other": 0},
        "review_decision": "changes_required",
    }
    assert not [key for key, value in document.items() if value in (None, "", [], {})]


def test_one_version_after_another_is_written_as_each_would_be_alone() -> None:
    encoder, state = state_encoder(), b.awaiting_work(publishes=True)
    for event in (b.work_reported(1, 1), b.rejected(1), b.work_reported(2, 2), b.approved(2)):
        state = b.after(state, event)
        written = state.to_json(encoder)
        body = state.model_dump(mode="json", exclude_none=True)
        slim = {key: value for key, value in body.items() if value not in ("", [], {})}
        assert written == encode_json(slim) == state.to_json()


def test_each_row_is_one_line_in_files_that_no_git_server_reads() -> None:
    state = b.after(b.awaiting_work(publishes=True), b.work_reported(1, 1), b.rejected(1))
    written = state.to_json(state_encoder(in_lines=True))
    assert json.loads(written) == json.loads(state.to_json())
    lines = written.decode().splitlines()
    rows = [json.loads(line.rstrip(",")) for line in lines if line.startswith("    {")]
    assert [row["round"] for row in rows if "parent_sha" in row] == [1]
    assert {finding.id for finding in state.findings} <= {row.get("id") for row in rows}


def test_unknown_keys_survive_a_round_trip_and_a_transition() -> None:
    document = {**json.loads(b.awaiting_work().to_json()), "of_a_newer_program": {"x": [1]}}
    state = parse_state(json.dumps(document).encode())
    later = b.after(state, b.work_reported(1, 1))
    assert json.loads(later.to_json())["of_a_newer_program"] == {"x": [1]}


@pytest.mark.parametrize("key", ["history", "findings", "outbox", "round_details"])
def test_unknown_keys_inside_records_survive_too(key: str) -> None:
    document = json.loads(finished().to_json())
    document[key][0]["of_a_newer_program"] = 1
    state = parse_state(json.dumps(document).encode())
    assert json.loads(state.to_json())[key][0]["of_a_newer_program"] == 1


def test_a_byte_order_mark_is_read_over() -> None:
    assert parse_state(b"\xef\xbb\xbf" + b.awaiting_work().to_json()) == b.awaiting_work()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not readable as JSON"),
        (b"{", "not readable as JSON"),
        (b'{"state": "idle"', "not readable as JSON"),
        (b"\xff\xfe", "not readable as JSON"),
        (b"[" * 100_000, "not readable as JSON"),
        (b'{"seq": ' + b"1" * 5_000 + b"}", "not readable as JSON"),
        (b"[]", "an object is expected, this is a list"),
        (b"null", "an object is expected, this is a NoneType"),
        (b'{"state": "flying"}', "'state'"),
        (b'{"outcome": "single_round_failed"}', "'outcome'"),
        (b'{"round": "two"}', "'round': must be a whole number"),
        (b'{"findings": {}}', "'findings': must be a list"),
        (b'{"findings": [{"id": "F1"}]}', "'findings.0.round' is missing"),
        (b'{"sessions": {"worker": {"session_id": "s"}}}', "'sessions.worker.backend' is missing"),
        (b'{"schema_version": 1}', "schema_version 1 is not known here"),
        (b'{"schema_version": true}', "schema_version True is not known here"),
        (b'{"schema_version": "2"}', "schema_version '2' is not known here"),
    ],
)
def test_what_is_no_state_is_corrupt_and_says_why(raw: bytes, why: str) -> None:
    with pytest.raises(StateCorrupt) as corrupt:
        parse_state(raw)
    assert why in str(corrupt.value)
    assert len(str(corrupt.value)) < 400


@pytest.mark.parametrize(
    ("written_by", "needed"),
    [("9.1.0", "loop-kit >= 9.1.0"), (None, "a newer loop-kit"), ("9\nError", "a newer loop-kit")],
)
def test_a_newer_state_is_refused_with_the_version_that_it_needs(
    written_by: str | None, needed: str
) -> None:
    raw = json.dumps({"schema_version": 99, "state": "soaring", "written_by": written_by})
    with pytest.raises(StateTooNew) as refused:
        parse_state(raw.encode())
    this = f"and this is {__version__}"
    assert str(refused.value) == f"it needs {needed} (schema_version 99), {this}"


def test_a_state_names_the_version_that_wrote_it_last() -> None:
    written = json.loads(b.awaiting_work().to_json())
    assert written["written_by"] == __version__
    older = parse_state(json.dumps({**written, "written_by": "0.0.1"}).encode())
    assert json.loads(older.to_json())["written_by"] == __version__


def test_a_state_of_agent_task_runner_can_be_read() -> None:
    raw = {
        "version": 1,
        "state": "awaiting_review",
        "round": 1,
        "task_id": "T-001",
        "base_sha": b.START,
        "started_at": b.AT,
        "round_details": [],
        "sessions": {"worker": {"session_id": "s", "backend": "codex", "started_round": 1}},
    }
    state = parse_state(json.dumps(raw).encode())
    assert (state.state, state.round) == ("awaiting_review", 1)
    assert state.sessions["worker"] == Session(session_id="s", backend="codex")


def test_a_state_that_was_written_before_keys_were_renamed_can_be_read() -> None:
    state = parse_state(BEFORE_RENAMES.read_bytes())
    assert (state.handled_commands, state.added_rounds) == ((4711, 4712), 2)
    assert (state.outcome, state.reasons) == (Outcome.CANCELLED, ())
    assert state.attempt
    assert not state.attempt.claimed

    written = json.loads(state.to_json())
    assert written["handled_commands"] == [4711, 4712]
    assert written.keys() & {"heeded", "extended"} == set()
    assert parse_state(state.to_json()) == state


def test_usage_adds_up() -> None:
    usage = Usage(rounds=2, agent_seconds=1.5, tokens_in=10, tokens_out=1, cost_usd=0.5)
    more = Spent(agent_seconds=2, tokens_in=5, tokens_out=4, cost_usd=0.25)
    assert usage.plus(more) == Usage(
        rounds=2, agent_seconds=3.5, tokens_in=15, tokens_out=5, cost_usd=0.75
    )


def test_what_a_backend_does_not_report_stays_unknown_and_is_counted() -> None:
    usage = Usage().plus(Spent(agent_seconds=3))
    assert (usage.tokens_in, usage.tokens_out, usage.cost_usd) == (None, None, None)
    assert usage.unreported == 1
    known = usage.plus(Spent(tokens_in=7, tokens_out=2)).plus(Spent(agent_seconds=1))
    assert (known.tokens_in, known.tokens_out, known.cost_usd, known.unreported) == (7, 2, None, 2)


def test_a_reported_zero_is_not_unknown() -> None:
    usage = Usage().plus(Spent(tokens_in=0, tokens_out=0, cost_usd=0))
    assert (usage.tokens_in, usage.cost_usd, usage.unreported) == (0, 0, 0)
    written = json.loads(LoopState(usage=usage).to_json())
    assert written["usage"]["tokens_in"] == 0


def test_a_verification_passes_when_every_command_does() -> None:
    assert b.verified(1).passed
    assert b.verified(1, 0, 0).passed
    assert not b.verified(1, 0, 1).passed
    assert b.verified(1, 0, 1, 2).unavailable is None
    broken = CommandResult(command="check 2", exit_code=127)
    assert b.verified(1, 1, 127, 126).unavailable == broken
    assert Verification(sha="").unavailable is None


def test_a_state_is_never_changed_in_place() -> None:
    state = b.awaiting_work()
    with pytest.raises(ValueError, match="frozen"):
        state.round = 2  # type: ignore[misc]
