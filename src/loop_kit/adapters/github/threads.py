"""Our review threads on GitHub: their comments, and whether they are resolved.

REST knows the comments and not their threads, so all of this is GraphQL: threads are read by the
page, and changed in one mutation. A thread is ours by the review that its first comment belongs to,
whose id was recorded when we posted it; a marker alone proves nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from loop_kit.adapters.github import queries
from loop_kit.adapters.github.api import GitHubApi
from loop_kit.adapters.github.queries import ThreadEdit
from loop_kit.core.forge.render import first_line
from loop_kit.ports.forge import ThreadUpdate

_MAX_PAGES = 10


def update(
    api: GitHubApi,
    number: int,
    reviews: set[str],
    updates: Mapping[str, ThreadUpdate],
    *,
    resolves: bool,
) -> str | None:
    """Update our threads in one mutation; returns why none may be resolved, or None."""
    edits: list[ThreadEdit] = []
    for thread in _threads(api, number):
        comment = next(iter(thread["comments"]["nodes"] or []), None)
        review = (comment or {}).get("pullRequestReview") or {}
        wanted = updates.get(first_line(comment["body"])) if comment else None
        if comment and wanted and str(review.get("fullDatabaseId")) in reviews:
            edits += _edits(thread, comment, wanted, resolves=resolves)
    if not edits:
        return None
    optional = {f"m{n}" for n, edit in enumerate(edits) if edit.kind != "edit"}
    return api.mutate(*queries.thread_mutation(edits), "pull-requests: write", optional)


def _threads(api: GitHubApi, number: int) -> Iterator[Mapping[str, Any]]:
    after = None
    for _ in range(_MAX_PAGES):
        asked = {"number": number, "after": after}
        pull = api.query_repository(queries.THREADS, asked)["pullRequest"]
        page = pull["reviewThreads"] if pull else {"nodes": [], "pageInfo": {}}
        yield from filter(None, page["nodes"] or [])
        if not page["pageInfo"].get("hasNextPage"):
            return
        after = page["pageInfo"]["endCursor"]


def _edits(
    thread: Mapping[str, Any], comment: Mapping[str, Any], wanted: ThreadUpdate, *, resolves: bool
) -> Iterator[ThreadEdit]:
    """What has to be changed of one thread."""
    if comment["body"] != wanted.body:
        yield ThreadEdit("edit", comment["id"], wanted.body)
    if resolves and thread["isResolved"] is not wanted.resolved:
        yield ThreadEdit("resolve" if wanted.resolved else "unresolve", thread["id"])
