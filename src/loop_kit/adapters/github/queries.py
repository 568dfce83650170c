"""The GraphQL queries to GitHub: for what REST cannot do, or only one by one.

No field that is read has an alias, so that the path of an error names the field, and with it the
missing permission.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

LARGEST_INT = 2**31 - 1

VIEWER = "query { viewer { login } }"

READY = (
    "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id})"
    " { clientMutationId } }"
)

AUTO_MERGE = (
    "mutation($id: ID!, $sha: GitObjectID!, $method: PullRequestMergeMethod!)"
    " { enablePullRequestAutoMerge(input: {pullRequestId: $id, expectedHeadOid: $sha,"
    " mergeMethod: $method}) { clientMutationId } }"
)

_LABELS = "labels(first: 100) { nodes { name } }"

ISSUE = (
    "query($owner: String!, $name: String!, $number: Int!)"
    " { repository(owner: $owner, name: $name)"
    f" {{ issue(number: $number) {{ number title body state closedAt {_LABELS} }} }} }}"
)

PULL = (
    "query($owner: String!, $name: String!, $number: Int!)"
    " { repository(owner: $owner, name: $name) { nameWithOwner pullRequest(number: $number)"
    " { number url title body state merged closedAt headRefName headRefOid"
    f" headRepository {{ nameWithOwner }} baseRefName {_LABELS}"
    " closingIssuesReferences(first: 2) { nodes { number repository { nameWithOwner } } } } } }"
)

MERGE_FACTS = (
    "query($owner: String!, $name: String!, $number: Int!) { viewer { login }"
    " repository(owner: $owner, name: $name) { autoMergeAllowed viewerDefaultMergeMethod"
    f" pullRequest(number: $number) {{ id baseRefName {_LABELS} baseRef {{ refUpdateRule"
    " { requiredApprovingReviewCount requiredStatusCheckContexts } } } } }"
)

_PROTECTION = "baseRefName baseRef { refUpdateRule { requiredStatusCheckContexts } }"

_ON_PULL = "query($owner: String!, $name: String!, $number: Int!, $after: String)"

THREADS = (
    f"{_ON_PULL} {{ repository(owner: $owner, name: $name) {{ pullRequest(number: $number)"
    " { reviewThreads(first: 100, after: $after) { pageInfo { hasNextPage endCursor }"
    " nodes { id isResolved comments(first: 1) { nodes { id body"
    " pullRequestReview { fullDatabaseId } } } } } } } }"
)


_REVIEW_STATES = "states: [APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED]"
_REVIEWER = "viewerDidAuthor authorCanPushToRepository author { __typename login }"

_EARLIER = "pageInfo { hasPreviousPage startCursor }"
_LATER = "pageInfo { hasNextPage endCursor }"
_REVIEW_COMMENT = "fullDatabaseId body path line replyTo { fullDatabaseId }"
_REVIEW = (
    f"id fullDatabaseId state body {_REVIEWER}"
    f" comments(first: 40) {{ {_LATER} nodes {{ {_REVIEW_COMMENT} }} }}"
)

_CONVERSATION = (
    f"id isDraft state merged {_LABELS}"
    f" reviews(last: 50, {_REVIEW_STATES}) {{ {_EARLIER} nodes {{ {_REVIEW} }} }}"
    f" latestOpinionatedReviews(first: 50, writersOnly: true) {{ nodes {{ {_REVIEW} }} }}"
    " reviewThreads(last: 100) { totalCount nodes { id isResolved comments(first: 1) { nodes {"
    " id fullDatabaseId body pullRequestReview { fullDatabaseId } } } } }"
)
"""The newest reviews with their comments, what is in force, and what began each conversation."""

EARLIER_REVIEWS = (
    "query($owner: String!, $name: String!, $number: Int!, $before: String)"
    " { repository(owner: $owner, name: $name) { pullRequest(number: $number)"
    f" {{ reviews(last: 50, before: $before, {_REVIEW_STATES})"
    f" {{ {_EARLIER} nodes {{ {_REVIEW} }} }} }} }} }}"
)

REVIEW_COMMENTS = (
    "query($id: ID!, $after: String) { node(id: $id) { ... on PullRequestReview"
    f" {{ comments(first: 100, after: $after) {{ {_LATER} nodes {{ {_REVIEW_COMMENT} }} }} }} }} }}"
)

REPLY = (
    "mutation($thread: ID!, $body: String!) { addPullRequestReviewThreadReply(input:"
    " {pullRequestReviewThreadId: $thread, body: $body}) { comment { fullDatabaseId } } }"
)


def conversation(
    number: int, issue: int | None, commit: str = ""
) -> tuple[str, dict[str, int | str | None]]:
    """The query for a pull request and what people wrote there, and how an issue stands.

    With a `commit` also for the first page of its checks, and for those that classic protection of
    the base branch requires: GitHub shows them to who may read, its other settings to
    administrators alone.
    """
    declared = "" if issue is None else ", $issue: Int!"
    declared += ", $oid: GitObjectID!, $after: String" if commit else ""
    of_issue = "" if issue is None else f" issue(number: $issue) {{ state {_LABELS} }}"
    query = (
        f"query($owner: String!, $name: String!, $number: Int!{declared})"
        f" {{ viewer {{ login }} repository(owner: $owner, name: $name)"
        f" {{ pullRequest(number: $number) {{ {_CONVERSATION} {_PROTECTION if commit else ''} }}"
        f"{of_issue} {_CHECKS if commit else ''} }} }}"
    )
    variables: dict[str, int | str | None] = {"number": number}
    variables |= {} if issue is None else {"issue": issue}
    return query, variables | ({"oid": commit, "after": None} if commit else {})


def newest_reviews(pulls: Sequence[tuple[int, str | None]]) -> tuple[str, dict[str, Any]]:
    """The query for a page of reviews of several pull requests, `p0` and on; its variables.

    Each comes with the cursor before which the page ends, None for the newest.
    """
    declared = "".join(f", $n{n}: Int!, $b{n}: String" for n in range(len(pulls)))
    fields = " ".join(
        f"p{n}: pullRequest(number: $n{n})"
        f" {{ reviews(last: 50, before: $b{n}, {_REVIEW_STATES})"
        f" {{ {_EARLIER} nodes {{ fullDatabaseId {_REVIEWER} }} }}"
        " latestOpinionatedReviews(first: 20, writersOnly: true)"
        f" {{ nodes {{ fullDatabaseId {_REVIEWER} }} }} }}"
        for n in range(len(pulls))
    )
    query = (
        f"query($owner: String!, $name: String!{declared})"
        f" {{ repository(owner: $owner, name: $name) {{ {fields} }} }}"
    )
    variables: dict[str, Any] = {}
    for n, (number, before) in enumerate(pulls):
        variables |= {f"n{n}": number, f"b{n}": before}
    return query, variables


class ThreadEdit(NamedTuple):
    """One field of `thread_mutation`; `id` is a comment's to be edited, else a thread's."""

    kind: Literal["edit", "resolve", "unresolve"]
    id: str
    body: str = ""


_EDITS = {
    "edit": (
        "updatePullRequestReviewComment(input: {{pullRequestReviewCommentId: $i{n}, body: $b{n}}})"
    ),
    "resolve": "resolveReviewThread(input: {{threadId: $i{n}}})",
    "unresolve": "unresolveReviewThread(input: {{threadId: $i{n}}})",
}

_CHECKS = (
    "object(oid: $oid) { ... on Commit {"
    " statusCheckRollup { contexts(first: 100, after: $after)"
    " { pageInfo { hasNextPage endCursor } nodes { __typename"
    " ... on CheckRun { databaseId name status conclusion title summary"
    " steps(first: 60) { nodes { name conclusion } }"
    " checkSuite { workflowRun { databaseId event workflow { resourcePath } } } }"
    " ... on StatusContext { context state description } } } }"
    " checkSuites(first: 100) { nodes { status conclusion"
    " workflowRun { databaseId event workflow { name resourcePath } } } } } }"
)
CHECKS = (
    "query($owner: String!, $name: String!, $oid: GitObjectID!, $after: String)"
    f" {{ repository(owner: $owner, name: $name) {{ {_CHECKS} }} }}"
)


def open_status(issue: int | None, pull: int | None) -> tuple[str, dict[str, int]]:
    """The query for how an issue and a pull request stand, and its variables but the repository.

    One that is None is not queried; at least one must be given.
    """
    selections = {
        "issue": (issue, f"issue(number: $issue) {{ state {_LABELS} }}"),
        "pull": (pull, f"pullRequest(number: $pull) {{ state merged {_LABELS} }}"),
    }
    variables = {name: number for name, (number, _) in selections.items() if number is not None}
    declared = "".join(f", ${name}: Int!" for name in variables)
    fields = " ".join(selections[name][1] for name in variables)
    query = (
        f"query($owner: String!, $name: String!{declared})"
        f" {{ repository(owner: $owner, name: $name) {{ {fields} }} }}"
    )
    return query, variables


def thread_mutation(edits: Sequence[ThreadEdit]) -> tuple[str, dict[str, Any]]:
    """One mutation for all of `edits`, each with the alias `m` and its number; its variables."""
    declared, parts = [], []
    variables: dict[str, Any] = {}
    for n, edit in enumerate(edits):
        declared.append(f"$i{n}: ID!")
        variables[f"i{n}"] = edit.id
        if edit.kind == "edit":
            declared.append(f"$b{n}: String!")
            variables[f"b{n}"] = edit.body
        parts.append(f"m{n}: {_EDITS[edit.kind].format(n=n)} {{ clientMutationId }}")
    return f"mutation({', '.join(declared)}) {{ {' '.join(parts)} }}", variables
