"""GitHub's REST API through PyGithub; the only module that imports it.

Reads are repeated by the transport. A create is never repeated blindly: when its answer is lost, it
is looked for first. A final no becomes `ForgeRefused` with the setting or `permissions:` line that
mends it, because "403" in a log at three in the morning helps nobody.
Objects are lazy, so that a method costs the one request it is for.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import requests
from github import Auth, Github, GithubException, GithubRetry, RateLimitExceededException
from github.Repository import Repository

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
                return PullRequest(pull.number, pull.html_url)
            return None

        return self._ask("list pull requests", first)

    def open_pull_request(
        self, head: str, base: str, title: str, body: str, *, draft: bool
    ) -> PullRequest:
        """Open one; not as a draft where drafts are not supported."""

        def create() -> PullRequest:
            made = self._repo.create_pull(base, head, title=title, body=body, draft=draft)
            return PullRequest(made.number, made.html_url)

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
                raise self._pulls_forbidden(head, base) from None
            raise

    def find_review(self, number: int, marker: str) -> str | None:
        """The id of our review or comment that carries `marker`, searched over all pages."""
        me = self._own_login()

        def search() -> str | None:
            pull = self._repo.get_pull(number)
            for review in pull.get_reviews():
                if _bears(review.body, marker) and review.user.login == me:
                    return str(review.id)
            for comment in pull.get_issue_comments():
                if _bears(comment.body, marker) and comment.user.login == me:
                    return str(comment.id)
            return None

        return self._ask("read reviews", search)

    def post_review(self, number: int, sha: str, body: str, marker: str) -> str:
        """Post a review that neither approves nor rejects, or a comment where none is taken."""
        pull = self._repo.get_pull(number)
        commit = self._repo.get_commit(sha)

        def review() -> str:
            return str(pull.create_review(commit, body, event="COMMENT").id)

        def comment() -> str:
            return str(pull.create_issue_comment(body).id)

        def find() -> str | None:
            return self.find_review(number, marker)

        try:
            return self._create("pull-requests", review, find)
        except ForgeRefused as error:
            if not any(code in error.sentence for code in ("404", "422")):
                raise
            return self._create("pull-requests", comment, find)

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
            query = {"query": "query { viewer { login } }"}
            data = self._ask(
                "read who we are",
                lambda: self._github.requester.graphql_query(query["query"], {})[1],
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
                wait = _retry_after(error)
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

    def _pulls_forbidden(self, head: str, base: str) -> ForgeRefused:
        link = (
            f"{self._access.server_url}/{self._access.repository}/compare/{base}...{head}?expand=1"
        )
        return ForgeRefused(
            "GitHub Actions may not open pull requests in this repository.",
            "Allow it in Settings, Actions, General: 'Allow GitHub Actions to create and approve"
            f" pull requests'; or open it yourself: {link}",
        )


def _bears(body: str | None, marker: str) -> bool:
    """Whether the first line is the marker; further down it is somebody's quotation."""
    return (body or "").partition("\n")[0].strip() == marker


def _is_rate_limit(error: GithubException) -> bool:
    """PyGithub calls only some of them so: by their words, and never a 429."""
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    used_up = "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    return (
        isinstance(error, RateLimitExceededException)
        or error.status == 429
        or (error.status == 403 and used_up)
    )


def _retry_after(error: GithubException) -> float:
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    if headers.get("retry-after", "").isdigit():
        return float(headers["retry-after"])
    if headers.get("x-ratelimit-reset", "").isdigit():
        return max(1.0, float(headers["x-ratelimit-reset"]) - time.time())
    return 60.0


def _translated(error: GithubException, scope: str) -> LoopError:
    data = error.data if isinstance(error.data, dict) else {}
    details = data.get("errors") or []
    said = "; ".join(
        str(part.get("message") or part.get("code") or "") if isinstance(part, dict) else str(part)
        for part in (details if isinstance(details, list) else [details])
    )
    message = " ".join(f"{data.get('message') or error.message or ''} {said}".split())[:400]
    if error.status >= 500:
        return _AnswerLost(f"GitHub answered {error.status}: {message}", "Run the job again later.")
    if error.status == 401:
        return ForgeRefused("GitHub does not know the token (401).", "Pass a valid `github-token`.")
    remedy = "Look at what GitHub says and correct the setting."
    if error.status == 403 and "not accessible" in message.lower():
        remedy = f"Add to the job: `permissions: {scope}: write`."
    return ForgeRefused(f"GitHub answered {error.status}: {message}", remedy)
