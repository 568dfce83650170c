"""F. Reports and cards that cannot be used: which field, which outcome, which exit code."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.harness import SENT_BACK, Repo, Steps, assert_refused, read_until
from tests.seed.helpers import ABSENT, WORK, finished, person

MODES = {"normal": (), "single": ("--single-round", "--round", "1")}
BAD_WORK: dict[str, tuple[dict[str, Any], str]] = {
    "no round": ({"round": ABSENT}, "'round'"),
    "no task_id": ({"task_id": ABSENT}, "'task_id'"),
    "no head_sha": ({"head_sha": ABSENT}, "'head_sha'"),
    "round as a word": ({"round": "one"}, "'round'"),
    "blank task_id": ({"task_id": "  "}, "'task_id'"),
    "blank head_sha": ({"head_sha": ""}, "'head_sha'"),
    "another task": ({"task_id": "T-999"}, "'task_id'"),
    "another round": ({"round": 9}, "'round'"),
}
BAD_REVIEWS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown decision": ({"decision": "maybe"}, "'decision'"),
    "no decision": ({"decision": ABSENT}, "'decision'"),
    "no round": ({"round": ABSENT}, "'round'"),
    "no task_id": ({"task_id": ABSENT}, "'task_id'"),
}


def assert_ended_by(repo: Repo, mode: str, outcome: str, field: str) -> None:
    """Run, and find the specific outcome and the field, whatever kind of run it is."""
    result = repo.run(*MODES[mode])
    assert result.code == 3, result.text
    assert repo.ended == ("done", outcome)
    assert field in repo.state["error"]
    assert field in result.text
    assert repo.state["failed_at"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", BAD_WORK)
def test_an_unusable_work_report_ends_the_run_and_its_field_is_named(
    repo: Repo, kind: str, mode: str
) -> None:
    changes, field = BAD_WORK[kind]
    repo.plan({"worker": [*WORK, {"report": changes}]})
    assert_ended_by(repo, mode, "invalid_work_report", field)
    assert repo.names == ["worker/1/1", "worker/1/2"]
    assert field in repo.calls[1].stdin


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", BAD_REVIEWS)
def test_an_unusable_review_ends_the_run_and_its_field_is_named(
    repo: Repo, kind: str, mode: str
) -> None:
    changes, field = BAD_REVIEWS[kind]
    repo.plan({"reviewer": [{"report": changes}]})
    assert_ended_by(repo, mode, "invalid_review_report", field)
    assert repo.names == ["worker/1/1", "reviewer/1/1", "reviewer/1/2"]


def test_a_review_of_three_fields_is_enough(repo: Repo) -> None:
    smallest = '{"task_id": "T-001", "round": 1, "decision": "approve"}'
    repo.plan({"reviewer": [{"raw": smallest}]})
    assert repo.run().code == 0
    assert repo.ended == ("done", "approved")


def test_a_persons_broken_report_is_warned_of_and_waited_out(repo: Repo) -> None:
    process = repo.start(auto=False)
    read_until(process, "Tell the Worker")
    person(repo, "work_report.json", '{"task_id": "T-0')
    assert "work_report.json" in read_until(process, "Warning")
    (repo.root / "calc.py").write_text("VALUE = 1\n", "utf-8")
    repo.git("commit", "--quiet", "--all", "-m", "Work")
    person(repo, "work_report.json", round=1, head_sha="x")
    read_until(process, "Tell the Reviewer")
    person(repo, "review_report.json", round=1, decision="approve")
    finished(process)
    assert process.returncode == 0


@pytest.mark.parametrize("damage", ["truncated", "absent"])
def test_a_broken_fix_list_counts_as_none(repo: Repo, damage: str) -> None:
    repo.plan({"reviewer/1": SENT_BACK})
    assert repo.run("--single-round", "--round", "1").code == 0
    path = repo.folder / "fix_list.json"
    path.unlink()
    if damage == "truncated":
        path.write_text('{"task_id": "T-001", "fix', "utf-8")
    result = repo.run("--single-round", "--round", "2")
    assert result.code == 0, result.text
    assert repo.ended == ("done", "approved")
    if damage == "truncated":
        assert "Warning" in result.text
        assert "fix_list.json" in result.text


CARDS: dict[str, tuple[bytes | None, str]] = {
    "invalid JSON": (b'{"task_id": "T-001", ', "JSON"),
    "no object": (b'["T-001"]', "list"),
    "not UTF-8": (b'{"task_id": "T-001", "goal": "\xe9"}', "UTF-8"),
    "missing": (None, "not found"),
}


@pytest.mark.parametrize("kind", [*CARDS, "unreadable"])
def test_a_card_that_cannot_be_used_is_refused_before_anything_is_written(
    repo: Repo, kind: str
) -> None:
    raw, word = CARDS.get(kind, (None, "cannot be read"))
    path = repo.folder / "task_card.json"
    path.unlink()
    if kind == "unreadable":
        path.mkdir()
    elif raw is not None:
        path.write_bytes(raw)
    assert_refused(repo.run(), 3, "task_card.json", word)
    assert not (repo.folder / "state.json").exists()
    assert repo.names == []


def test_a_repaired_report_is_as_good_as_a_good_one(repo: Repo) -> None:
    broken: Steps = [*WORK, {"raw": '{"task_id": "T-001", '}]
    repo.plan({"worker/1/1": broken, "worker/1/2": [{"report": {}}]})
    assert repo.run().code == 0
    assert repo.names == ["worker/1/1", "worker/1/2", "reviewer/1/1"]
