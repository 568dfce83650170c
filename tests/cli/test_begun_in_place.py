"""Loops whose agents worked in the user's tree are continued in clones, from where they are.

The folders in in_place_loop/ were written by loop-kit at f5a1605, with its commits named instead of
numbered; those in seed_loop/ by agent-task-runner, which worked in place too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.harness import Repo, Steps, assert_refused
from tests.cli.test_migration import LOOPS, lay_out, leave

LEFT = Path(__file__).with_name("in_place_loop")
WORK = "loop/T-001/work"
NEXT: Steps = [{"write": {"calc.py": "VALUE = 9\n"}}, {"commit": "Set VALUE to 9"}, {"report": {}}]


@dataclass(frozen=True)
class Begun:
    """A loop that was begun in place: its commits, where its work ends, and who is called next."""

    commits: int
    tip: int
    calls: tuple[str, ...]
    flags: tuple[str, ...] = ()


BEGUN = {
    "awaiting-work": Begun(1, 1, ("worker/2/2", "reviewer/2/1")),
    "awaiting-review": Begun(1, 1, ("reviewer/1/2",)),
    "worker-failed": Begun(1, 1, ("worker/1/2", "reviewer/1/1")),
    "reviewer-failed": Begun(1, 1, ("reviewer/1/2",)),
    "interrupted": Begun(2, 2, ("worker/2/2", "reviewer/2/1")),
    "refused": Begun(4, 0, ("worker/1/3", "reviewer/1/1")),
    "out-of-rounds": Begun(1, 1, ("worker/2/1", "reviewer/2/1"), ("--max-rounds", "2")),
}


def begin(repo: Repo, name: str) -> list[str]:
    repo.plan({"worker": NEXT})
    return lay_out(repo, (LEFT / name,), BEGUN[name].commits)


@pytest.mark.parametrize("name", BEGUN)
def test_a_loop_of_ours_that_was_begun_in_place_is_continued(repo: Repo, name: str) -> None:
    begun = BEGUN[name]
    commits = begin(repo, name)

    done = repo.run("--resume", *begun.flags)

    assert (done.code, done.err) == (0, ""), done.text
    assert tuple(repo.names) == begun.calls
    assert repo.state["base_sha"] == commits[0]
    assert repo.git("rev-parse", WORK) == repo.state["head_sha"]
    assert repo.git("merge-base", WORK, commits[begun.tip]) == commits[begun.tip]
    assert not [call.cwd for call in repo.calls if Path(call.cwd).is_relative_to(repo.root)]
    if name == "refused":
        assert repo.head == commits[-1]
        assert f"git merge {WORK}" in done.out
    else:
        assert repo.head == repo.state["head_sha"]


@pytest.mark.parametrize("name", BEGUN)
def test_what_the_users_branch_does_not_hold_any_more_is_refused(repo: Repo, name: str) -> None:
    begun = BEGUN[name]
    base, *commits = begin(repo, name)
    repo.git("reset", "--quiet", "--hard", base)
    if not begun.tip:
        assert repo.run("--resume", *begun.flags).code == 0
        return

    refused = repo.run("--resume", *begun.flags)

    assert_refused(refused, 5, commits[begun.tip - 1][:10], "main", "git branch")
    assert repo.names == []
    command = refused.err.split("`")[1].split()
    assert command[0] == "git"
    repo.git(*command[1:])
    assert repo.run("--resume", *begun.flags).code == 0
    assert repo.head == repo.git("rev-parse", WORK) == repo.state["head_sha"]


def test_commits_that_are_gone_for_good_are_named_with_what_is_left_to_do(repo: Repo) -> None:
    base, first = begin(repo, "reviewer-failed")
    repo.git("reset", "--quiet", "--hard", base)
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "--quiet", "--prune=now")
    assert_refused(repo.run("--resume"), 5, f"Fetch {first}", "without --resume")


def test_an_approved_loop_that_was_in_place_is_over(repo: Repo) -> None:
    lay_out(repo, (LEFT / "approved",), 1)
    head = repo.head
    done = repo.run("--resume")
    assert (done.code, repo.names, repo.head) == (0, [], head)
    assert "Your branch main has it." in done.out


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_of_agent_task_runner_is_continued_on_a_branch(repo: Repo, name: str) -> None:
    left = LOOPS[name]
    base, *commits = leave(repo, name, left.rounds)
    repo.plan({"worker": NEXT})

    done = repo.run("--resume")

    assert done.code == 0, done.text
    assert repo.head == repo.git("rev-parse", WORK) == repo.state["head_sha"]
    assert repo.git("merge-base", WORK, commits[-1]) == commits[-1]
    assert repo.state["base_sha"] == base


@pytest.mark.parametrize("name", ["0.3.0-awaiting-review", "0.3.1-awaiting-work"])
def test_a_loop_of_agent_task_runner_whose_commits_are_off_the_branch_is_refused(
    repo: Repo, name: str
) -> None:
    base, first = leave(repo, name, 1)
    repo.git("reset", "--quiet", "--hard", base)
    refused = repo.run("--resume")
    assert_refused(refused, 5, first[:10], "git branch")
    repo.git(*refused.err.split("`")[1].split()[1:])
    assert repo.run("--resume").code == 0
