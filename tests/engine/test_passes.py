"""Further passes in a whole loop: what they are asked, what is recorded, and what is posted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.engine.world import BLOCKER, World, approval, two_rounds
from tests.fakes import Act

from loop_kit.core.loop.state import Limits, Outcome, Role
from loop_kit.ports import AgentExit, Assignment

WORKER, REVIEWER, SECOND = Role.WORKER, Role.REVIEWER, Role.SECOND_REVIEWER
LOST = {**BLOCKER, "file": "a1.py", "reason": "the last row is lost", "scenario": "one row"}
SMALL = {"severity": "low", "reason": "a long name", "scenario": "read it"}


def limits(**changes: Any) -> Limits:
    rules = {"passes": {"alone": 1}}
    common = {"evidence": "strict", "dispatch_retries": 0, "rules": rules}
    return Limits.model_validate({**common, **changes})


def finds_more(job: Assignment) -> Act:
    """A reviewer that approves round 1, and in its further pass sees what is wrong."""
    if job.role is WORKER or job.round > 1:
        return two_rounds(job)
    if job.further:
        issues = [LOST, SMALL]
        return Act({"decision": "changes_required", "summary": "Rows.", "blocking_issues": issues})
    act = approval(job)
    return replace(act, report={**dict(act.report or {}), "summary": "All is well."})  # type: ignore[call-overload]


def is_down(job: Assignment) -> Act:
    return Act(None, ended=AgentExit(exit_code=1)) if job.further else two_rounds(job)


def passes(world: World) -> list[tuple[Role, int, int, int]]:
    """Every attempt: whose, in which round and pass, and its number."""
    return [(job.role, job.round, job.further, job.attempt) for job in world.jobs]


def posts(world: World) -> list[str]:
    (pull,) = world.forge.pulls
    return [post.body for post in pull.posts if post.body.count("## ")]


def test_a_further_pass_is_asked_in_round_one_and_what_it_finds_goes_to_the_worker(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, finds_more, limits=limits())

    state = world.to_the_end()

    assert passes(world) == [
        (WORKER, 1, 0, 1),
        (REVIEWER, 1, 0, 1),
        (REVIEWER, 1, 1, 2),
        (WORKER, 2, 0, 1),
        (REVIEWER, 2, 0, 1),
    ]
    assert (state.outcome, state.usage.rounds) == (Outcome.APPROVED, 2)
    assert [(f.id, f.reason, f.status) for f in state.findings] == [
        ("F1", "the last row is lost", "fixed")
    ]
    fixes = json.loads(world.server.files["archive/T-001/r2_fix_list.json"])
    assert [fix["id"] for fix in fixes["fixes"]] == ["F1"]
    assert fixes["prior_review_non_blocking"] == ["a long name"]


def test_the_round_has_one_review_that_is_posted_for_all_passes(tmp_path: Path) -> None:
    world = World(tmp_path, finds_more, limits=limits())
    world.to_the_end()

    first = [body for body in posts(world) if "Round 1" in body]
    assert len(first) == 1
    for text in ("All is well.", "Rows.", "a long name", "the last row is lost", "added 1 block"):
        assert text in first[0]
    assert "verify commands fail" not in first[0]


def test_both_reports_are_archived_and_the_request_is_that_of_the_first(tmp_path: Path) -> None:
    world = World(tmp_path, finds_more, limits=limits())
    world.to_the_end()

    files = world.server.files
    kept = [json.loads(files[f"archive/T-001/r1_review_report{n}.json"]) for n in ("", "_pass_2")]
    assert [report["summary"] for report in kept] == ["All is well.", "Rows."]
    assert "further_pass" not in json.loads(files["archive/T-001/r1_review_request.json"])


def test_a_pass_is_shown_what_was_reported_and_nothing_that_the_worker_says(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, limits=limits())
    world.to_the_end()

    first, again = (job.prompt for job in world.jobs if job.role is REVIEWER and job.round == 1)
    assert "Reported already" in again
    assert BLOCKER["reason"] in again
    assert "What the worker says" in first
    assert "What the worker says" not in again


def test_a_pass_that_fails_is_done_without_and_the_posted_review_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, is_down, limits=limits())

    state = world.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert any("A further pass of the reviewer was done without:" in body for body in posts(world))
    verdicts = [name for name, *_ in world.reporter.events if name == "review_verdict"]
    assert len(verdicts) == 2
    assert not any("is asked again" in note for note in world.reporter.notes)


def test_a_report_that_is_no_good_is_sent_back_once(tmp_path: Path) -> None:
    def confused(job: Assignment) -> Act:
        if job.further:
            return Act({"decision": "approve", "blocking_issues": [LOST]})
        return two_rounds(job)

    world = World(tmp_path, confused, limits=limits())
    state = world.to_the_end()

    assert [one for one in passes(world) if one[2]] == [(REVIEWER, 1, 1, 2), (REVIEWER, 1, 1, 3)]
    assert state.outcome is Outcome.APPROVED
    assert [finding.id for finding in state.findings] == ["F1"]


def test_both_reviewers_look_twice_where_there_are_two(tmp_path: Path) -> None:
    asked = limits(second_reviewer="claude", rules={})
    world = World(tmp_path, limits=asked)

    state = world.to_the_end()

    reviews = [one[:3] for one in passes(world) if one[0] is not WORKER]
    assert reviews == [
        (REVIEWER, 1, 0),
        (REVIEWER, 1, 1),
        (REVIEWER, 2, 0),
        (SECOND, 2, 0),
        (SECOND, 2, 1),
    ]
    assert state.outcome is Outcome.APPROVED


@pytest.mark.parametrize("local", [False, True])
def test_the_log_says_which_pass_is_made(tmp_path: Path, *, local: bool) -> None:
    world = World(tmp_path, local=local, limits=limits())
    world.to_the_end()
    note = "Round 1: the reviewer makes pass 2 over the same change."
    assert world.reporter.notes.count(note) == 1
