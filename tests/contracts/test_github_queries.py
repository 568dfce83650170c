"""Our GraphQL against GitHub's own schema, and the stand-in's answers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from github import GithubException
from tests.support.graphql_contract import faults_of

from loop_kit.adapters.github import queries as forge_queries
from loop_kit.adapters.github.queries import ThreadEdit

if TYPE_CHECKING:
    from tests.contracts.conftest import Connect, Open
    from tests.support.github_server import GitHubServer

QUERIES = {
    "viewer": forge_queries.VIEWER,
    "ready": forge_queries.READY,
    "issue": forge_queries.ISSUE,
    "pull": forge_queries.PULL,
    "checks": forge_queries.CHECKS,
    "standing": forge_queries.open_status(1, 2)[0],
    "standing-issue": forge_queries.open_status(1, None)[0],
    "standing-pull": forge_queries.open_status(None, 2)[0],
    "threads": forge_queries.THREADS,
    "auto-merge": forge_queries.AUTO_MERGE,
    "merge-facts": forge_queries.MERGE_FACTS,
    "conversation": forge_queries.conversation(1, None)[0],
    "conversation-checks": forge_queries.conversation(1, 2, "a" * 40)[0],
    "conversation-issue": forge_queries.conversation(1, 2)[0],
    "reply": forge_queries.REPLY,
    "newest-reviews": forge_queries.newest_reviews([(1, None), (2, "cursor")])[0],
    "earlier-reviews": forge_queries.EARLIER_REVIEWS,
    "review-comments": forge_queries.REVIEW_COMMENTS,
    "edits": forge_queries.thread_mutation(
        [ThreadEdit("edit", "a", "b"), ThreadEdit("resolve", "c"), ThreadEdit("unresolve", "d")]
    )[0],
}


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_of_ours_is_one_that_github_takes(name: str) -> None:
    assert faults_of(QUERIES[name]) == []


def test_a_field_that_github_does_not_have_is_found_out() -> None:
    query = QUERIES["issue"].replace("title", "headline")
    assert faults_of(query) == ["Cannot query field 'headline' on type 'Issue'."]


def asked(connect: Connect, query: str, **variables: Any) -> dict[str, Any]:
    """The whole answer, with the errors that PyGithub would raise."""
    requester = connect("bot").requester
    sent = {"query": query, "variables": {"owner": "octo", "name": "demo", **variables}}
    _, answer = requester.requestJsonAndCheck("POST", requester.graphql_url, input=sent)
    assert isinstance(answer, dict)
    return answer


def test_one_thing_that_is_not_there_leaves_the_other_answered(
    hub: GitHubServer, open_demo: Open, connect: Connect
) -> None:
    open_demo()
    hub.open_issue("octo/demo", "Bug", "Text", "mona", ["loop"])
    query, numbers = forge_queries.open_status(1, 99)
    answer = asked(connect, query, **numbers)
    assert answer["data"]["repository"]["issue"] == {
        "state": "OPEN",
        "labels": {"nodes": [{"name": "loop"}]},
    }
    assert answer["data"]["repository"]["pullRequest"] is None
    [error] = answer["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["repository", "pullRequest"])
    assert error["message"] == "Could not resolve to a PullRequest with the number of 99."


def test_what_a_token_may_not_read_is_forbidden_field_by_field(
    hub: GitHubServer, open_demo: Open, connect: Connect
) -> None:
    open_demo()
    hub.open_issue("octo/demo", "Bug", "Text", "mona")
    hub.set_permissions("bot", {"contents": "write"})
    query, numbers = forge_queries.open_status(1, 2)
    errors = asked(connect, query, **numbers)["errors"]
    assert {(error["type"], error["path"][-1]) for error in errors} == {
        ("FORBIDDEN", "issue"),
        ("FORBIDDEN", "pullRequest"),
    }


def test_a_public_repository_can_be_read_without_permissions(
    hub: GitHubServer, open_demo: Open, connect: Connect
) -> None:
    open_demo()
    hub.open_issue("octo/demo", "Bug", "Text", "mona")
    hub.repository("octo/demo").private = False
    hub.set_permissions("bot", {"contents": "write"})
    answer = asked(connect, forge_queries.ISSUE, number=1)
    assert answer["data"]["repository"]["issue"]["title"] == "Bug"
    assert "errors" not in answer


def test_a_repository_that_is_not_there_is_not_found(open_demo: Open, connect: Connect) -> None:
    open_demo()
    answer = asked(connect, forge_queries.ISSUE, number=1, name="other")
    assert answer["data"] == {"repository": None}
    assert answer["errors"][0]["path"] == ["repository"]


@pytest.mark.parametrize("page", ["", "(first: 101)"])
def test_a_list_is_asked_for_by_the_page(hub: GitHubServer, connect: Connect, page: str) -> None:
    hub.open_issue("octo/demo", "Bug", None, "mona")
    query = forge_queries.ISSUE.replace("(first: 100)", page)
    with pytest.raises(GithubException) as refused:
        connect("bot").requester.graphql_query(
            query, {"owner": "octo", "name": "demo", "number": 1}
        )
    assert "connection" in str(refused.value.data)


@pytest.mark.parametrize(
    ("body", "closes"),
    [
        ("Closes #1", [1]),
        ("This FIXES: #2, resolved #1", [2, 1]),
        ("Closes octo/demo#1", [1]),
        ("See #1", []),
        ("Closes #3", []),
        ("Closes #404", []),
    ],
)
def test_closing_words_name_issues(
    hub: GitHubServer, open_demo: Open, connect: Connect, body: str, closes: list[int]
) -> None:
    open_demo()
    for title in ("One", "Two"):
        hub.open_issue("octo/demo", title, None, "mona")
    hub.open_pull("octo/demo", "Work", "work", "main", "mona", body)
    pull = asked(connect, forge_queries.PULL, number=3)["data"]["repository"]["pullRequest"]
    assert [node["number"] for node in pull["closingIssuesReferences"]["nodes"]] == closes


def test_closing_words_count_on_the_default_branch_alone(
    hub: GitHubServer, open_demo: Open, connect: Connect
) -> None:
    demo = hub.repository("octo/demo")
    open_demo()
    demo.git.set_branch("release", demo.git.head("main") or "")
    hub.open_issue("octo/demo", "One", None, "mona")
    hub.open_pull("octo/demo", "Work", "work", "release", "mona", "Closes #1")
    pull = asked(connect, forge_queries.PULL, number=2)["data"]["repository"]["pullRequest"]
    assert pull["closingIssuesReferences"] == {"nodes": []}
