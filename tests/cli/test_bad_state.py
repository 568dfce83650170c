"""A `state.json` that is damaged, that is false, or that is meant to make git do something."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.damage import CONTENT, FEW, HOSTILE, assert_tidy, damage, repair
from tests.cli.harness import TWO_ROUNDS, Repo, Steps, assert_refused

FAILS: Steps = [{"stderr": "unauthorized"}, {"exit": 1}]
NOWHERE = ("a dangling link", "a link to itself")


@pytest.fixture
def under_review(repo: Repo) -> Repo:
    """A loop whose reviewer failed in round 1."""
    repo.plan({"reviewer": FAILS})
    assert repo.run().code == 2
    assert repo.ended == ("done", "reviewer_dispatch_failed")
    repo.plan({})
    return repo


def rewrite(repo: Repo, **changes: Any) -> bytes:
    """Change the recorded state behind the tool's back and return what it was; None removes."""
    path = repo.folder / "state.json"
    good = path.read_bytes()
    body = {**json.loads(good), **changes}
    path.write_text(json.dumps({key: value for key, value in body.items() if value is not None}))
    return good


def assert_not_continued(repo: Repo, *words: str) -> None:
    refused = repo.run("--resume")
    assert_tidy(refused)
    assert_refused(refused, 5, *words)
    assert repo.names == ["worker/1/1", "reviewer/1/1"]


def assert_continues(repo: Repo, good: bytes) -> None:
    repair(repo.folder / "state.json", good)
    done = repo.run("--resume")
    assert done.code == 0, done.text
    assert repo.names == ["worker/1/1", "reviewer/1/1", "reviewer/1/2"]


@pytest.mark.parametrize("kind", [*CONTENT, "a folder", "a pipe"])
def test_a_damaged_state_is_warned_of_and_refused_until_it_is_fixed(
    under_review: Repo, kind: str
) -> None:
    repo = under_review
    good = damage(repo.folder / "state.json", kind)
    shown = repo.loop("status")
    assert_tidy(shown)
    assert (shown.code, shown.out.splitlines()[0]) == (0, "State: idle")
    assert shown.err.startswith("Warning: ")
    assert "state.json" in shown.err
    assert_not_continued(repo, "state.json")
    assert_continues(repo, good)


@pytest.mark.parametrize("kind", [*FEW, "a pipe", "a dangling link"])
def test_a_fresh_run_keeps_the_damaged_state_aside(repo: Repo, kind: str) -> None:
    repo.plan({"reviewer": FAILS})
    assert repo.run().code == 2
    damage(repo.folder / "state.json", kind)
    repo.plan({"worker": [{"write": {"calc.py": "VALUE = 9\n"}}, {"report": {}}]})
    done = repo.run()
    assert_tidy(done)
    assert done.code == 0, done.text
    assert repo.ended == ("done", "approved")
    assert "state.json.corrupt" in done.err
    assert (repo.folder / "state.json.corrupt").is_symlink() == (kind in NOWHERE)


@pytest.mark.parametrize("kind", NOWHERE)
def test_a_state_that_leads_nowhere_is_not_continued(under_review: Repo, kind: str) -> None:
    repo = under_review
    good = damage(repo.folder / "state.json", kind)
    assert_not_continued(repo)
    assert not (repo.folder / "nowhere").exists()
    assert_continues(repo, good)


NO_COMMIT: dict[str, object] = {
    "an option": "--output=owned",
    "a path": "../../owned",
    "a reference": "HEAD",
    "short": "0123456",
    "two lines": "0" * 40 + "\nError: owned",
    "NUL": "\x00" * 40,
    "half a surrogate pair": "\ud800" * 40,
    "an escape sequence": HOSTILE,
    "upper case": "A" * 40,
    "a list": ["0" * 40],
    "a number": 5,
}


@pytest.mark.parametrize("kind", NO_COMMIT)
def test_what_is_no_commit_never_reaches_git(under_review: Repo, kind: str) -> None:
    repo = under_review
    good = rewrite(repo, **dict.fromkeys(("base_sha", "start_sha", "head_sha"), NO_COMMIT[kind]))
    assert_not_continued(repo, "_sha")
    assert not list(repo.root.parent.rglob("owned*"))
    assert_continues(repo, good)


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "done without an outcome": {"outcome": None, "resume_phase": None},
    "continues at nothing": {"resume_phase": "done", "state": "idle"},
    "idle": {"state": "idle", "resume_phase": None},
    "paused": {"state": "paused", "resume_phase": None},
    "a review of nothing": {"history": None},
    "a review of another round": {"round": 2},
    "a review without its round": {"round_details": None},
    "a review of no commit": {"head_sha": None},
    "no base": {"base_sha": None},
    "round 0": {"round": 0, "resume_phase": "awaiting_work"},
    "a negative round": {"round": -1, "resume_phase": "awaiting_work"},
    "another task": {"task_id": "T-002"},
    "no task": {"task_id": None},
    "a path as task": {"task_id": "../../T-001"},
    "a newer version": {"schema_version": 99},
    "another card": {"card_sha256": "0" * 64},
}


@pytest.mark.parametrize("kind", CONTRADICTIONS)
def test_a_state_that_contradicts_itself_is_not_continued(under_review: Repo, kind: str) -> None:
    repo = under_review
    good = rewrite(repo, **CONTRADICTIONS[kind])
    assert_not_continued(repo)
    assert_continues(repo, good)


@pytest.mark.parametrize(
    "text", [HOSTILE, "a\nError: owned\n  Do it.", "\ufeffx", "--help", "$(id)"]
)
def test_text_in_a_state_is_shown_and_does_nothing(under_review: Repo, text: str) -> None:
    repo = under_review
    texts = {"error": text, "started_at": text, "failed_at": text, "starter": text}
    good = rewrite(repo, **texts, sessions={"worker": {"session_id": text, "backend": text}})
    for shown in (repo.loop("status"), repo.loop("status", "--json")):
        assert_tidy(shown)
        assert shown.code == 0
    assert repo.run("--resume").code == 0
    rewrite(repo, task_id=text, state=text, outcome=text, round=text, findings=[{"id": text}])
    for shown in (repo.loop("status"), repo.loop("status", "--json"), repo.run("--resume")):
        assert_tidy(shown)
    repair(repo.folder / "state.json", good)
    assert repo.run("--resume").code == 0


def test_an_archived_state_that_is_damaged_is_restored_as_it_is_and_refused(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    assert repo.run("--single-round", "--round", "1").code == 0
    good = (repo.folder / "state.json").read_bytes()
    kept = repo.folder / "archive" / "T-001"
    damage(kept / "r2_state.json", "truncated")
    assert repo.loop("archive", "--task-id", "T-001", "--restore", "r2_state").code == 0
    assert_refused(repo.run("--resume"), 5, "state.json")
    repair(kept / "r2_state.json", good)
    assert repo.loop("archive", "--task-id", "T-001", "--restore", "r2_state").code == 0
    assert repo.run("--resume").code == 0


def test_a_newer_state_is_kept_and_refused_with_the_version_to_upgrade_to(
    under_review: Repo,
) -> None:
    repo = under_review
    good = rewrite(repo, schema_version=99, written_by="9.1.0", of_a_newer_program=1)
    newer = (repo.folder / "state.json").read_bytes()
    for args in (("--resume",), ()):
        refused = repo.run(*args)
        assert_refused(refused, 5, "it needs loop-kit >= 9.1.0", "Upgrade loop-kit")
    assert (repo.folder / "state.json").read_bytes() == newer
    assert repo.names == ["worker/1/1", "reviewer/1/1"]
    assert_continues(repo, good)
