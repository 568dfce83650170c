"""Reviews: all of one is accepted, or nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tests.support.git_diff import FileChange, Side, diff
from tests.support.github_requests import LONGEST_BODY, Call, Refusal, Reply
from tests.support.github_state import Review, ReviewComment, utc_now

if TYPE_CHECKING:
    from tests.support.github_shapes import Json
    from tests.support.github_state import Pull

NO_HUNK = "Pull request review thread diff hunk can't be blank"


def list_reviews(call: Call) -> Reply:
    call.require("read", "pull_requests")
    pull = call.pull()
    return call.page(
        visible_reviews(call, pull), lambda review: call.conversation.review(pull, review)
    )


def list_review_comments(call: Call) -> Reply:
    call.require("read", "pull_requests")
    pull = call.pull()
    submitted = [review for review in pull.reviews if review.state != "PENDING"]
    comments = [comment for review in submitted for comment in review.comments]
    return call.page(comments, lambda comment: call.conversation.review_comment(pull, comment))


def visible_reviews(call: Call, pull: Pull) -> list[Review]:
    """Leave out what others have not submitted yet."""
    return [
        review
        for review in pull.reviews
        if review.state != "PENDING" or review.author == call.caller.login
    ]


def submit_review(call: Call) -> Reply:
    call.require("write", "pull_requests")
    pull, fields = call.pull(), call.fields
    state = review_state(call, pull)
    body = fields.get("body") or ""
    if len(body) > LONGEST_BODY:
        raise unprocessable(f"Body is too long (maximum is {LONGEST_BODY} characters)")
    given = fields.get("comments") or []
    if not body and not given and state in {"COMMENTED", "CHANGES_REQUESTED"}:
        raise unprocessable("Could not create a review without a body or comments")
    commit = fields.get("commit_id") or pull.head_sha
    if not call.repository.git.contains(pull.head_sha, commit):
        raise unprocessable("The commit is not part of the pull request")
    changes = diff(call.repository.git, f"refs/heads/{pull.base}", commit)
    review = Review(next(call.repository.ids), call.caller.login, body, state, commit, [])
    review.comments = [review_comment(call, review, changes, item) for item in given]
    pull.reviews.append(review)
    pull.issue.updated_at = utc_now()
    return Reply(200, call.conversation.review(pull, review))


def review_state(call: Call, pull: Pull) -> str:
    events = {
        None: "PENDING",
        "COMMENT": "COMMENTED",
        "APPROVE": "APPROVED",
        "REQUEST_CHANGES": "CHANGES_REQUESTED",
    }
    event = call.fields.get("event")
    if event not in events:
        raise Refusal(422, "Unprocessable Entity", [f"Variable $event is not valid: {event}"])
    if call.caller.login == pull.issue.author:
        if event == "APPROVE":
            raise unprocessable("Can not approve your own pull request")
        if event == "REQUEST_CHANGES":
            raise unprocessable("Can not request changes on your own pull request")
    if (
        event == "APPROVE"
        and call.caller.login == "github-actions[bot]"
        and not call.repository.actions_may_open_pulls
    ):
        message = "GitHub Actions is not permitted to create or approve pull requests."
        raise Refusal(403, message)
    pending = [r for r in pull.reviews if (r.state, r.author) == ("PENDING", call.caller.login)]
    if pending:
        raise unprocessable("User can only have one pending review per pull request")
    return events[event]


def review_comment(
    call: Call, review: Review, changes: list[FileChange], item: Json
) -> ReviewComment:
    """Place a comment on the diff, or refuse it in GitHub's words."""
    body, path = item.get("body") or "", item.get("path")
    if not body.strip() or len(body) > LONGEST_BODY:
        raise unprocessable("Pull request review comment body is missing or too long")
    change = next((change for change in changes if change.path == path), None)
    if change is None:
        raise unprocessable(f"Pull request review thread path is invalid and {NO_HUNK}")
    side = checked_side(item.get("side", "RIGHT"))
    line = item.get("line")
    anchor = change.anchors.get((side, line)) if isinstance(line, int) else None
    if anchor is None or not isinstance(line, int):
        raise unprocessable(
            f"Pull request review thread line must be part of the diff and {NO_HUNK}"
        )
    start_line, start_side = item.get("start_line"), None
    if start_line is not None:
        start_side = checked_side(item.get("start_side", side))
        check_start(change, (start_side, start_line), (side, line))
    return ReviewComment(
        next(call.repository.ids),
        review.id,
        review.author,
        body,
        change.path,
        review.commit,
        line,
        side,
        start_line,
        start_side,
        anchor.position,
        anchor.excerpt,
    )


def checked_side(side: str) -> Side:
    if side not in {"LEFT", "RIGHT"}:
        raise unprocessable("Pull request review thread side is invalid")
    return cast("Side", side)


def check_start(change: FileChange, start: tuple[str, int], end: tuple[str, int]) -> None:
    first, last = change.anchors.get(start), change.anchors[end]
    if first is None or first.hunk != last.hunk:
        raise unprocessable(
            "Pull request review thread start line must be part of the same hunk as the line."
        )
    if first.position >= last.position:
        raise unprocessable("Pull request review thread start line must precede the end line.")


def unprocessable(reason: str) -> Refusal:
    return Refusal(422, "Unprocessable Entity", [reason])
