"""What GitHub's GraphQL shows of issues and pull requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError
from tests.support.github_shapes import Json, optional_timestamp

if TYPE_CHECKING:
    from tests.support.github_state import HostedRepository, Issue, Pull, Review, ReviewComment

LARGEST_PAGE = 100
CLOSING = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?P<repository>[\w.-]+/[\w.-]+)?#(?P<number>\d+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class GraphShapes:
    """Shapes of one repository for `viewer`; `require_issues` refuses who may not read issues."""

    site: str
    repository: HostedRepository
    others: Sequence[HostedRepository]
    require_issues: Callable[[], None]
    viewer: str = ""

    def issue(self, issue: Issue) -> Json:
        return {
            **self.opening(issue),
            "state": issue.state.upper(),
            "closedAt": optional_timestamp(issue.closed_at),
            "url": f"{self.site}/{self.repository.name}/issues/{issue.number}",
            "repository": {"nameWithOwner": self.repository.name},
        }

    def pull(self, pull: Pull) -> Json:
        source = pull.source(self.repository.name)
        return {
            **self.opening(pull.issue),
            "id": pull.node_id,
            "url": f"{self.site}/{self.repository.name}/pull/{pull.number}",
            "state": "MERGED" if pull.merged_at else pull.issue.state.upper(),
            "merged": pull.merged_at is not None,
            "isDraft": pull.draft,
            "closedAt": optional_timestamp(pull.issue.closed_at),
            "headRefName": pull.head,
            "headRefOid": pull.head_sha,
            "headRepository": {"nameWithOwner": source} if source else None,
            "baseRefName": pull.base,
            "baseRef": {"refUpdateRule": self.protection(pull.base)},
            "closingIssuesReferences": self.closing(pull),
            "reviewThreads": self.threads(pull),
            "reviews": self.reviews(pull),
            "latestOpinionatedReviews": self.opinions(pull),
        }

    def protection(self, branch: str) -> Json | None:
        """What classic protection of a branch says to who may only read."""
        names = self.repository.protection.get(branch)
        if names is None:
            return None
        return {"requiredApprovingReviewCount": None, "requiredStatusCheckContexts": list(names)}

    def may_push(self, login: str) -> bool:
        return self.repository.role(login) in {"admin", "maintain", "write"}

    def review(self, review: Review) -> Json:
        def comments(_info: Any, **page: Any) -> Json:
            shown = [review_comment(review, comment) for comment in review.comments]
            return connection("comments", shown, **page)

        kind = "Bot" if review.author.endswith("[bot]") else "User"
        return {
            "__typename": "PullRequestReview",
            "id": review.node_id,
            "fullDatabaseId": str(review.id),
            "state": review.state,
            "body": review.body,
            "author": {"__typename": kind, "login": review.author},
            "authorCanPushToRepository": self.may_push(review.author),
            "viewerDidAuthor": review.author == self.viewer,
            "comments": comments,
        }

    def reviews(self, pull: Pull) -> Callable[..., Json]:
        def reviews(_info: Any, states: Sequence[str] | None = None, **page: Any) -> Json:
            every = [r for r in pull.reviews if r.state != "PENDING"]
            wanted = [r for r in every if states is None or r.state in states]
            return connection("reviews", [self.review(review) for review in wanted], **page)

        return reviews

    def opinions(self, pull: Pull) -> Callable[..., Json]:
        """Show the last review of each person that says more than a comment does."""
        name = "latestOpinionatedReviews"

        def opinions(_info: Any, **page: Any) -> Json:
            writers = page["writersOnly"]
            every = [r for r in pull.reviews if r.state not in {"PENDING", "COMMENTED"}]
            latest = {r.author: r for r in every if not writers or self.may_push(r.author)}
            return connection(name, [self.review(review) for review in latest.values()], **page)

        return opinions

    def threads(self, pull: Pull) -> Callable[..., Json]:
        """Return the threads that anybody may see, in the order in which they were begun."""
        seen = [(r, c) for r in pull.reviews if r.state != "PENDING" for c in r.comments]

        def shown(begun: ReviewComment) -> Json:
            answers = [pair for pair in seen if pair[1].thread_id == begun.thread_id]

            def comments(_info: Any, **page: Any) -> Json:
                return connection("comments", [review_comment(*pair) for pair in answers], **page)

            return {
                "id": begun.thread_id,
                "isResolved": begun.resolved_by is not None,
                "comments": comments,
            }

        def threads(_info: Any, **page: Any) -> Json:
            begun = [shown(comment) for _, comment in seen if comment.reply_to is None]
            return connection("reviewThreads", begun, **page)

        return threads

    def opening(self, issue: Issue) -> Json:
        """Return what issues and pull requests have in common."""

        def labels(_info: Any, **page: Any) -> Json:
            names = [{"name": self.repository.label(name).name} for name in issue.labels]
            return connection("labels", names, **page)

        return {
            "number": issue.number,
            "title": issue.title,
            "body": issue.body or "",
            "labels": labels,
        }

    def closing(self, pull: Pull) -> Callable[..., Json]:
        def references(_info: Any, **page: Any) -> Json:
            self.require_issues()
            shapes = [
                GraphShapes(self.site, repository, self.others, self.require_issues).issue(issue)
                for repository, issue in self.closed_by(pull)
            ]
            return connection("closingIssuesReferences", shapes, **page)

        return references

    def closed_by(self, pull: Pull) -> list[tuple[HostedRepository, Issue]]:
        """Find the issues that merging closes: their names count on the default branch alone."""
        if pull.base != self.repository.default_branch:
            return []
        known = {repository.name: repository for repository in self.others}
        found: dict[tuple[str, int], tuple[HostedRepository, Issue]] = {}
        for named in CLOSING.finditer(pull.issue.body or ""):
            repository = known.get(named["repository"] or self.repository.name)
            number = int(named["number"])
            if repository and number in repository.issues and number not in repository.pulls:
                found[repository.name, number] = repository, repository.issues[number]
        return list(found.values())


def review_comment(review: Review, comment: ReviewComment) -> Json:
    return {
        "id": comment.node_id,
        "fullDatabaseId": str(comment.id),
        "body": comment.body,
        "path": comment.path,
        "line": comment.line,
        "replyTo": {"fullDatabaseId": str(comment.reply_to)} if comment.reply_to else None,
        "pullRequestReview": {"fullDatabaseId": str(review.id)},
    }


def connection(
    name: str,
    items: Iterable[Json],
    first: int | None = None,
    last: int | None = None,
    after: str | None = None,
    before: str | None = None,
    **_: Any,
) -> Json:
    """Show one end of a list; GitHub wants to know how much of it, and shows at most a hundred."""
    if first is None and last is None:
        message = (
            f"You must provide a `first` or `last` value to properly paginate the `{name}`"
            " connection."
        )
        raise GraphQLError(message, extensions={"type": "MISSING_PAGINATION_BOUNDARIES"})
    size, every = (first if first is not None else last) or 0, list(items)
    if size > LARGEST_PAGE:
        message = f"Requesting {size} records on the `{name}` connection exceeds the limit of 100."
        raise GraphQLError(message, extensions={"type": "EXCESSIVE_PAGINATION"})
    start, end = int(after or 0), int(before or len(every))
    if first is not None:
        end = min(end, start + size)
    else:
        start = max(start, end - size)
    page = {
        "hasNextPage": first is not None and end < len(every),
        "endCursor": str(end),
        "hasPreviousPage": first is None and start > 0,
        "startCursor": str(start),
    }
    return {"nodes": every[start:end], "totalCount": len(every), "pageInfo": page}
