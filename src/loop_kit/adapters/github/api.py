"""GitHub's API through PyGithub, asked politely; the only module that imports it.

Reads are repeated. A create is never repeated blindly: when its answer is lost, it is looked for
first. What sets something to a value is repeated as it is. A rate limit is waited out when it is
short. Everything else that GitHub says against a request is translated into our words.
PyGithub's objects are lazy, so that a method costs the one request it is for; the base URL of
GitHub Enterprise, proxies and certificates are read by it and by `requests`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from github import Auth, Github, GithubException, GithubRetry, RateLimitExceededException
from github.PullRequest import ReviewComment
from github.Repository import Repository

from loop_kit.adapters.github import queries as forge_queries
from loop_kit.adapters.github import refusals as forge_refusals
from loop_kit.adapters.github.refusals import Refused
from loop_kit.adapters.retry import retry
from loop_kit.errors import ForgeUnavailable, LoopError

__all__ = ["Access", "AnswerLost", "GitHubApi", "ReviewComment"]

T = TypeVar("T")

_LONGEST_WAIT = 120


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is and what is asked of it; `pace` is the unit of every pause, in seconds."""

    api_url: str
    server_url: str
    repository: str
    token: str
    pace: float = 1.0

    @property
    def page(self) -> str:
        """The repository as people see it."""
        return f"{self.server_url.rstrip('/')}/{self.repository}"

    @property
    def between_writes(self) -> float:
        """Seconds between two writes: what GitHub's own hosts ask for, an Enterprise Server not.

        Source: "Best practices for using the REST API"; a server of one's own has no secondary
        rate limits unless its administrator turns them on, and then says so in its answers.
        """
        host = urlsplit(self.api_url).hostname or ""
        return self.pace if host == "api.github.com" or host.endswith(".ghe.com") else 0

    @property
    def path(self) -> str:
        """The repository in the REST API."""
        return f"/repos/{self.repository}"

    @property
    def owner(self) -> str:
        """Whose repository it is."""
        return self.repository.partition("/")[0]

    def __repr__(self) -> str:
        return f"Access({self.api_url!r}, {self.repository!r})"


class AnswerLost(ForgeUnavailable):
    """No answer, or one that does not tell whether what was asked has been done."""


class RateLimited(ForgeUnavailable):
    """A limit of the API that is over after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            f"GitHub's rate limit is used up for {retry_after:.0f} s.",
            "Run the job again later.",
        )
        self.retry_after = retry_after


class GitHubApi:
    """Requests to one repository's API.

    A `permission` is what the request needs of a job's token, such as "issues: read", for the
    remedy of a no; '' where every token will do. Every method raises `Refused` for a final no and
    `ForgeUnavailable` when there is no answer after some patience.
    """

    def __init__(self, access: Access, sleep: Callable[[float], None]) -> None:
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
        self.github = Github(
            base_url=access.api_url.rstrip("/"),
            auth=Auth.Token(access.token),
            retry=retry,
            timeout=30,
            per_page=100,
            seconds_between_requests=0,
            seconds_between_writes=access.between_writes,
            lazy=True,
        )

    @property
    def repository(self) -> Repository:
        """PyGithub's repository; what its methods raise is translated by `ask` and `create`."""
        return self.github.get_repo(self._access.repository)

    def login(self) -> str:
        """Whose token this is; `GET /user` is forbidden to a job's token, GraphQL is not."""
        if not self._login:
            self._login = str(self.graphql(forge_queries.VIEWER, {})["viewer"]["login"])
        return self._login

    def read(self, permission: str, path: str, **parameters: str | int) -> Any:
        """The JSON of one GET below the repository; `path` begins with a slash."""
        requester = self.github.requester
        whole = f"{self._access.path}{path}"
        return self.ask(
            permission, lambda: requester.requestJsonAndCheck("GET", whole, parameters)[1]
        )

    def inside(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What a GraphQL query on the repository finds in it; null is what does not exist."""
        owner, _, name = self._access.repository.partition("/")
        found = self.graphql(query, {"owner": owner, "name": name, **variables})
        return dict(found["repository"])

    def graphql(
        self, query: str, variables: Mapping[str, Any], permission: str = ""
    ) -> dict[str, Any]:
        """The data of a GraphQL query, or of a mutation that sets values; it may be repeated."""
        requester = self.github.requester

        def call() -> dict[str, Any]:
            sent = {"query": query, "variables": dict(variables)}
            headers, answer = requester.requestJsonAndCheck(
                "POST", requester.graphql_url, input=sent
            )
            data = answer.get("data") if isinstance(answer, dict) else None
            if isinstance(answer, dict) and answer.get("errors"):
                if not forge_refusals.is_absence(answer):
                    raise GithubException(200, answer, headers)
            elif not isinstance(data, dict):
                raise AnswerLost("GitHub's answer is no GraphQL.", "Check GITHUB_API_URL.")
            return dict(data or {})

        return self.create(permission, call, lambda: None)

    def set(
        self,
        permission: str,
        method: str,
        path: str,
        sent: Mapping[str, Any] | None = None,
        unless: int = 0,
    ) -> bool:
        """One request below the repository that sets a value, repeated when its answer is lost.

        False when the answer is the status `unless`, which says that there is nothing to set.
        """
        requester, whole = self.github.requester, f"{self._access.path}{path}"

        def call() -> bool:
            requester.requestJsonAndCheck(method, whole, input=sent and dict(sent))
            return True

        try:
            return self.create(permission, call, lambda: None)
        except Refused as error:
            if error.status == unless:
                return False
            raise

    def create(self, permission: str, create: Callable[[], T], find: Callable[[], T | None]) -> T:
        """Create once: after an answer that was lost, look before trying again."""
        lost = False

        def request() -> T:
            nonlocal lost
            found = find() if lost else None
            if found is not None:
                return found
            lost = False
            try:
                return _answer(permission, create)
            except AnswerLost:
                lost = True
                raise

        return retry(
            request,
            self._sleep,
            if_error=lambda error: isinstance(error, AnswerLost) or _is_short(error),
            pace=self._access.pace,
        )

    def ask(self, permission: str, call: Callable[[], T]) -> T:
        """One call of PyGithub, its failures in our words."""
        return retry(lambda: _answer(permission, call), self._sleep, if_error=_is_short)


def _answer(permission: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except GithubException as error:
        if not _is_rate_limit(error):
            raise _translated(error, permission) from None
        raise RateLimited(forge_refusals.wait_for(_headers(error), time.time())) from None
    except requests.RequestException as error:
        raise AnswerLost(
            f"GitHub cannot be reached: {type(error).__name__}.",
            "Check the network and GITHUB_API_URL, then run the job again.",
        ) from None


def _is_short(error: BaseException) -> bool:
    """Whether this is a rate limit that is worth waiting for."""
    return isinstance(error, RateLimited) and error.retry_after <= _LONGEST_WAIT


def _headers(error: GithubException) -> Mapping[str, str]:
    return {key.lower(): value for key, value in (error.headers or {}).items()}


def _is_rate_limit(error: GithubException) -> bool:
    """PyGithub calls only some of them so: by their words, and never a 429."""
    limited = forge_refusals.is_rate_limit(error.status, _headers(error), error.data)
    return limited or isinstance(error, RateLimitExceededException)


def _translated(error: GithubException, permission: str) -> LoopError:
    message = forge_refusals.said(error.data, error.message or "")
    if error.status >= 500 or forge_refusals.is_passing(error.data):
        return AnswerLost(f"GitHub answered {error.status}: {message}", "Run the job again later.")
    needed = forge_refusals.permissions_to_read(error.data) or [permission]
    return forge_refusals.refusal(error.status, message, needed)
