"""What an approved loop leaves for later goes into one issue, where one is asked for, and once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.memory_forge import MemoryIssue
from tests.engine.world import BLOCKER, Died, Fuse, World, approval, two_rounds
from tests.fakes import Act

from loop_kit.core.loop.rules.settings import Bar, Later, Rules
from loop_kit.core.loop.state import Limits, Outcome, Role
from loop_kit.ports import Assignment

SMALL = {"severity": "low", "file": "a.py", "reason": "no docstring", "scenario": "help(a)"}


def one_for_later(job: Assignment) -> Act:
    """Round 1 is sent back with a finding below the bar besides; round 2 is approved."""
    if job.role is Role.WORKER:
        return two_rounds(job)
    if job.round == 1:
        return Act({"decision": "changes_required", "blocking_issues": [BLOCKER, SMALL]})
    report = approval(job).report
    assert isinstance(report, dict)
    return Act({**report, "dispositions": [{"id": "F1", "status": "fixed"}]})


def asking(folder: Path, *, issue: bool = True) -> World:
    later = Later(follow_up="issue" if issue else "none")
    rules = Rules(bar=Bar(first_round=("high",)), later=later)
    return World(folder, one_for_later, limits=Limits(evidence="strict", rules=rules))


def issues(world: World) -> list[MemoryIssue]:
    return list(world.forge.issues.values())


def test_one_issue_keeps_the_findings_for_later_and_the_final_comment_names_it(
    tmp_path: Path,
) -> None:
    world = asking(tmp_path)
    assert world.to_the_end().outcome is Outcome.APPROVED
    (issue,) = issues(world)
    assert issue.title == "1 finding for later, from the review loop T-001"
    assert "**F2** low" in issue.body
    assert ": no docstring" in issue.body
    assert "F1" not in issue.body
    (comment,) = [post.body for post in world.forge.pulls[0].comments]
    assert f"They are in #{issue.number}." in comment


def test_the_log_names_what_is_for_later_when_it_is_raised_and_at_the_end(tmp_path: Path) -> None:
    world = asking(tmp_path, issue=False)
    world.to_the_end()
    verdicts = [data for name, data in world.reporter.events if name == "review_verdict"]
    assert [data["later"] for data in verdicts] == [["F2 [low] no docstring"]] * 2
    assert [data["open"] for data in verdicts] == [["F1 [high] wrong"], []]


def test_none_is_opened_where_nobody_asks_for_it(tmp_path: Path) -> None:
    world = asking(tmp_path, issue=False)
    assert world.to_the_end().outcome is Outcome.APPROVED
    assert issues(world) == []


def test_none_is_opened_where_nothing_is_left_for_later(tmp_path: Path) -> None:
    world = asking(tmp_path)
    world.script = two_rounds
    assert world.to_the_end().outcome is Outcome.APPROVED
    assert issues(world) == []


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_run_that_dies_while_it_opens_the_issue_leaves_one(tmp_path: Path, where: str) -> None:
    counted = Fuse()
    undisturbed = asking(tmp_path / "undisturbed")
    undisturbed.job()
    undisturbed.job(counted)
    at = counted.passed.index(f"{where} forge.post_issue") + 1

    world = asking(tmp_path / "disturbed")
    world.job()
    with pytest.raises(Died):
        world.job(Fuse(at))
    assert world.job().outcome is Outcome.APPROVED
    assert len(issues(world)) == 1
