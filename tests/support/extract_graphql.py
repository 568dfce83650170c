"""Make graphql_fixture.graphql: the part of GitHub's own GraphQL schema that we stand in for.

    npm install --prefix DIRECTORY @octokit/graphql-schema
    python -m tests.support.extract_graphql \\
        DIRECTORY/node_modules/@octokit/graphql-schema/schema.graphql

The whole schema is 1.2 MB. What is kept of an object are the fields below, with their own types
and all of their arguments; what explains them to people is dropped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_specified_scalar_type,
    print_type,
)
from tests.support.graphql_contract import FIXTURE

_PAYLOAD = ("clientMutationId", "pullRequest")
FIELDS: dict[str, tuple[str, ...]] = {
    "Query": ("node", "repository", "viewer"),
    "Mutation": (
        "addPullRequestReviewThreadReply",
        "convertPullRequestToDraft",
        "enablePullRequestAutoMerge",
        "markPullRequestReadyForReview",
        "resolveReviewThread",
        "unresolveReviewThread",
        "updatePullRequestReviewComment",
    ),
    "User": ("login",),
    "Repository": (
        *(
            "autoMergeAllowed",
            "issue",
            "nameWithOwner",
            "object",
            "pullRequest",
            "viewerDefaultMergeMethod",
        ),
    ),
    "Ref": ("refUpdateRule",),
    "RefUpdateRule": ("requiredApprovingReviewCount", "requiredStatusCheckContexts"),
    "GitObject": ("oid",),
    "Commit": ("checkSuites", "oid", "statusCheckRollup"),
    "CheckSuiteConnection": ("nodes", "totalCount"),
    "CheckSuite": ("conclusion", "status", "workflowRun"),
    "WorkflowRun": ("databaseId", "event", "workflow"),
    "Workflow": ("name", "resourcePath"),
    "StatusCheckRollup": ("contexts",),
    "StatusCheckRollupContextConnection": ("nodes", "pageInfo", "totalCount"),
    "StatusCheckRollupContext": (),
    "CheckRun": (
        *("checkSuite", "conclusion", "databaseId", "name", "status", "steps", "summary"),
        "title",
    ),
    "CheckStepConnection": ("nodes", "totalCount"),
    "CheckStep": ("conclusion", "name"),
    "StatusContext": ("context", "description", "state"),
    "Issue": ("body", "closedAt", "labels", "number", "repository", "state", "title", "url"),
    "IssueConnection": ("nodes", "totalCount"),
    "LabelConnection": ("nodes", "totalCount"),
    "Label": ("name",),
    "PullRequest": (
        *("baseRef", "baseRefName", "body", "closedAt", "closingIssuesReferences", "headRefName"),
        *("headRefOid", "headRepository", "id", "isDraft", "labels", "merged", "number"),
        *("latestOpinionatedReviews", "reviewThreads", "reviews", "state", "title", "url"),
    ),
    "Node": ("id",),
    "PageInfo": ("endCursor", "hasNextPage", "hasPreviousPage", "startCursor"),
    "Actor": ("login",),
    "AddPullRequestReviewThreadReplyPayload": ("clientMutationId", "comment"),
    "Bot": ("login",),
    "PullRequestReview": (
        *("author", "authorCanPushToRepository", "body", "comments", "fullDatabaseId", "id"),
        *("state", "viewerDidAuthor"),
    ),
    "PullRequestReviewComment": (
        *("body", "fullDatabaseId", "id", "line", "path", "pullRequestReview", "replyTo"),
    ),
    "PullRequestReviewConnection": ("nodes", "pageInfo", "totalCount"),
    "PullRequestReviewCommentConnection": ("nodes", "pageInfo", "totalCount"),
    "PullRequestReviewThread": ("comments", "id", "isResolved"),
    "PullRequestReviewThreadConnection": ("nodes", "pageInfo", "totalCount"),
    "ResolveReviewThreadPayload": ("clientMutationId",),
    "UnresolveReviewThreadPayload": ("clientMutationId",),
    "ConvertPullRequestToDraftPayload": _PAYLOAD,
    "EnablePullRequestAutoMergePayload": ("clientMutationId",),
    "MarkPullRequestReadyForReviewPayload": _PAYLOAD,
    "UpdatePullRequestReviewCommentPayload": ("clientMutationId",),
}


def extract(schema: GraphQLSchema) -> str:
    """Return the wanted objects and everything that their fields and arguments are made of."""
    kept: dict[str, GraphQLNamedType] = {}
    for name, fields in FIELDS.items():
        whole = schema.type_map[name]
        if isinstance(whole, GraphQLUnionType):
            kept[name] = whole
            continue
        assert isinstance(whole, GraphQLObjectType | GraphQLInterfaceType)
        chosen = {field: whole.fields[field] for field in fields}
        interfaces = (each for each in whole.interfaces if each.name in FIELDS)
        shared = [each for each in interfaces if set(FIELDS[each.name]) <= set(fields)]
        kept[name] = type(whole)(name, chosen, shared)
        for field in chosen.values():
            for argument in field.args.values():
                kept |= {t.name: t for t in inputs_of(get_named_type(argument.type))}
            kind = get_named_type(field.type)
            if isinstance(kind, GraphQLEnumType | GraphQLScalarType):
                kept[kind.name] = kind
    wanted = (t for t in kept.values() if not is_specified_scalar_type(t))
    return "\n\n".join(bare(t) for t in sorted(wanted, key=lambda t: t.name)) + "\n"


def inputs_of(kind: GraphQLNamedType) -> Iterator[GraphQLNamedType]:
    yield kind
    if isinstance(kind, GraphQLInputObjectType):
        for field in kind.fields.values():
            yield from inputs_of(get_named_type(field.type))


def bare(kind: GraphQLNamedType) -> str:
    """Print a type without its descriptions: here they are blocks in lines of their own."""
    lines, inside = [], False
    for line in print_type(kind).splitlines():
        quotes = line.count('"""')
        if not quotes and not inside and line.strip():
            lines.append(line)
        inside = inside != (quotes == 1)
    return "\n".join(lines)


def main() -> None:
    schema = build_schema(Path(sys.argv[1]).read_text(encoding="utf-8"), assume_valid=True)
    FIXTURE.write_text(extract(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
