"""The GraphQL queries to GitHub: for what REST cannot do, or only one by one.

No field that is read has an alias, so that the path of an error names the field, and with it the
missing permission.
"""

from collections.abc import Sequence
from typing import Any

LARGEST_INT = 2**31 - 1

VIEWER = "query { viewer { login } }"

READY = (
    "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id})"
    " { clientMutationId } }"
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


def edit_mutation(comments: Sequence[tuple[str, str]]) -> tuple[str, dict[str, Any]]:
    """One mutation and its variables for all these review comments: node ids and new bodies."""
    names = range(len(comments))
    declared = ", ".join(f"$i{n}: ID!, $b{n}: String!" for n in names)
    parts = " ".join(
        f"m{n}: updatePullRequestReviewComment(input: {{pullRequestReviewCommentId: $i{n},"
        f" body: $b{n}}}) {{ clientMutationId }}"
        for n in names
    )
    variables = {f"i{n}": node for n, (node, _) in enumerate(comments)}
    variables |= {f"b{n}": body for n, (_, body) in enumerate(comments)}
    return f"mutation({declared}) {{ {parts} }}", variables
