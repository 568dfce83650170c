"""The few GraphQL queries that have no counterpart in the REST API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tests.support.github_requests import Call, Reply

if TYPE_CHECKING:
    from tests.support.github_state import HostedRepository, Pull


def answer_query(call: Call, repositories: Iterable[HostedRepository]) -> Reply:
    """Answer with status 200 in any case, as GraphQL does."""
    query = str(call.fields.get("query", ""))
    variables = call.fields.get("variables") or {}
    for mutation, draft in (
        ("markPullRequestReadyForReview", False),
        ("convertPullRequestToDraft", True),
    ):
        if mutation in query:
            return set_draft(call, list(repositories), mutation, draft=draft)
    if "updatePullRequestReviewComment" in query:
        return edit_review_comments(call, list(repositories), query, variables)
    if re.search(r"\bviewer\b", query) and not variables.get("input"):
        return Reply(200, {"data": {"viewer": {"login": call.caller.login}}})
    message = "The stand-in does not know this query"
    return Reply(200, {"errors": [{"message": message, "type": "UNSUPPORTED"}]})


def set_draft(
    call: Call, repositories: list[HostedRepository], mutation: str, *, draft: bool
) -> Reply:
    texts = list(every_text(call.payload))
    found = find_pull(repositories, texts)
    if found is None:
        node = next((text for text in texts if re.fullmatch(r"\w+", text)), "")
        reason = f"Could not resolve to a node with the global id of '{node}'."
        return failure(mutation, "NOT_FOUND", reason)
    repository, pull = found
    # Writing to pull requests is not enough for this one; GitHub wants the contents as well.
    if call.caller.level("pull_requests") != "write" or not call.caller.may_push:
        return failure(mutation, "FORBIDDEN", "Resource not accessible by integration")
    if draft and not repository.drafts_supported:
        reason = "Draft pull requests are not supported in this repository."
        return failure(mutation, "UNPROCESSABLE", reason)
    pull.draft = draft
    shape = {
        "id": pull.node_id,
        "number": pull.number,
        "isDraft": pull.draft,
        "state": pull.issue.state.upper(),
        "url": f"{call.shapes.base}/{repository.name}/pull/{pull.number}",
    }
    given = call.fields.get("variables") or {}
    mutation_id = (given.get("input") or {}).get("clientMutationId")
    return Reply(200, {"data": {mutation: {"clientMutationId": mutation_id, "pullRequest": shape}}})


EDIT = re.compile(
    r"(\w+): updatePullRequestReviewComment\("
    r"input: \{pullRequestReviewCommentId: \$(\w+), body: \$(\w+)\}\)"
)


def edit_review_comments(
    call: Call, repositories: list[HostedRepository], query: str, variables: dict[str, str]
) -> Reply:
    """Edit several comments in one request; what is refused leaves the others edited."""
    comments = {
        f"PRRC_{comment.id}": comment
        for repository in repositories
        for pull in repository.pulls.values()
        for review in pull.reviews
        for comment in review.comments
    }
    for alias, node, body in EDIT.findall(query):
        comment = comments.get(variables[node])
        if comment is None:
            reason = f"Could not resolve to a node with the global id of '{variables[node]}'."
            return failure(alias, "NOT_FOUND", reason)
        if call.caller.level("pull_requests") != "write" or comment.author != call.caller.login:
            return failure(alias, "FORBIDDEN", "Resource not accessible by integration")
        comment.body = variables[body]
    done = {alias: {"clientMutationId": None} for alias, _, _ in EDIT.findall(query)}
    return Reply(200, {"data": done})


def find_pull(
    repositories: list[HostedRepository], texts: list[str]
) -> tuple[HostedRepository, Pull] | None:
    """Find the pull request whose id stands in the variables or in the query itself."""
    for repository in repositories:
        for pull in repository.pulls.values():
            if any(re.search(rf"\b{pull.node_id}\b", text) for text in texts):
                return repository, pull
    return None


def every_text(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in reversed(list(value.values())):
            yield from every_text(item)


def failure(mutation: str, kind: str, message: str) -> Reply:
    error = {
        "type": kind,
        "path": [mutation],
        "extensions": {"saml_failure": False},
        "locations": [{"line": 1, "column": 12}],
        "message": message,
    }
    return Reply(200, {"data": {mutation: None}, "errors": [error]})
