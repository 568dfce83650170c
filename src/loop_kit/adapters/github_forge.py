"""GitHub's REST API through PyGithub; the only module that imports it.

Reads are repeated by the transport. A create is never repeated blindly: when its answer is lost, it
is looked for first. What sets something to a value is repeated as it is.
Objects are lazy, so that a method costs the one request it is for. What REST cannot do, or only one
by one, is a GraphQL mutation.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from github import Auth, Github, GithubException, GithubRetry, RateLimitExceededException
from github.IssueComment import IssueComment
from github.PullRequest import PullRequest as GitHubPull
from github.PullRequest import ReviewComment
from github.PullRequestReview import PullRequestReview
from github.Repository import Repository

from loop_kit.core import forge_queries, forge_refusals
from loop_kit.core.inline import InlineComment, ReviewPost
from loop_kit.core.sanitize import MAX_BODY, cut
from loop_kit.core.standing import MAX_STATUS, STATUS_CONTEXT, Label, StatusState
from loop_kit.core.state import Lease
from loop_kit.errors import ForgeRefused, ForgeUnavailable, LoopError
from loop_kit.ports import PullRequest

T = TypeVar("T")

_TRIES = 3
_LONGEST_WAIT = 120
_DISPATCH_INPUTS = """      task-id: {type: string}
      round: {type: string}
      expected-state: {type: string}"""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is and what is asked of it; `pace` is the seconds between two writes."""

    api_url: str
    server_url: str
    repository: str
    token: str
    pace: float = 1.0

    @property
    def page(self) -> str:
        """The repository as people see it."""
        return f"{self.server_url}/{self.repository}"

    def __repr__(self) -> str:
        return f"Access({self.api_url!r}, {self.repository!r})"


class _AnswerLost(ForgeUnavailable):
    """No answer, or one that does not tell whether what was asked has been done."""


class GitHubForge:
    """One repository on GitHub."""

    def __init__(self, access: Access, sleep: Callable[[float], None] = time.sleep) -> None:
        self._access = access
        self._sleep = sleep
        self._login = ""
        retry = GithubRetry(
            total=4,
            backoff_factor=0.5 * access.pace,
            backoff_jitter=0.5 * access.pace,
            allowed_methods=frozenset({"GET", "HEAD"}),
            max_rate_limit_wait=_LONGEST_WAIT,
        )
        self._github = Github(
            base_url=access.api_url.rstrip("/"),
            auth=Auth.Token(access.token),
            retry=retry,
            timeout=30,
            per_page=100,
            seconds_between_requests=0,
            seconds_between_writes=access.pace,
            lazy=True,
        )

    def may_write(self, login: str) -> bool:
        """Whether this person's permission is write or more; unknown names may nothing."""
        try:
            held = self._ask(
                "read permissions", lambda: self._repo.get_collaborator_permission(login)
            )
        except ForgeRefused as error:
            if "404" in error.sentence:
                return False
            raise
        return held in {"admin", "maintain", "write"}

    def run_has_ended(self, lease: Lease) -> bool | None:
        """Whether the run that holds `lease` is over; None when the API cannot tell."""
        if not lease.run_id.isdigit():
            return None
        try:
            run = self._github.requester.requestJsonAndCheck(
                "GET", f"/repos/{self._access.repository}/actions/runs/{lease.run_id}"
            )[1]
        except (GithubException, requests.RequestException):
            return None
        later = int(run.get("run_attempt") or 1) > lease.run_attempt
        return later or run.get("status") == "completed"

    def find_pull_request(self, head: str) -> PullRequest | None:
        """The open pull request from branch `head`."""
        owner = self._access.repository.partition("/")[0]

        def first() -> PullRequest | None:
            for pull in self._repo.get_pulls(state="open", head=f"{owner}:{head}"):
                return _pull_request(pull)
            return None

        return self._ask("list pull requests", first)

    def open_pull_request(
        self, head: str, base: str, title: str, body: str, *, draft: bool
    ) -> PullRequest:
        """Open one; not as a draft where drafts are not supported."""

        def create() -> PullRequest:
            made = self._repo.create_pull(base, head, title=title, body=body, draft=draft)
            return _pull_request(made)

        try:
            return self._create("pull-requests", create, lambda: self.find_pull_request(head))
        except ForgeRefused as error:
            said = error.sentence.lower()
            if draft and "draft" in said:
                return self.open_pull_request(head, base, title, body, draft=False)
            found = self.find_pull_request(head) if "already exists" in said else None
            if found:
                return found
            if "not permitted to create" in said:
                link = f"{self._access.page}/compare/{base}...{head}?expand=1"
                raise forge_refusals.pulls_forbidden(link) from None
            raise

    def find_post(self, number: int, marker: str) -> str | None:
        """The id of our review or comment that carries `marker`, searched over all pages."""
        me = self._own_login()

        def search() -> str | None:
            pull = self._repo.get_pull(number)
            for review in pull.get_reviews():
                if _is_post(review, marker, me):
                    return str(review.id)
            for comment in pull.get_issue_comments():
                if _is_post(comment, marker, me):
                    return str(comment.id)
            return None

        return self._ask("read reviews", search)

    def post_review(self, number: int, sha: str, post: ReviewPost, marker: str) -> str:
        """Post a review that neither approves nor rejects, or a comment where none is taken.

        GitHub takes all inline comments or none; on a no, everything goes into the body.
        """
        pull = self._repo.get_pull(number)
        commit = self._repo.get_commit(sha)

        def find() -> str | None:
            return self.find_post(number, marker)

        def review(body: str, comments: list[ReviewComment]) -> Callable[[], str]:
            return lambda: str(
                pull.create_review(commit, body, event="COMMENT", comments=comments).id
            )

        tries = [review(post.whole, [])]
        if post.comments:
            tries.insert(0, review(post.body, [_review_comment(c) for c in post.comments]))
        for attempt in tries:
            try:
                return self._create("pull-requests", attempt, find)
            except ForgeRefused as error:
                if not any(code in error.sentence for code in ("404", "422")):
                    raise
        return self._create(
            "pull-requests", lambda: str(pull.create_issue_comment(post.whole).id), find
        )

    def edit_inline(self, number: int, reviews: set[str], bodies: Mapping[str, str]) -> None:
        """Replace the inline comments of `reviews` that begin with one of the keys, markers."""

        def search() -> list[tuple[str, str]]:
            comments = self._repo.get_pull(number).get_review_comments()
            ours = [c for c in comments if str(c.pull_request_review_id) in reviews]
            firsts = ((c.node_id, c.body.partition("\n")[0].strip()) for c in ours)
            return [(node, bodies[first]) for node, first in firsts if first in bodies]

        found = self._ask("read review comments", search)
        if found:
            self._mutate("pull-requests", *forge_queries.edits(found))

    def mark_ready(self, number: int) -> None:
        """End the draft; nothing when it is none."""
        pull = self._repo.get_pull(number)
        if not self._ask("read pull requests", lambda: pull.draft):
            return
        self._mutate("contents", forge_queries.READY, {"id": pull.node_id})

    def put_comment(self, number: int, id_: str, body: str, marker: str) -> str:
        """Replace the body of our comment `id_`, or post one where there is none; its id."""
        issue = self._repo.get_issue(number)
        if id_.isdigit():
            path = f"/repos/{self._access.repository}/issues/comments/{id_}"
            if self._set("pull-requests", "PATCH", path, {"body": body}, unless="404"):
                return id_
        return self._create(
            "pull-requests",
            lambda: str(issue.create_comment(body).id),
            lambda: self.find_post(number, marker),
        )

    def set_status(self, sha: str, state: StatusState, said: str, run_id: str) -> None:
        """Set the commit status of the loop, cut to what GitHub takes."""
        status = {"state": state, "context": STATUS_CONTEXT, "description": said[:MAX_STATUS]}
        if run_id.isdigit():
            status["target_url"] = f"{self._access.page}/actions/runs/{run_id}"
        self._set("statuses", "POST", f"/repos/{self._access.repository}/statuses/{sha}", status)

    def set_label(self, number: int, label: Label | None, others: Collection[str]) -> None:
        """Put `label` on a pull request or an issue, and take `others` off."""
        repository = f"/repos/{self._access.repository}"
        if label is not None:
            made = {"name": label.name, "color": label.color, "description": label.description}
            self._set("issues", "POST", f"{repository}/labels", made, unless="422")
            labels = {"labels": [label.name]}
            self._set("issues", "POST", f"{repository}/issues/{number}/labels", labels)
        for name in others:
            path = f"{repository}/issues/{number}/labels/{quote(name, safe='')}"
            self._set("issues", "DELETE", path, unless="404")

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        """Start the workflow that runs the next round."""

        def start() -> bool:
            found = self._repo.get_workflow(workflow)
            return found.create_dispatch(ref, dict(inputs), throw=True)

        try:
            self._ask("actions", start)
        except ForgeRefused as error:
            if "422" in error.sentence and "input" in error.sentence.lower():
                raise ForgeRefused(
                    f"{workflow} does not declare the inputs that continue a loop.",
                    f"Add to its `on: workflow_dispatch: inputs:`\n{_DISPATCH_INPUTS}",
                ) from None
            if "404" in error.sentence:
                raise ForgeRefused(
                    f"{workflow} is not on the default branch, so it cannot be dispatched.",
                    "Merge it there, or name another with `continue-workflow`.",
                ) from None
            raise

    @property
    def _repo(self) -> Repository:
        return self._github.get_repo(self._access.repository)

    def _own_login(self) -> str:
        """Whose token this is; `GET /user` is forbidden to a job's token, GraphQL is not."""
        if not self._login:
            data = self._ask(
                "read who we are",
                lambda: self._github.requester.graphql_query(forge_queries.VIEWER, {})[1],
            )
            self._login = str(data["data"]["viewer"]["login"])
        return self._login

    def _create(self, scope: str, create: Callable[[], T], find: Callable[[], T | None]) -> T:
        """Create once: after an answer that was lost, look before trying again."""
        for attempt in range(1, _TRIES + 1):
            try:
                return self._ask(scope, create)
            except _AnswerLost:
                if attempt == _TRIES:
                    raise
                self._sleep(self._access.pace * 2**attempt)
                found = find()
                if found is not None:
                    return found
        raise AssertionError("unreachable")

    def _ask(self, scope: str, call: Callable[[], T]) -> T:
        """One call, its failures in our words."""
        for attempt in range(1, _TRIES + 1):
            try:
                return call()
            except GithubException as error:
                if not _is_rate_limit(error):
                    raise _translated(error, scope) from None
                wait = forge_refusals.wait_for(_headers(error), time.time())
                if attempt == _TRIES or wait > _LONGEST_WAIT:
                    raise ForgeUnavailable(
                        f"GitHub's rate limit is used up for {wait:.0f} s.",
                        "Run the job again later.",
                    ) from None
                self._sleep(wait)
            except requests.RequestException as error:
                raise _AnswerLost(
                    f"GitHub cannot be reached: {type(error).__name__}.",
                    "Check the network and GITHUB_API_URL, then run the job again.",
                ) from None
        raise AssertionError("unreachable")

    def _set(
        self,
        scope: str,
        method: str,
        path: str,
        sent: Mapping[str, Any] | None = None,
        unless: str = "",
    ) -> bool:
        """One request that sets a value, repeated when its answer is lost.

        False when the answer is the status `unless`, which says that there is nothing to set.
        """

        def call() -> bool:
            self._github.requester.requestJsonAndCheck(method, path, input=sent and dict(sent))
            return True

        try:
            return self._create(scope, call, lambda: None)
        except ForgeRefused as error:
            if unless and error.sentence.startswith(f"GitHub answered {unless}:"):
                return False
            raise

    def _mutate(self, scope: str, query: str, variables: dict[str, Any]) -> None:
        """One GraphQL mutation that sets values."""

        def call() -> bool:
            self._github.requester.graphql_query(query, variables)
            return True

        self._create(scope, call, lambda: None)


def _pull_request(pull: GitHubPull) -> PullRequest:
    return PullRequest(pull.number, pull.html_url, pull.user.login)


def _review_comment(comment: InlineComment) -> ReviewComment:
    return {
        "path": comment.path,
        "line": comment.line,
        "side": "RIGHT",
        "body": cut(comment.body, MAX_BODY),
    }


def _is_post(post: PullRequestReview | IssueComment, marker: str, login: str) -> bool:
    """Whether it is ours and its first line the marker; further down that is a quotation."""
    first = (post.body or "").partition("\n")[0].strip()
    return first == marker and getattr(post.user, "login", "") == login


def _headers(error: GithubException) -> Mapping[str, str]:
    return {key.lower(): value for key, value in (error.headers or {}).items()}


def _is_rate_limit(error: GithubException) -> bool:
    """PyGithub calls only some of them so: by their words, and never a 429."""
    limited = forge_refusals.is_rate_limit(error.status, _headers(error), error.data)
    return limited or isinstance(error, RateLimitExceededException)


def _translated(error: GithubException, scope: str) -> LoopError:
    message = forge_refusals.said(error.data, error.message or "")
    if error.status >= 500:
        return _AnswerLost(f"GitHub answered {error.status}: {message}", "Run the job again later.")
    return forge_refusals.refusal(error.status, message, scope)
