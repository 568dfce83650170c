"""A label on a pull request starts a loop that works on the pull request's own branch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.e2e.conftest import BOT, CALC, CARD, REPOSITORY, Hub
from tests.e2e.events import Event, commented, pull_labelled, workflow_ended
from tests.e2e.test_issues_in_ci import FORM

if TYPE_CHECKING:
    from tests.support.git_server import Push
    from tests.support.github_state import Pull

BRANCH = "feature/sums"


@pytest.fixture
def pull(hub: Hub) -> Pull:
    """A person's pull request that adds a file, whose text holds the card."""
    return proposed(hub, FORM)


def proposed(hub: Hub, body: str, **files: str) -> Pull:
    base = hub.bare.head("main")
    hub.bare.git("update-ref", f"refs/heads/{BRANCH}", base)
    hub.bare.commit_files(BRANCH, {"notes.md": "Sums\n", **files}, "Begin")
    opened = hub.api.open_pull(REPOSITORY, "Sums", BRANCH, "main", "mona", body)
    hub.api.add_label(REPOSITORY, opened.issue.number, "loop")
    return opened


def event(hub: Hub, pull: Pull) -> Event:
    return pull_labelled(pull, hub.bare.head(BRANCH))


def test_the_loop_grows_the_pull_requests_own_branch_to_approval(hub: Hub, pull: Pull) -> None:
    head, base = hub.bare.head(BRANCH), hub.bare.head("main")
    hub.bare.commit_files("main", {"later.md": "later\n"}, "Move on")

    first = hub.job(event=event(hub, pull))

    task = f"pr-{pull.issue.number}"
    assert first.outputs["task-id"] == task, first.log
    assert first.outputs["work-branch"] == BRANCH
    state = hub.state(task)
    assert (state["base_sha"], state["start_sha"]) == (base, head)
    assert len(hub.git.pushes) == 4

    second = hub.continued()

    assert second.outputs["outcome"] == "approved", second.log
    assert (
        hub.bare.file(BRANCH, "calc.py")
        == CALC.replace("a - b", "a + b").replace("a * 3", "a * 2").encode()
    )
    assert list(hub.api.repository(REPOSITORY).pulls) == [pull.issue.number]
    assert [review.author for review in pull.reviews] == [BOT, BOT]
    assert hub.bare.resolve(f"refs/heads/loop/{task}/work") is None
    (comment,) = pull.issue.comments
    assert "Approved in round 2" in comment.body


def test_the_end_of_a_workflow_decides_an_approval_on_a_pull_requests_own_branch(
    hub: Hub, pull: Pull
) -> None:
    assert hub.job(event=event(hub, pull)).code == 0
    shown = hub.api.repository(REPOSITORY)

    def pend(push: Push) -> None:
        head = str(hub.bare.head(BRANCH))
        if not shown.statuses_of(head):
            hub.api.set_status(REPOSITORY, head, "external", "pending")

    hub.git.after_push.append(pend)
    waiting = hub.continued()
    head = str(hub.bare.head(BRANCH))
    assert hub.state(f"pr-{pull.issue.number}")["waiting_for"] == ["external"], waiting.log
    hub.api.set_status(REPOSITORY, head, "external", "success")

    ended = hub.job(event=workflow_ended(BRANCH, head, REPOSITORY, pull.issue.number))

    assert ended.outputs["outcome"] == "approved", ended.log
    assert "Loop-Id: " in hub.bare.git("log", "-1", "--format=%B", head)


def test_a_loop_that_fails_at_once_says_so_on_the_pull_request(hub: Hub, pull: Pull) -> None:
    hub.job(event=event(hub, pull), worker_backend="command", worker_command="false")
    (comment,) = pull.issue.comments
    assert "🔴 Failed in round 1: the worker could not do its work" in comment.body
    assert pull.issue.labels == ["loop", "loop:failed"]


def test_the_card_may_be_the_one_that_the_pull_request_adds(hub: Hub) -> None:
    card = json.dumps({**CARD, "task_id": "T-007"})
    pull = proposed(hub, "See the card.", **{".loop/tasks/t7.json": card})
    assert hub.job(event=event(hub, pull)).outputs["task-id"] == "T-007"


def test_the_card_may_be_in_the_issue_that_the_pull_request_closes(hub: Hub) -> None:
    issue = hub.api.open_issue(REPOSITORY, "Two bugs", FORM, "mona")
    pull = proposed(hub, f"Closes #{issue.number}")
    result = hub.job(event=event(hub, pull))
    assert result.outputs["task-id"] == f"pr-{pull.issue.number}", result.log


def test_a_pull_request_without_any_card_gets_a_comment_about_it(hub: Hub) -> None:
    pull = proposed(hub, "Look at this")
    result = hub.job(event=event(hub, pull))
    assert result.code == 3
    (comment,) = pull.issue.comments
    assert "holds no task card, changes none and closes no issue" in comment.body


@pytest.mark.parametrize("branch", ["loop", "loop/T-9/work"])
def test_a_head_of_the_loops_own_is_refused_before_anything_is_asked(
    hub: Hub, pull: Pull, branch: str
) -> None:
    pull.head = branch
    result = hub.job(event=event(hub, pull))
    assert result.code == 6
    assert "/loop retry" in result.log
    assert hub.git.pushes == []


def test_a_pull_request_from_a_fork_is_refused(hub: Hub, pull: Pull) -> None:
    foreign = hub.api.open_fork_pull(REPOSITORY, "Hi", BRANCH, "main", "rita", "evil/demo")
    result = hub.job(event=pull_labelled(foreign, hub.bare.head(BRANCH)))
    assert result.code == 6
    assert "comes from the fork evil/demo" in result.log
    by_number = hub.job(pull_request=str(foreign.issue.number))
    assert by_number.code == 6
    assert hub.git.pushes == []


def test_a_head_that_moved_since_the_label_is_not_worked_on_unseen(hub: Hub, pull: Pull) -> None:
    seen = event(hub, pull)
    hub.bare.commit_files(BRANCH, {"more.md": "more\n"}, "Push once more")

    result = hub.job(event=seen)

    assert result.code == 6, result.log
    assert "moved" in pull.issue.comments[0].body
    assert hub.bare.file(BRANCH, "more.md") == b"more\n"
    assert hub.api.dispatches == []


def test_a_closed_pull_request_ends_its_loop(hub: Hub, pull: Pull) -> None:
    hub.job(event=event(hub, pull))
    hub.api.close(REPOSITORY, pull.issue.number)
    assert hub.continued().outputs["outcome"] == "cancelled"


def test_commands_reach_the_loop_of_a_pull_request(hub: Hub, pull: Pull) -> None:
    hub.job(event=event(hub, pull))
    said = hub.api.comment(REPOSITORY, pull.issue.number, "mona", "/loop retry")
    result = hub.job(event=commented(pull.issue, said, on_pull=True))
    assert result.outputs["outcome"] == "approved", result.log


def test_a_pull_request_by_its_number_needs_no_label(hub: Hub, pull: Pull) -> None:
    hub.api.remove_label(REPOSITORY, pull.issue.number, "loop")
    assert hub.job(pull_request=str(pull.issue.number)).outputs["continue"] == "true"
    assert hub.continued().outputs["outcome"] == "approved"


def test_the_loop_pauses_when_the_author_pushes_between_two_rounds(hub: Hub, pull: Pull) -> None:
    hub.job(event=event(hub, pull))
    hub.bare.commit_files(BRANCH, {"more.md": "more\n"}, "Push once more")

    stopped = hub.continued()

    assert hub.state(f"pr-{pull.issue.number}")["reasons"] == ["human_push"], stopped.log
    assert hub.bare.file(BRANCH, "more.md") == b"more\n"
