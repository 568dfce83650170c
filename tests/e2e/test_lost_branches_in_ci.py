"""Somebody deletes the work branch: nothing is written over, and a person is asked or believed.

GitHub closes a pull request whose head is deleted, so a person is asked only where there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.conftest import REPOSITORY, Hub
from tests.e2e.events import labelled
from tests.e2e.test_issues_in_ci import opened

if TYPE_CHECKING:
    from tests.support.github_state import Issue

WORK = "loop/issue-1/work"


def begun(hub: Hub) -> tuple[Issue, str]:
    """An issue between rounds one and two, whose work branch is gone; and what was on it."""
    issue = opened(hub)
    hub.job(event=labelled(issue))
    tip = hub.bare.head(WORK)
    hub.bare.git("update-ref", "-d", f"refs/heads/{WORK}")
    return issue, tip


def test_the_post_says_how_to_restore_it_and_the_loop_continues_from_there(hub: Hub) -> None:
    hub.api.repository(REPOSITORY).actions_may_open_pulls = False
    issue, tip = begun(hub)

    stopped = hub.continued()

    assert stopped.code == 0, stopped.log
    state = hub.state("issue-1")
    assert (state["outcome"], state["reasons"]) == ("needs_human", ["human_push"])
    assert f"git push origin {tip}:refs/heads/{WORK}" in issue.comments[0].body
    assert hub.bare.resolve(f"refs/heads/{WORK}") is None

    hub.bare.git("update-ref", f"refs/heads/{WORK}", tip)
    assert hub.job(event=labelled(issue)).outputs["outcome"] == "approved"


def test_the_loop_of_a_pull_request_that_was_closed_so_is_cancelled(hub: Hub) -> None:
    begun(hub)

    cancelled = hub.continued()

    assert cancelled.outputs["outcome"] == "cancelled", cancelled.log
    assert hub.bare.resolve(f"refs/heads/{WORK}") is None
