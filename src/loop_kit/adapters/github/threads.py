"""Reviews and review threads on GitHub: ours are updated, those of people are read.

REST knows the comments and not their threads, so all of this is GraphQL: threads are read by the
page, and changed in one mutation. A thread is ours by the review that its first comment belongs to,
whose id was recorded when we posted it; a marker alone proves nothing.

What people wrote is read review by review, since every answer in a thread is a review of its own,
however old the thread is; with each comes whether its author may push. Bots, strangers and deleted
accounts are left out here, and so is what a marker begins: we wrote it, with one token or another.
Strangers can write any number of reviews, so the pages are read back to one that holds a review
known from before; what people with write access require or approve comes in any case.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from loop_kit.adapters.github import queries
from loop_kit.adapters.github.answers import is_post, open_status_of
from loop_kit.adapters.github.api import GitHubApi
from loop_kit.adapters.github.queries import ThreadEdit
from loop_kit.core.forge.render import finding_of, first_line, read_marker
from loop_kit.core.loop.conversation import Conversation, PersonPost, ReviewState
from loop_kit.errors import ForgeRefused
from loop_kit.ports.forge import OpenStatus, ThreadUpdate

_MAX_PAGES = 10
_MAX_PULLS = 100
_TOO_MANY_REVIEWS = (
    "There are more than 500 reviews since the last one that was read: of those before them, only"
    " the approvals and requests for changes in force are read."
)
_TOO_MANY_COMMENTS = "A review by {} has more than 1,040 comments: the others are not read."
_STATES: Mapping[str, ReviewState] = {
    "APPROVED": "approved",
    "CHANGES_REQUESTED": "changes_requested",
    "COMMENTED": "commented",
    "DISMISSED": "dismissed",
}


class _Read(NamedTuple):
    """A pull request as it was read; without `threads` there are more than were read."""

    id: str
    is_draft: bool
    threads: tuple[Mapping[str, Any], ...] | None


class Conversations:
    """The conversations on pull requests of one repository.

    What a job reads before its round need not be read again after it: only we change our threads.
    """

    def __init__(self, api: GitHubApi) -> None:
        self._api = api
        self._read: dict[int, _Read] = {}
        self._checks: dict[str, Mapping[str, Any]] = {}
        self._required: dict[str, tuple[str, ...]] = {}

    def take_checks(self, sha: str) -> Mapping[str, Any] | None:
        """What was asked along about the checks of a commit; it is given once."""
        return self._checks.pop(sha, None)

    def required_on(self, branch: str) -> tuple[str, ...]:
        """The checks that classic protection of a base branch requires, as far as it was read."""
        return self._required.get(branch, ())

    def _ask(self, number: int, issue: int | None, commit: str) -> Mapping[str, Any]:
        """The answer; a token that may not read checks is asked about the rest alone."""
        if commit:
            with suppress(ForgeRefused):
                asked = queries.conversation(number, issue, commit)
                answer = self._api.query_repository(*asked)
                self._checks[commit] = answer
                self._learn_required(answer["pullRequest"] or {})
                return answer
        return self._api.query_repository(*queries.conversation(number, issue))

    def _learn_required(self, pull: Mapping[str, Any]) -> None:
        rule = (pull.get("baseRef") or {}).get("refUpdateRule") or {}
        names = filter(None, rule.get("requiredStatusCheckContexts") or ())
        if pull:
            self._required[str(pull["baseRefName"])] = tuple(names)

    def read(
        self,
        number: int,
        issue: int | None,
        reviews: Collection[str],
        seen: Collection[int],
        commit: str,
    ) -> tuple[OpenStatus, Conversation]:
        """How the pull request and the issue stand, and what people wrote, oldest first."""
        answer = self._ask(number, issue, commit)
        status, pull = open_status_of(answer, issue, number), answer["pullRequest"]
        if pull is None:
            return status, Conversation()
        found = tuple(_nodes(pull["reviewThreads"]))
        whole = len(found) == pull["reviewThreads"]["totalCount"]
        self._read[number] = _Read(pull["id"], pull["isDraft"], found if whole else None)
        threads = dict(_begun_threads(found, reviews))
        written, unread = _written(self._api, number, pull, frozenset(seen))
        posts: list[PersonPost] = []
        for review in written:
            comments, is_whole = _comments(self._api, review)
            posts += _posts(review, comments, threads)
            if not is_whole:
                unread = (*unread, _TOO_MANY_COMMENTS.format(review["author"]["login"]))
        resolved = frozenset(root for root, thread in threads.items() if thread.is_resolved)
        return status, Conversation(tuple(posts), resolved, unread)

    def update(
        self, number: int, reviews: set[str], updates: Mapping[str, ThreadUpdate], *, resolves: bool
    ) -> str | None:
        """Update our threads in one mutation; returns why none may be resolved, or None."""
        edits: list[ThreadEdit] = []
        known = self._read.pop(number, None)
        threads = known.threads if known else None
        for thread in _threads(self._api, number) if threads is None else threads:
            comment = next(iter(_nodes(thread["comments"])), None)
            review = (comment or {}).get("pullRequestReview") or {}
            wanted = updates.get(first_line(comment["body"])) if comment else None
            if comment and wanted and str(review.get("fullDatabaseId")) in reviews:
                edits += _edits(thread, comment, wanted, resolves=resolves)
        if known:
            self._read[number] = known._replace(threads=None)
        if not edits:
            return None
        optional = {f"m{n}" for n, edit in enumerate(edits) if edit.kind != "edit"}
        mutation = queries.thread_mutation(edits)
        return self._api.mutate(*mutation, "pull-requests: write", optional)

    def mark_ready(self, number: int) -> None:
        """Mark a draft as ready for review; does nothing if it is no draft."""
        known = self._read.get(number)
        if known is None:
            pull = self._api.repository.get_pull(number)
            is_draft = self._api.ask("pull-requests: read", lambda: pull.draft)
            known = _Read(pull.node_id, is_draft, None)
        if known.is_draft:
            self._api.graphql(queries.READY, {"id": known.id}, "contents: write")


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


# --- what people wrote ---------------------------------------------------------------------------


class _Thread(NamedTuple):
    """A thread: its name, whether it is resolved, and which of our findings it is about."""

    id: str = ""
    is_resolved: bool = False
    finding: str = ""


def newest_reviews(api: GitHubApi, numbers: Collection[int]) -> Mapping[int, tuple[int, ...]]:
    """The numbers of the newest reviews by people with write access, by pull request.

    One request for all, and more only where strangers fill a page.
    """
    asked = [n for n in numbers if 0 < n <= queries.LARGEST_INT][:_MAX_PULLS]
    found: dict[int, set[int]] = {number: set() for number in asked}
    left: list[tuple[int, str | None]] = [(number, None) for number in asked]
    for _ in range(_MAX_PAGES):
        if not left:
            break
        answer, pages = api.query_repository(*queries.newest_reviews(left)), left
        left = []
        for n, (number, _before) in enumerate(pages):
            pull = answer.get(f"p{n}") or {}
            page = _numbers(pull.get("reviews"))
            found[number] |= page | _numbers(pull.get("latestOpinionatedReviews"))
            before = _earlier(pull.get("reviews"))
            if before and not page:
                left.append((number, before))
    return {number: tuple(sorted(reviews)) for number, reviews in found.items()}


def _numbers(reviews: Mapping[str, Any] | None) -> set[int]:
    theirs = (r for r in _nodes(reviews) if _is_by_person(r) and not r["viewerDidAuthor"])
    return {int(review["fullDatabaseId"]) for review in theirs}


def reply(api: GitHubApi, number: int, thread: str, body: str, marker: str) -> str:
    """Answer in a thread; returns the number of the comment."""

    def post() -> str:
        answer = api.answer(queries.REPLY, {"thread": thread, "body": body})
        comment = (answer["addPullRequestReviewThreadReply"] or {}).get("comment") or {}
        return str(comment.get("fullDatabaseId") or "")

    return api.create("pull-requests: write", post, lambda: find_reply(api, number, marker))


def find_reply(api: GitHubApi, number: int, marker: str) -> str | None:
    """The number of our review comment that begins with `marker`."""
    us, pull = api.logins(), api.repository.get_pull(number)

    def search() -> str | None:
        comments = pull.get_review_comments()
        ours = (c for c in comments if any(is_post(c, marker, login) for login in us))
        return next((str(comment.id) for comment in ours), None)

    return api.ask("pull-requests: read", search)


def _nodes(connection: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return [node for node in (connection or {}).get("nodes") or [] if node]


def _is_by_person(review: Mapping[str, Any]) -> bool:
    """Whether a person who may push wrote it."""
    author = review["author"] or {}
    return author.get("__typename") == "User" and bool(review["authorCanPushToRepository"])


def _earlier(connection: Mapping[str, Any] | None) -> str | None:
    """The cursor of the page before this one, if there is one."""
    page = (connection or {}).get("pageInfo") or {}
    return page["startCursor"] if page.get("hasPreviousPage") else None


def _written(
    api: GitHubApi, number: int, pull: Mapping[str, Any], seen: frozenset[int]
) -> tuple[list[Mapping[str, Any]], tuple[str, ...]]:
    """The reviews by people back to those that were `seen`, oldest first, and what is left out."""
    page, reviews = pull["reviews"], list[Mapping[str, Any]]()
    for number_of_page in range(1, _MAX_PAGES + 1):
        written = [r for r in _nodes(page) if _is_by_person(r)]
        reviews = [*written, *reviews]
        before = _earlier(page)
        is_known = any(-int(review["fullDatabaseId"]) in seen for review in written)
        if before is None or is_known or number_of_page == _MAX_PAGES:
            break
        asked = {"number": number, "before": before}
        answer = api.query_repository(queries.EARLIER_REVIEWS, asked)["pullRequest"] or {}
        page = answer.get("reviews")
    unread = (_TOO_MANY_REVIEWS,) if before and not is_known else ()
    known = {review["id"] for review in reviews}
    in_force = [r for r in _nodes(pull["latestOpinionatedReviews"]) if _is_by_person(r)]
    earlier = [review for review in in_force if review["id"] not in known]
    earlier.sort(key=lambda review: int(review["fullDatabaseId"]))
    return [*earlier, *reviews], unread


def _comments(api: GitHubApi, review: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], bool]:
    """The comments of a review, and whether these are all."""
    page = review["comments"]
    found = _nodes(page)
    for _ in range(_MAX_PAGES):
        if not page["pageInfo"]["hasNextPage"]:
            return found, True
        asked = {"id": review["id"], "after": page["pageInfo"]["endCursor"]}
        page = (api.graphql(queries.REVIEW_COMMENTS, asked)["node"] or {}).get("comments")
        if page is None:
            return found, True
        found += _nodes(page)
    return found, not page["pageInfo"]["hasNextPage"]


def _begun_threads(
    threads: Iterable[Mapping[str, Any]], reviews: Collection[str]
) -> Iterator[tuple[int, _Thread]]:
    """Each thread, by the number of the comment that began it."""
    for thread in threads:
        for comment in _nodes(thread["comments"]):
            review = (comment["pullRequestReview"] or {}).get("fullDatabaseId")
            found = read_marker(comment["body"]) if str(review) in reviews else None
            about = finding_of(found.key) if found else ""
            yield (
                int(comment["fullDatabaseId"]),
                _Thread(thread["id"], thread["isResolved"], about),
            )


def _posts(
    review: Mapping[str, Any],
    comments: Iterable[Mapping[str, Any]],
    threads: Mapping[int, _Thread],
) -> Iterator[PersonPost]:
    """The text of a review and its comments, without what we have written.

    The number of our own review is known all the same, so that it is not new the next time.
    """
    number = int(review["fullDatabaseId"])
    text = PersonPost(
        id=-number,
        review=number,
        by=review["author"]["login"],
        body=review["body"],
        state=_STATES[review["state"]],
    )
    yield text._replace(body="", state="commented") if read_marker(text.body) else text
    for comment in comments:
        if read_marker(comment["body"]):
            continue
        id_ = int(comment["fullDatabaseId"])
        root = int((comment["replyTo"] or {}).get("fullDatabaseId") or id_)
        thread = threads.get(root, _Thread())
        yield text._replace(
            id=id_,
            body=comment["body"],
            file=comment["path"],
            line=comment["line"],
            root=root,
            thread=thread.id,
            finding=thread.finding,
        )
