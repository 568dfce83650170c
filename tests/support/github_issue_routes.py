"""Operations on issues, their comments and their labels."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tests.support.github_requests import (
    LONGEST_BODY,
    LONGEST_TITLE,
    Call,
    Level,
    Refusal,
    Reply,
    Route,
    invalid,
    optional_body,
    text_field,
)
from tests.support.github_state import Label, Reaction

if TYPE_CHECKING:
    from tests.support.github_state import Comment, Issue

REACTIONS = {"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}


def issue_routes() -> list[Route]:
    repository = "/repos/{owner}/{repo}"
    issue = f"{repository}/issues/{{number}}"
    return [
        Route("GET", f"{repository}/issues", list_issues),
        Route("POST", f"{repository}/issues", create_issue),
        Route("GET", issue, get_issue),
        Route("GET", f"{issue}/comments", list_comments),
        Route("POST", f"{issue}/comments", create_comment),
        Route("GET", f"{repository}/issues/comments/{{id}}", get_comment),
        Route("PATCH", f"{repository}/issues/comments/{{id}}", update_comment),
        Route("POST", f"{repository}/issues/comments/{{id}}/reactions", react),
        Route("GET", f"{issue}/labels", list_issue_labels),
        Route("POST", f"{issue}/labels", add_labels),
        Route("PUT", f"{issue}/labels", set_labels),
        Route("DELETE", f"{issue}/labels", remove_all_labels),
        Route("DELETE", f"{issue}/labels/{{name}}", remove_label),
        Route("GET", f"{repository}/labels", list_labels),
        Route("POST", f"{repository}/labels", create_label),
        Route("GET", f"{repository}/labels/{{name}}", get_label),
        Route("PATCH", f"{repository}/labels/{{name}}", update_label),
    ]


def require_issue(call: Call, level: Level, number: int) -> None:
    """Refuse callers without access; on a pull request either permission will do."""
    is_pull = number in call.repository.pulls
    call.require(level, "issues", *(["pull_requests"] if is_pull else []))


def reachable_issue(call: Call, level: Level) -> Issue:
    require_issue(call, level, int(call.parameters["number"]))
    return call.issue()


def reachable_comment(call: Call, level: Level) -> Comment:
    comment = call.repository.find_comment(int(call.parameters["id"]))
    if comment is None:
        raise Refusal(404, "Not Found")
    require_issue(call, level, comment.number)
    return comment


def list_issues(call: Call) -> Reply:
    """List issues, and pull requests as GitHub does, the newest first."""
    call.require("read", "issues")
    state, creator = call.query.get("state", "open"), call.query.get("creator", "")
    found = [
        issue
        for issue in call.repository.issues.values()
        if state in {"all", issue.state} and creator in {"", issue.author}
    ]
    found.sort(key=lambda issue: issue.number, reverse=True)
    return call.page(found, call.conversation.issue)


def create_issue(call: Call) -> Reply:
    call.require("write", "issues")
    title = text_field(call.fields, "title", "Issue", LONGEST_TITLE)
    body = optional_body(call.fields.get("body"))
    issue = call.repository.open_issue(call.caller.login, title, body)
    return Reply(201, call.conversation.issue(issue))


def get_issue(call: Call) -> Reply:
    return Reply(200, call.conversation.issue(reachable_issue(call, "read")))


def list_comments(call: Call) -> Reply:
    comments = reachable_issue(call, "read").comments
    if "since" in call.query:
        since = dt.datetime.fromisoformat(call.query["since"])
        if since.tzinfo is None:
            since = since.replace(tzinfo=dt.UTC)
        comments = [comment for comment in comments if comment.updated_at >= since]
    return call.page(comments, call.conversation.comment)


def create_comment(call: Call) -> Reply:
    issue = reachable_issue(call, "write")
    comment = call.repository.comment(issue, call.caller.login, comment_body(call))
    return Reply(201, call.conversation.comment(comment))


def get_comment(call: Call) -> Reply:
    return Reply(200, call.conversation.comment(reachable_comment(call, "read")))


def update_comment(call: Call) -> Reply:
    comment = reachable_comment(call, "write")
    comment.edit(comment_body(call))
    return Reply(200, call.conversation.comment(comment))


def comment_body(call: Call) -> str:
    body = call.fields.get("body")
    if not isinstance(body, str) or not body.strip():
        raise invalid("IssueComment", "data", "unprocessable", "Body cannot be blank")
    if len(body) > LONGEST_BODY:
        message = f"Body is too long (maximum is {LONGEST_BODY} characters)"
        raise invalid("IssueComment", "data", "unprocessable", message)
    return body


def react(call: Call) -> Reply:
    """Add a reaction; whoever has the same one already gets it again, with another status."""
    comment, content = reachable_comment(call, "write"), call.fields.get("content")
    if content not in REACTIONS:
        raise invalid("Reaction", "content", "invalid")
    login = call.caller.login
    for given in comment.reactions:
        if (given.login, given.content) == (login, content):
            return Reply(200, call.conversation.reaction(given))
    comment.reactions.append(Reaction(next(call.repository.ids), login, content))
    return Reply(201, call.conversation.reaction(comment.reactions[-1]))


def list_issue_labels(call: Call) -> Reply:
    return labels_of(call, reachable_issue(call, "read"))


def add_labels(call: Call) -> Reply:
    issue = reachable_issue(call, "write")
    call.repository.add_labels(issue, label_names(call))
    return labels_of(call, issue)


def set_labels(call: Call) -> Reply:
    issue = reachable_issue(call, "write")
    names = label_names(call)
    issue.labels = []
    call.repository.add_labels(issue, names)
    return labels_of(call, issue)


def remove_all_labels(call: Call) -> Reply:
    reachable_issue(call, "write").labels = []
    return Reply(204)


def remove_label(call: Call) -> Reply:
    issue = reachable_issue(call, "write")
    if not call.repository.remove_label(issue, call.parameters["name"]):
        raise Refusal(404, "Label does not exist")
    return labels_of(call, issue)


def labels_of(call: Call, issue: Issue) -> Reply:
    labels = [call.repository.label(name) for name in issue.labels]
    return call.page(labels, lambda label: call.shapes.label(call.repository, label))


def label_names(call: Call) -> tuple[str, ...]:
    """Read names from a list, or from an object with a list: GitHub takes both."""
    given = call.payload.get("labels", []) if isinstance(call.payload, dict) else call.payload
    names = [item["name"] if isinstance(item, dict) else item for item in given]
    if not all(isinstance(name, str) and name for name in names):
        raise invalid("Label", "name", "invalid")
    return tuple(text_field({"name": name}, "name", "Label", 50) for name in names)


def list_labels(call: Call) -> Reply:
    call.require("read", "issues", "pull_requests")
    labels = sorted(call.repository.labels.values(), key=lambda label: label.name.lower())
    return call.page(labels, lambda label: call.shapes.label(call.repository, label))


def create_label(call: Call) -> Reply:
    call.require("write", "issues", "pull_requests")
    name = text_field(call.fields, "name", "Label", 50)
    repository = call.repository
    if name.lower() in repository.labels:
        raise invalid("Label", "name", "already_exists")
    label = Label(next(repository.ids), name)
    label.color = call.fields.get("color") or label.color
    label.description = call.fields.get("description")
    if label.description and len(label.description) > 100:
        raise invalid("Label", "description", "custom", "description is too long")
    repository.labels[name.lower()] = label
    return Reply(201, call.shapes.label(repository, label))


def update_label(call: Call) -> Reply:
    call.require("write", "issues", "pull_requests")
    label = call.repository.labels.get(call.parameters["name"].lower())
    if label is None:
        raise Refusal(404, "Not Found")
    label.color = call.fields.get("color") or label.color
    label.description = call.fields.get("description", label.description)
    return Reply(200, call.shapes.label(call.repository, label))


def get_label(call: Call) -> Reply:
    call.require("read", "issues", "pull_requests")
    label = call.repository.labels.get(call.parameters["name"].lower())
    if label is None:
        raise Refusal(404, "Not Found")
    return Reply(200, call.shapes.label(call.repository, label))
