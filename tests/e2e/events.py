"""Events as GitHub sends them: real payloads, with the fields that a test is about put in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.actions.reading import payload

if TYPE_CHECKING:
    from tests.support.github_state import Comment, Issue, Pull

_REPOSITORY = {"full_name": "octo/demo", "default_branch": "main"}


@dataclass(frozen=True)
class Event:
    """The name of an event and what it brings along."""

    name: str
    payload: Mapping[str, Any]

    @property
    def sender(self) -> str:
        login: str = self.payload["sender"]["login"]
        return login


def dispatched(inputs: Mapping[str, str], sender: str) -> Event:
    """A run that was started by hand or by the loop itself."""
    return Event(
        "workflow_dispatch",
        {
            "sender": {"login": sender, "type": "Bot" if sender.endswith("[bot]") else "User"},
            "repository": _REPOSITORY,
            "inputs": dict(inputs),
        },
    )


def labelled(issue: Issue, sender: str = "mona", label: str = "loop") -> Event:
    """The label was put on an issue, as it is at this moment."""
    document = _real("issues-labeled", sender)
    document["label"]["name"] = label
    _describe(document["issue"], issue)
    return Event("issues", document)


def pull_labelled(pull: Pull, sha: str, sender: str = "mona", label: str = "loop") -> Event:
    """The label was put on a pull request whose head is at `sha`."""
    document = _real("pull-request-labeled", sender)
    document["label"]["name"] = label
    _describe(document["pull_request"], pull.issue)
    source = {"full_name": pull.source("octo/demo")}
    head = {"ref": pull.head.rpartition(":")[2], "sha": sha, "repo": source}
    document["pull_request"]["head"] |= head
    document["pull_request"]["base"]["ref"] = pull.base
    return Event("pull_request", document)


def commented(issue: Issue, comment: Comment, *, on_pull: bool = False) -> Event:
    """Somebody wrote a comment."""
    document = _real("issue-comment-created", comment.author)
    _describe(document["issue"], issue)
    if on_pull:
        document["issue"]["pull_request"] = {"url": "https://api.github.test/pulls"}
    document["comment"] |= {"id": comment.id, "body": comment.body}
    document["comment"]["user"] |= {"login": comment.author, "type": "User"}
    return Event("issue_comment", document)


def pushed(before: str, after: str, sender: str = "mona", ref: str = "refs/heads/main") -> Event:
    """Commits were pushed to a branch."""
    document = _real("push", sender)
    return Event("push", document | {"ref": ref, "before": before, "after": after})


def workflow_ended(branch: str, sha: str, repository: str = "octo/demo", *pulls: int) -> Event:
    """A workflow has ended on a commit of a branch, the head of these pull requests."""
    document = _real("workflow-run-completed", "mona")
    run = document["workflow_run"]
    run |= {"head_branch": branch, "head_sha": sha, "pull_requests": [{"number": n} for n in pulls]}
    run["head_repository"]["full_name"] = repository
    return Event("workflow_run", document)


def _real(name: str, sender: str) -> dict[str, Any]:
    document = copy.deepcopy(payload(name))
    kind = "Bot" if sender.endswith("[bot]") else "User"
    document["sender"] |= {"login": sender, "type": kind}
    document["repository"] |= _REPOSITORY
    return document


def _describe(document: dict[str, Any], issue: Issue) -> None:
    document |= {
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "state": issue.state,
    }
