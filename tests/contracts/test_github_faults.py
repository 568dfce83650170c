"""The ways in which a test can make the GitHub stand-in fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from github import GithubException, RateLimitExceededException
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contracts.conftest import Connect, Open
    from tests.support.github_state import Comment


def comments(hub: GitHubServer) -> list[Comment]:
    return hub.issue("octo/demo", 1).comments


def test_a_failed_request_changes_nothing_and_the_next_one_works(
    hub: GitHubServer, open_demo: Open
) -> None:
    hub.open_issue("octo/demo", "Bug", None, "mona")
    issue = open_demo().get_issue(1)
    hub.fail_next("POST", r"/comments$", status=502, times=2)
    for _ in range(2):
        with pytest.raises(GithubException) as failed:
            issue.create_comment("hello")
        assert failed.value.status == 502
        assert comments(hub) == []
    issue.create_comment("hello")
    assert [comment.body for comment in comments(hub)] == ["hello"]
    assert [r.status for r in hub.requests if r.method == "POST"] == [502, 502, 201]


def test_a_fault_hits_only_the_requests_that_fit(hub: GitHubServer, open_demo: Open) -> None:
    hub.open_issue("octo/demo", "Bug", None, "mona")
    hub.fail_next("POST", r"/comments$")
    assert open_demo().get_issue(1).title == "Bug"
    assert hub.count("POST") == 0


def test_a_secondary_rate_limit_says_how_long_to_wait(hub: GitHubServer, open_demo: Open) -> None:
    hub.open_issue("octo/demo", "Bug", None, "mona")
    issue = open_demo().get_issue(1)
    hub.fail_next("POST", "/comments", status=403, headers={"Retry-After": "7"})
    with pytest.raises(RateLimitExceededException) as limited:
        issue.create_comment("hello")
    assert limited.value.headers is not None
    assert limited.value.headers["retry-after"] == "7"


def test_an_exhausted_token_is_refused(
    hub: GitHubServer, connect: Connect, open_demo: Open
) -> None:
    open_demo()
    hub.set_rate_limit("bot", 1)
    client = connect("bot")
    client.get_repo("octo/demo")
    with pytest.raises(RateLimitExceededException) as limited:
        client.get_repo("octo/demo")
    assert limited.value.headers is not None
    assert limited.value.headers["x-ratelimit-remaining"] == "0"
    assert connect("mona").get_repo("octo/demo").name == "demo"


def test_a_connection_dropped_before_leaves_no_trace(hub: GitHubServer, open_demo: Open) -> None:
    hub.open_issue("octo/demo", "Bug", None, "mona")
    issue = open_demo().get_issue(1)
    hub.fail_next("POST", "/comments", drop_before=True)
    with pytest.raises(requests.exceptions.ConnectionError):
        issue.create_comment("hello")
    assert comments(hub) == []
    assert (hub.requests[-1].status, hub.requests[-1].dropped) == (0, True)


def test_a_connection_dropped_after_has_made_the_change(hub: GitHubServer, open_demo: Open) -> None:
    hub.open_issue("octo/demo", "Bug", None, "mona")
    issue = open_demo().get_issue(1)
    hub.fail_next("POST", "/comments", drop_after=True)
    with pytest.raises(requests.exceptions.ConnectionError):
        issue.create_comment("hello")
    assert [comment.body for comment in comments(hub)] == ["hello"]
    assert (hub.requests[-1].status, hub.requests[-1].dropped) == (201, True)


def test_requests_are_logged_in_their_order(hub: GitHubServer, open_demo: Open) -> None:
    hub.open_issue("octo/demo", "Bug", None, "mona")
    open_demo().get_issue(1).create_comment("hello")
    assert [(r.method, r.path, r.status, r.login) for r in hub.requests] == [
        ("GET", "/repos/octo/demo", 200, "github-actions[bot]"),
        ("GET", "/repos/octo/demo/issues/1", 200, "github-actions[bot]"),
        ("POST", "/repos/octo/demo/issues/1/comments", 201, "github-actions[bot]"),
    ]
    assert (hub.count(), hub.count("POST"), hub.count("GET", r"/issues/\d+$")) == (3, 1, 1)


def meet_a_mistake(root: Path) -> None:
    with GitServer(root) as git, GitHubServer(git) as hub:
        git.create_repository("octo/demo")
        git.add_token("mona", "mona")
        hub.open_issue("octo/demo", "Bug", None, "mona").comments = None  # type: ignore[assignment]
        url = f"{hub.url}/repos/octo/demo/issues/1/comments"
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(url, headers={"Authorization": "token mona"}, timeout=10)


def test_a_mistake_in_the_stand_in_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        meet_a_mistake(tmp_path)
