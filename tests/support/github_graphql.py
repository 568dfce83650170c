"""GitHub's GraphQL: queries are carried out by a real executor on GitHub's own schema.

What a query may ask, what is null and how an error shows are therefore not ours to get wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, GraphQLSchema, graphql_sync
from tests.support.github_check_shapes import CheckShapes
from tests.support.github_graphql_shapes import GraphShapes
from tests.support.github_requests import Call, Refusal, Reply
from tests.support.graphql_contract import github_schema

if TYPE_CHECKING:
    from tests.support.github_shapes import Json
    from tests.support.github_state import HostedRepository, Pull, ReviewComment

schema: Callable[[], GraphQLSchema] = cache(github_schema)
FindRepository = Callable[[str, str], "HostedRepository"]


def answer_query(
    call: Call, repositories: Iterable[HostedRepository], find: FindRepository
) -> Reply:
    """Answer with status 200 in any case, as GraphQL does."""
    graph = Graph(call, list(repositories), find)
    fields = call.fields
    roots = {
        "viewer": {"login": call.caller.login},
        "node": graph.node,
        "repository": graph.repository,
        "markPullRequestReadyForReview": graph.mark_ready,
        "convertPullRequestToDraft": graph.to_draft,
        "enablePullRequestAutoMerge": graph.enable_auto_merge,
        "updatePullRequestReviewComment": graph.edit_review_comment,
        "addPullRequestReviewThreadReply": graph.reply,
        "resolveReviewThread": graph.resolve_thread,
        "unresolveReviewThread": graph.unresolve_thread,
    }
    done = graphql_sync(
        schema(),
        str(fields.get("query", "")),
        roots,
        variable_values=fields.get("variables") or {},
    )
    body: Json = {}
    if done.errors:
        body["errors"] = [shown(error) for error in done.errors]
    if done.data is not None or not done.errors:
        body["data"] = done.data
    return Reply(200, body)


def shown(error: GraphQLError) -> Json:
    """Word an error as GitHub does; a mistake of the stand-in itself is raised."""
    cause = error.original_error
    if cause is not None and not isinstance(cause, GraphQLError):
        raise cause
    where = [{"line": at.line, "column": at.column} for at in error.locations or ()]
    shape: Json = {"locations": where, "message": error.message}
    if error.path is not None:
        shape |= {"path": list(error.path), "extensions": {"saml_failure": False}}
    kind = (error.extensions or {}).get("type")
    return {"type": kind, **shape} if kind else shape


def fault(kind: str, message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"type": kind})


def not_found(kind: str, number: int) -> GraphQLError:
    return fault("NOT_FOUND", f"Could not resolve to {kind} with the number of {number}.")


def no_node(node: str) -> GraphQLError:
    return fault("NOT_FOUND", f"Could not resolve to a node with the global id of '{node}'.")


@dataclass(frozen=True)
class Graph:
    """The fields at the roots of the schema, for one request."""

    call: Call
    repositories: list[HostedRepository]
    find: FindRepository

    def node(self, _info: Any, id: str) -> Json:  # noqa: A002  (the schema's name)
        """Show a review; nothing else is looked up so."""
        for repository in self.repositories:
            for pull in repository.pulls.values():
                for review in pull.reviews:
                    if review.node_id == id:
                        self.require_read(repository, "pull_requests")
                        return self.shapes(repository).review(review)
        raise no_node(id)

    def repository(self, _info: Any, owner: str, name: str, **_: Any) -> Json:
        try:
            found = self.find(owner, name)
        except Refusal:
            message = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            raise fault("NOT_FOUND", message) from None
        shapes = self.shapes(found)

        def issue(_info: Any, number: int) -> Json:
            self.require_read(found, "issues")
            if number not in found.issues or number in found.pulls:
                raise not_found("an Issue", number)
            return shapes.issue(found.issues[number])

        def pull(_info: Any, number: int) -> Json:
            self.require_read(found, "pull_requests")
            if number not in found.pulls:
                raise not_found("a PullRequest", number)
            return shapes.pull(found.follow(found.pulls[number]))

        def git_object(_info: Any, oid: str = "", **_: Any) -> Json | None:
            if found.git.resolve(oid) is None:
                return None
            return CheckShapes(found, self.reading(found, "checks")).commit(oid)

        return {
            "nameWithOwner": found.name,
            "issue": issue,
            "object": git_object,
            "pullRequest": pull,
            "autoMergeAllowed": found.auto_merge_allowed,
            "viewerDefaultMergeMethod": "SQUASH",
        }

    def reading(self, repository: HostedRepository, scope: str) -> Callable[[], None]:
        return lambda: self.require_read(repository, scope)

    def mark_ready(self, _info: Any, input: Json) -> Json:  # noqa: A002  (the schema's name)
        return self.set_draft(input, draft=False)

    def to_draft(self, _info: Any, input: Json) -> Json:  # noqa: A002
        return self.set_draft(input, draft=True)

    def enable_auto_merge(self, _info: Any, input: Json) -> Json:  # noqa: A002
        """Take it only while a rule still asks for something, as GitHub does."""
        found = self.pull_named(input["pullRequestId"])
        if found is None:
            raise no_node(input["pullRequestId"])
        repository, pull = found
        caller = self.call.caller
        if caller.level("pull_requests") != "write" or not caller.may_push:
            raise fault("FORBIDDEN", "Resource not accessible by integration")
        if not repository.auto_merge_allowed:
            message = "Auto merge is not allowed for this repository"
            raise fault("UNPROCESSABLE", f"Pull request {message}")
        if input.get("expectedHeadOid") not in {None, pull.head_sha}:
            raise fault("UNPROCESSABLE", "Head sha didn't match the expected sha.")
        if pull.draft or not repository.rules:
            raise fault("UNPROCESSABLE", "Pull request Pull request is in clean status")
        pull.auto_merge_method = input["mergeMethod"]
        return {"clientMutationId": input.get("clientMutationId")}

    def edit_review_comment(self, _info: Any, input: Json) -> Json:  # noqa: A002
        """Edit one comment; in a request with several, what is refused leaves the others edited."""
        node = input["pullRequestReviewCommentId"]
        comment = self.review_comments().get(node)
        if comment is None:
            raise no_node(node)
        writes = self.call.caller.level("pull_requests") == "write"
        if not writes or comment.author != self.call.caller.login:
            raise fault("FORBIDDEN", "Resource not accessible by integration")
        comment.body = input["body"]
        return {"clientMutationId": input.get("clientMutationId")}

    def reply(self, _info: Any, input: Json) -> Json:  # noqa: A002
        """Answer in a thread: a review of its own, submitted at once."""
        thread = input["pullRequestReviewThreadId"]
        found = next((one for one in self.threads() if one[2].thread_id == thread), None)
        if found is None:
            raise no_node(thread)
        if self.call.caller.level("pull_requests") != "write":
            raise fault("FORBIDDEN", "Resource not accessible by integration")
        repository, pull, begun = found
        made = repository.answer(pull, begun, self.call.caller.login, input["body"])
        return {"comment": {"fullDatabaseId": str(made.id)}}

    def resolve_thread(self, _info: Any, input: Json) -> Json:  # noqa: A002
        return self.set_resolved(input, self.call.caller.login)

    def unresolve_thread(self, _info: Any, input: Json) -> Json:  # noqa: A002
        return self.set_resolved(input, None)

    def set_resolved(self, given: Json, by: str | None) -> Json:
        """Resolve a thread or open it again: a matter of who may push, whoever began it."""
        found = (comment for _, _, comment in self.threads())
        begun = next((c for c in found if c.thread_id == given["threadId"]), None)
        if begun is None:
            raise no_node(given["threadId"])
        caller = self.call.caller
        if caller.level("pull_requests") != "write" or not caller.may_push:
            raise fault("FORBIDDEN", "Resource not accessible by integration")
        begun.resolved_by = by
        return {"clientMutationId": given.get("clientMutationId")}

    def set_draft(self, given: Json, *, draft: bool) -> Json:
        found = self.pull_named(given["pullRequestId"])
        if found is None:
            raise no_node(given["pullRequestId"])
        repository, pull = found
        caller = self.call.caller
        # Writing to pull requests is not enough for this one; GitHub wants the contents as well.
        if caller.level("pull_requests") != "write" or not caller.may_push:
            raise fault("FORBIDDEN", "Resource not accessible by integration")
        if draft and not repository.drafts_supported:
            message = "Draft pull requests are not supported in this repository."
            raise fault("UNPROCESSABLE", message)
        pull.draft = draft
        shape = self.shapes(repository).pull(pull)
        return {"clientMutationId": given.get("clientMutationId"), "pullRequest": shape}

    def shapes(self, repository: HostedRepository) -> GraphShapes:
        def reading_issues() -> None:
            self.require_read(repository, "issues")

        viewer = self.call.caller.login
        return GraphShapes(
            self.call.shapes.site, repository, self.repositories, reading_issues, viewer
        )

    def require_read(self, repository: HostedRepository, scope: str) -> None:
        """Refuse one field, and leave the others to be answered."""
        try:
            self.call.of(repository).require("read", scope)
        except Refusal as refusal:
            raise fault("FORBIDDEN", refusal.message) from None

    def pull_named(self, node: str) -> tuple[HostedRepository, Pull] | None:
        every = ((repo, pull) for repo in self.repositories for pull in repo.pulls.values())
        return next(((repo, pull) for repo, pull in every if pull.node_id == node), None)

    def threads(self) -> list[tuple[HostedRepository, Pull, ReviewComment]]:
        """Return the comments that began a thread, and where they are."""
        return [
            (repository, pull, comment)
            for repository in self.repositories
            for pull in repository.pulls.values()
            for review in pull.reviews
            for comment in review.comments
            if comment.reply_to is None
        ]

    def review_comments(self) -> dict[str, ReviewComment]:
        return {
            comment.node_id: comment
            for repository in self.repositories
            for pull in repository.pulls.values()
            for review in pull.reviews
            for comment in review.comments
        }
