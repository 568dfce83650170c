"""A second reviewer in a whole loop: what it gets, what is recorded, and where a process dies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.world import BLOCKER, World, approval, two_rounds
from tests.fakes import Act

from loop_kit.core.forge.render import headline
from loop_kit.core.loop.state import Limits, Outcome, Phase, Role
from loop_kit.ports import AgentExit, Assignment

SECOND = Role.SECOND_REVIEWER
BY = [Role.WORKER, Role.REVIEWER]


def limits(mode: str = "optional") -> Limits:
    asked = {"second_reviewer": "claude", "second_reviewer_mode": mode}
    rules = {"passes": {"with_second": 0}}
    common = {"evidence": "strict", "dispatch_retries": 0, "rules": rules}
    return Limits.model_validate({**common, **asked})


def finds_more(job: Assignment) -> Act:
    """The second reviewer sends back what the first one approves in round 2."""
    if job.role is SECOND and job.round == 2:
        other = {**BLOCKER, "reason": "no test covers zero", "criterion": "C1"}
        return Act({"decision": "changes_required", "blocking_issues": [other]})
    return two_rounds(job)


def unavailable(job: Assignment) -> Act:
    return Act(None, ended=AgentExit(exit_code=1)) if job.role is SECOND else two_rounds(job)


def roles(world: World) -> list[tuple[Role, int]]:
    return [(job.role, job.round) for job in world.jobs]


def test_only_the_round_that_would_be_approved_is_reviewed_twice(tmp_path: Path) -> None:
    world = World(tmp_path, limits=limits())

    state = world.to_the_end()

    assert roles(world) == [(role, 1) for role in BY] + [(role, 2) for role in (*BY, SECOND)]
    assert (state.outcome, state.usage.rounds) == (Outcome.APPROVED, 2)
    assert headline(state) == (
        "Approved in round 2 by 2 reviewers (fake, fake; the same model twice)."
    )
    assert {job.attempt for job in world.jobs} == {1}


def test_the_second_reviewer_is_asked_the_same_without_the_first_verdict(tmp_path: Path) -> None:
    given: dict[Role, str] = {}
    world = World(tmp_path, limits=limits())

    def remember(job: Assignment) -> Act:
        act = two_rounds(job)
        if job.role is Role.REVIEWER and job.round == 2:
            act = Act({**approval(job).report, "summary": "VERDICT", "non_blocking": ["NOTE"]})  # type: ignore[dict-item]
        if job.round == 2 and job.role is not Role.WORKER:
            files = {n: raw.decode() for n, raw in world.mailbox.folders[job.mailbox].items()}
            given[job.role] = job.prompt.replace(str(job.mailbox), "") + json.dumps(files)
        return act

    world.script = remember
    world.to_the_end()

    assert given[SECOND] == given[Role.REVIEWER]
    assert "VERDICT" not in given[SECOND]
    assert "NOTE" not in given[SECOND]


def test_both_reports_are_archived_under_names_of_their_own(tmp_path: Path) -> None:
    world = World(tmp_path, limits=limits())
    world.to_the_end()

    names = {name for name in world.server.files if "r2_" in name and "review_report" in name}
    assert names == {
        "archive/T-001/r2_review_report.json",
        "archive/T-001/r2_second_review_report.json",
    }
    assert "archive/T-001/summary.json" in world.server.files


def test_what_the_second_reviewer_finds_goes_to_the_worker(tmp_path: Path) -> None:
    world = World(tmp_path, finds_more, limits=limits())

    state = world.to_the_end()

    assert state.round == 3
    assert [(f.id, f.by, f.status) for f in state.findings] == [
        ("F1", "", "fixed"),
        ("F2", "second", "fixed"),
    ]
    fixes = json.loads(world.server.files["archive/T-001/r3_fix_list.json"])["fixes"]
    assert [fix["id"] for fix in fixes] == ["F2"]
    (pull,) = world.forge.pulls
    assert any("fake approved; fake asks for changes." in post.body for post in pull.posts)


def test_an_approval_without_the_second_review_says_so_in_every_post(tmp_path: Path) -> None:
    world = World(tmp_path, unavailable, limits=limits())

    state = world.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert "by 1 reviewer (fake); the second, claude, could not be asked" in headline(state)
    (pull,) = world.forge.pulls
    assert any("1 reviewer (fake)" in post.body for post in pull.posts)
    assert any("1 reviewer (fake)" in post.body for post in pull.comments)
    assert "archive/T-001/summary.json" in world.server.files


def test_a_required_second_review_is_asked_for_again_and_nothing_else(tmp_path: Path) -> None:
    world = World(tmp_path, unavailable, limits=limits("required"))
    state = world.to_the_end()
    assert (state.outcome, state.resume_phase) == (
        Outcome.REVIEWER_DISPATCH_FAILED,
        Phase.AWAITING_REVIEW,
    )
    paid = len(world.jobs)

    world.script = two_rounds
    state = world.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert roles(world)[paid:] == [(SECOND, 2)]


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_a_second_reviewer_that_is_missing_is_found_at_the_start(tmp_path: Path, mode: str) -> None:
    world = World(tmp_path, limits=limits(mode), second_missing="Install claude.")

    state = world.to_the_end()

    if mode == "required":
        assert (state.outcome, world.jobs) == (Outcome.REVIEWER_DISPATCH_FAILED, [])
    else:
        assert world.reporter.warnings[0] == (
            "The second reviewer cannot be asked: Install claude."
        )
        assert headline(state).endswith("could not be asked: Install claude.")
