"""The GraphQL that is asked of GitHub: what REST does not have, or does only one by one."""

from collections.abc import Sequence
from typing import Any

VIEWER = "query { viewer { login } }"

READY = (
    "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id})"
    " { clientMutationId } }"
)


def edits(comments: Sequence[tuple[str, str]]) -> tuple[str, dict[str, Any]]:
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
