"""Converts answers of GitHub's API to the port's types; GitHub's schema says what may be null."""

from collections.abc import Mapping
from typing import Any

from loop_kit.core.ci.requests import PullFacts
from loop_kit.core.forge.render import begins_with
from loop_kit.ports.forge import Issue, OpenStatus

Json = Mapping[str, Any]


def is_posted_by(post: Any, login: str) -> bool:
    """Whether a review or a comment was posted by `login`; a deleted account has none."""
    return bool(getattr(post.user, "login", "") == login)


def is_post(post: Any, marker: str, login: str) -> bool:
    """Whether `login` posted it and it begins with the marker; further down that is a quotation."""
    return begins_with(post.body or "", marker) and is_posted_by(post, login)


def issue_of(found: Json) -> Issue | None:
    """The issue of the query `queries.ISSUE`."""
    issue = found.get("issue")
    if issue is None:
        return None
    is_open = issue["state"] == "OPEN"
    return Issue(
        number=issue["number"],
        title=issue["title"],
        body=issue["body"],
        is_open=is_open,
        labels=_labels(issue),
        closed_at=issue["closedAt"] or "",
    )


def pull_of(found: Json) -> PullFacts | None:
    """The pull request of the query `queries.PULL`."""
    pull = found.get("pullRequest")
    if pull is None:
        return None
    return PullFacts(
        number=pull["number"],
        url=pull["url"],
        title=pull["title"],
        body=pull["body"],
        head=pull["headRefName"],
        head_sha=pull["headRefOid"],
        head_repository=(pull["headRepository"] or {}).get("nameWithOwner", ""),
        base=pull["baseRefName"],
        is_open=pull["state"] == "OPEN",
        merged=pull["merged"],
        labels=_labels(pull),
        closes=_closes(pull, found["nameWithOwner"]),
        closed_at=pull["closedAt"] or "",
    )


def pull_from_list(pull: Json) -> PullFacts:
    """A pull request as REST lists it, without what it closes."""
    return PullFacts(
        number=pull["number"],
        url=pull["html_url"],
        title=pull["title"],
        body=pull["body"] or "",
        head=pull["head"]["ref"],
        head_sha=pull["head"]["sha"],
        head_repository=(pull["head"]["repo"] or {}).get("full_name", ""),
        base=pull["base"]["ref"],
        is_open=pull["state"] == "open",
        merged=pull["merged_at"] is not None,
        labels=tuple(label["name"] for label in pull["labels"]),
        closed_at=pull["closed_at"] or "",
    )


def open_status_of(found: Json, issue: int | None, pull: int | None) -> OpenStatus:
    """The answer to `queries.open_status`; what does not exist counts as closed."""
    of_issue, of_pull = found.get("issue"), found.get("pullRequest")
    return OpenStatus(
        issue_open=None if issue is None else bool(of_issue and of_issue["state"] == "OPEN"),
        pull_open=None if pull is None else bool(of_pull and of_pull["state"] == "OPEN"),
        pull_merged=None if pull is None else bool(of_pull and of_pull["merged"]),
        labels=frozenset(_labels((of_pull if issue is None else of_issue) or {})),
    )


def _labels(thing: Json) -> tuple[str, ...]:
    nodes = (thing.get("labels") or {}).get("nodes") or []
    return tuple(node["name"] for node in nodes if node)


def _closes(pull: Json, repository: str) -> int | None:
    """The one issue of this repository that merging closes; None if it closes several."""
    nodes = (pull["closingIssuesReferences"] or {}).get("nodes") or []
    only = nodes[0] if len(nodes) == 1 else None
    if only is None or only["repository"]["nameWithOwner"] != repository:
        return None
    return int(only["number"])
