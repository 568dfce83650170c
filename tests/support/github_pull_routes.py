"""Operations on pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.git_diff import diff
from tests.support.github_requests import (
    LONGEST_TITLE,
    Call,
    Refusal,
    Reply,
    Route,
    custom,
    invalid,
    optional_body,
    text_field,
)
from tests.support.github_reviews import list_review_comments, list_reviews, submit_review

if TYPE_CHECKING:
    from tests.support.github_state import Pull


def pull_routes() -> list[Route]:
    pulls = "/repos/{owner}/{repo}/pulls"
    pull = f"{pulls}/{{number}}"
    return [
        Route("GET", pulls, list_pulls),
        Route("POST", pulls, create_pull),
        Route("GET", pull, get_pull),
        Route("PATCH", pull, update_pull),
        Route("GET", f"{pull}/files", list_files),
        Route("GET", f"{pull}/reviews", list_reviews),
        Route("POST", f"{pull}/reviews", submit_review),
        Route("GET", f"{pull}/comments", list_review_comments),
    ]


def list_pulls(call: Call) -> Reply:
    call.require("read", "pull_requests")
    pulls = [call.repository.follow(pull) for pull in call.repository.pulls.values()]
    by_update = call.query.get("sort") == "updated"
    by_creation = call.query.get("sort", "created") == "created"
    direction = call.query.get("direction", "desc" if by_creation else "asc")
    pulls.sort(
        key=lambda pull: (pull.issue.updated_at, pull.number) if by_update else pull.number,
        reverse=direction == "desc",
    )
    return call.page([pull for pull in pulls if is_wanted(call, pull)], call.conversation.pull)


def is_wanted(call: Call, pull: Pull) -> bool:
    """Filter as GitHub does: a head without its owner in front filters nothing."""
    state = call.query.get("state", "open")
    owner, colon, branch = call.query.get("head", "").partition(":")
    if state not in {"all", pull.issue.state}:
        return False
    source = pull.source(call.repository.name).partition("/")[0]
    if colon and (owner.lower(), branch) != (source.lower(), pull.head):
        return False
    return call.query.get("base", pull.base) == pull.base


def create_pull(call: Call) -> Reply:
    call.require("write", "pull_requests")
    repository = call.repository
    if call.caller.login == "github-actions[bot]" and not repository.actions_may_open_pulls:
        message = "GitHub Actions is not permitted to create or approve pull requests."
        raise Refusal(403, message)
    fields = call.fields
    draft = bool(fields.get("draft", False))
    if draft and not repository.drafts_supported:
        raise Refusal(422, "Draft pull requests are not supported in this repository.")
    head, base = head_and_base(call)
    refuse_pointless(call, head, base)
    title = text_field(fields, "title", "Issue", LONGEST_TITLE)
    body = optional_body(fields.get("body"))
    issue = repository.open_issue(call.caller.login, title, body)
    pull = repository.open_pull(issue, head, base, draft=draft)
    return Reply(201, call.conversation.full_pull(pull))


def head_and_base(call: Call) -> tuple[str, str]:
    git, owner = call.repository.git, call.repository.owner
    head, base = str(call.fields.get("head", "")), str(call.fields.get("base", ""))
    given, colon, branch = head.partition(":")
    if colon:
        head = branch
    if not head or (colon and given.lower() != owner.lower()) or git.head(head) is None:
        raise invalid("PullRequest", "head", "invalid")
    if not base or git.head(base) is None:
        raise invalid("PullRequest", "base", "invalid")
    return head, base


def refuse_pointless(call: Call, head: str, base: str) -> None:
    repository = call.repository
    if repository.open_pull_for(head, base):
        name = f"{repository.owner}:{head}"
        raise custom("PullRequest", f"A pull request already exists for {name}.")
    tips = f"refs/heads/{base}", f"refs/heads/{head}"
    if repository.git.merge_base(*tips) is None:
        message = f"The {head} branch has no history in common with {base}"
        raise custom("PullRequest", message)
    if repository.git.count_commits(*tips) == 0:
        raise custom("PullRequest", f"No commits between {base} and {head}")


def get_pull(call: Call) -> Reply:
    call.require("read", "pull_requests")
    return Reply(200, call.conversation.full_pull(call.pull()))


def update_pull(call: Call) -> Reply:
    call.require("write", "pull_requests")
    pull, fields = call.pull(), call.fields
    title, body = pull.issue.title, pull.issue.body
    if "title" in fields:
        title = text_field(fields, "title", "Issue", LONGEST_TITLE)
    if "body" in fields:
        body = optional_body(fields["body"])
    if "base" in fields and call.repository.git.head(str(fields["base"])) is None:
        raise invalid("PullRequest", "base", "invalid")
    change_state(call, pull, fields.get("state", pull.issue.state))
    pull.base = str(fields.get("base", pull.base))
    pull.issue.title, pull.issue.body = title, body
    return Reply(200, call.conversation.full_pull(pull))


def change_state(call: Call, pull: Pull, state: str) -> None:
    if state not in {"open", "closed"}:
        raise invalid("PullRequest", "state", "invalid")
    if state == "open" and pull.issue.state == "closed":
        refuse_reopening(call, pull)
        pull.issue.set_state("open", call.caller.login)
        call.repository.follow(pull)
    if state == "closed":
        pull.issue.set_state("closed", call.caller.login)


def refuse_reopening(call: Call, pull: Pull) -> None:
    reason = None
    if pull.merged_at:
        reason = "state cannot be changed. The pull request cannot be reopened."
    elif call.repository.git.head(pull.head) is None:
        reason = f"state cannot be changed. The {pull.head} branch has been deleted."
    elif call.repository.open_pull_for(pull.head, pull.base):
        reason = "state cannot be changed. There is already an open pull request."
    if reason:
        raise invalid("PullRequest", "state", "invalid", reason)


def list_files(call: Call) -> Reply:
    call.require("read", "pull_requests")
    pull, repository = call.pull(), call.repository
    changes = diff(repository.git, f"refs/heads/{pull.base}", pull.head_sha)
    return call.page(
        changes, lambda change: call.shapes.changed_file(repository, pull.head_sha, change)
    )
