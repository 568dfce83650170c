"""GitHub's API through PyGithub, with retries and pauses; the only module that imports it.

Reads are repeated. A create is never repeated blindly: when its answer is lost, its result is
looked up first. Requests that set a value are repeated as they are. A short rate limit is waited
out. A final refusal (a closed list of statuses) is translated into an error with a remedy; every
other error may pass and is repeated, also a refusal of a token that was accepted before.
PyGithub's objects are lazy, so that a method costs the one request it is for; the base URL of
GitHub Enterprise, proxies and certificates are read by it and by `requests`.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from github import Auth, Github, GithubException, RateLimitExceededException
from github.PullRequest import ReviewComment
from github.Repository import Repository
from urllib3.exceptions import NewConnectionError

from loop_kit.adapters.github import queries, refusals
from loop_kit.adapters.github.refusals import Refused
from loop_kit.adapters.github.spacing import Spacing
from loop_kit.adapters.retry import Deadline, retry
from loop_kit.adapters.spare_token import SpareToken
from loop_kit.core.forge.inline_comments import InlineComment
from loop_kit.core.text.harmless import cut
from loop_kit.core.text.sanitize import MAX_BODY
from loop_kit.errors import ForgeUnavailable, LoopError

__all__ = ["Access", "AnswerLost", "GitHubApi", "ReviewComment"]

T = TypeVar("T")

_MAX_WAIT = 120


@dataclass(frozen=True, slots=True)
class Access:
    """The API, the repository and the token.

    `pace` is the unit of every pause, in seconds; `deadline` is when the job is over.
    `spare` is what is sent instead of the token once that has expired.
    """

    api_url: str
    server_url: str
    repository: str
    token: str
    pace: float = 1.0
    deadline: Deadline = field(default_factory=Deadline, compare=False)
    spare: SpareToken = field(default_factory=SpareToken, compare=False)

    @property
    def current_token(self) -> str:
        """The token that is sent now."""
        return self.spare.token if self.spare.is_used else self.token

    @property
    def page(self) -> str:
        """The web page of the repository."""
        return f"{self.server_url.rstrip('/')}/{self.repository}"

    @property
    def between_writes(self) -> float:
        """Seconds between writes of a long series: required by GitHub's own hosts alone.

        Source: "Best practices for using the REST API"; a server of one's own has no secondary
        rate limits unless its administrator turns them on, and then reports them in its answers.
        """
        host = urlsplit(self.api_url).hostname or ""
        return self.pace if host == "api.github.com" or host.endswith(".ghe.com") else 0

    @property
    def path(self) -> str:
        """The repository in the REST API."""
        return f"/repos/{self.repository}"

    @property
    def owner(self) -> str:
        """The owner of the repository."""
        return self.repository.partition("/")[0]

    def __repr__(self) -> str:
        return f"Access({self.api_url!r}, {self.repository!r})"


class AnswerLost(ForgeUnavailable):
    """No answer, or one from which it is not clear whether the request was carried out."""


class ConnectionLost(AnswerLost):
    """No answer to a request that GitHub may have received."""


class RateLimited(ForgeUnavailable):
    """A limit of the API that is over after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            f"GitHub's rate limit is used up for {retry_after:.0f} s.",
            "Run the job again later.",
        )
        self.retry_after = retry_after


class _CurrentToken(Auth.Token):
    """The token that is sent now, also by objects that were made before it changed."""

    def __init__(self, access: Access) -> None:
        super().__init__(access.token)
        self._access = access

    @property
    def token(self) -> str:
        """The token for the next request."""
        return self._access.current_token


class GitHubApi:
    """Requests to one repository's API.

    A `permission` is what the request requires of a job's token, such as "issues: read", for the
    remedy in an error; '' if any token will do. Every method raises `Refused` for a final refusal
    and `ForgeUnavailable` when there is no answer after the retries.
    """

    def __init__(self, access: Access, sleep: Callable[[float], None]) -> None:
        self._access = access
        self._sleep = sleep
        self._logins: dict[str, str] = {}
        self.rules: dict[str, list[dict[str, Any]]] = {}
        """The rules that were read, by branch."""
        self._token_worked = False
        self._is_down = False
        self._spacing = Spacing(access.between_writes, sleep, time.monotonic)
        self.github = Github(
            base_url=access.api_url.rstrip("/"),
            auth=_CurrentToken(access),
            retry=None,
            timeout=30,
            per_page=100,
            seconds_between_requests=0,
            seconds_between_writes=0,
            lazy=True,
        )

    @property
    def repository(self) -> Repository:
        """PyGithub's repository; what its methods raise is translated by `ask` and `create`."""
        return self.github.get_repo(self._access.repository)

    def login(self) -> str:
        """The login of the token; `GET /user` is forbidden to a job's token, GraphQL is not."""
        token = self._access.current_token
        if token not in self._logins:
            login = str(self.graphql(queries.VIEWER, {})["viewer"]["login"])
            self._logins[self._access.current_token] = login
        return self._logins[self._access.current_token]

    def logins(self) -> set[str]:
        """Every login that this process has posted as."""
        return {self.login(), *self._logins.values()}

    def read(self, permission: str, path: str, **parameters: str | int) -> Any:
        """The JSON of one GET below the repository; `path` begins with a slash."""
        requester = self.github.requester
        whole = f"{self._access.path}{path}"
        return self.ask(
            permission, lambda: requester.requestJsonAndCheck("GET", whole, parameters)[1]
        )

    def link(self, permission: str, path: str) -> str:
        """Where one GET below the repository redirects to, '' if it does not."""
        requester = self.github.requester
        whole = f"{self._access.path}{path}"
        headers = self.ask(permission, lambda: requester.requestBlobAndCheck("GET", whole)[0])
        return str(headers.get("location", ""))

    def query_repository(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a GraphQL query on the repository; what does not exist is null.

        A query that asks for the viewer too saves the request for the login.
        """
        owner, _, name = self._access.repository.partition("/")
        found = self.graphql(query, {"owner": owner, "name": name, **variables})
        if found.get("viewer"):
            self._logins[self._access.current_token] = str(found["viewer"]["login"])
        return dict(found["repository"])

    def graphql(
        self, query: str, variables: Mapping[str, Any], permission: str = ""
    ) -> dict[str, Any]:
        """The data of a GraphQL query, or of a mutation that sets values; it may be repeated."""
        return self.create(permission, lambda: self.answer(query, variables), lambda: None)

    def answer(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The data of one GraphQL request; what it raises is translated by `ask` and `create`."""
        requester = self.github.requester
        body = {"query": query, "variables": dict(variables)}
        headers, answer = requester.requestJsonAndCheck("POST", requester.graphql_url, input=body)
        data = answer.get("data") if isinstance(answer, dict) else None
        if isinstance(answer, dict) and answer.get("errors"):
            if not refusals.is_absence(answer):
                raise GithubException(200, answer, headers)
        elif not isinstance(data, dict):
            raise AnswerLost("GitHub's answer is no GraphQL.", "Check GITHUB_API_URL.")
        return dict(data or {})

    def mutate(
        self, query: str, variables: Mapping[str, Any], permission: str, optional: Collection[str]
    ) -> str | None:
        """A mutation that sets values, whose aliases `optional` may be refused; why they were.

        What does not exist any more is no refusal.
        """
        requester = self.github.requester

        def call() -> str | None:
            body = {"query": query, "variables": dict(variables)}
            headers, answer = requester.requestJsonAndCheck(
                "POST", requester.graphql_url, input=body
            )
            required, refused = refusals.split_errors(answer, optional)
            if required:
                raise GithubException(200, {"errors": required}, headers)
            return refusals.error_message({"errors": refused}) if refused else None

        return self.create(permission, call, lambda: None)

    def send(self, permission: str, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to one request that sets a value, repeated when it is lost."""
        requester, whole = self.github.requester, f"{self._access.path}{path}"

        def call() -> Any:
            return requester.requestJsonAndCheck(method, whole, input=dict(body))[1]

        return self.create(permission, call, lambda: None)

    def set(
        self,
        permission: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        unless: int = 0,
    ) -> bool:
        """One request below the repository that sets a value, repeated when its answer is lost.

        False when the answer is the status `unless`, which means that there is nothing to set.
        """
        requester, whole = self.github.requester, f"{self._access.path}{path}"

        def call() -> bool:
            requester.requestJsonAndCheck(method, whole, input=body and dict(body))
            return True

        try:
            return self.create(permission, call, lambda: None)
        except Refused as error:
            if error.status == unless:
                return False
            raise

    def create(self, permission: str, create: Callable[[], T], find: Callable[[], T | None]) -> T:
        """Create once: when the answer was lost, look up the result before trying again."""
        lost = False

        def request() -> T:
            nonlocal lost
            found = find() if lost else None
            if found is not None:
                return found
            lost = False
            self._spacing.wait()
            try:
                return self._call(permission, create)
            except AnswerLost:
                lost = True
                raise

        return self._repeated(request, _may_pass)

    def ask(self, permission: str, call: Callable[[], T]) -> T:
        """Make one call of PyGithub, with its errors translated; it may be repeated as it is."""
        return self._repeated(lambda: self._call(permission, call), _may_pass)

    def start(self, permission: str, call: Callable[[], T]) -> T:
        """Start a job; a second one does no harm but costs, so not after a lost answer."""

        def request() -> T:
            self._spacing.wait()
            return self._call(permission, call)

        return self._repeated(request, _may_pass_unreceived)

    def _repeated(self, request: Callable[[], T], may_pass: Callable[[BaseException], bool]) -> T:
        """Make one request with its retries; while the API is known to be down, with none.

        A job has many things to post, and would spend its last minutes on pauses.
        """
        try:
            if self._is_down:
                result = request()
            else:
                result = retry(
                    request,
                    self._sleep,
                    if_error=may_pass,
                    pace=self._access.pace,
                    within=self._access.deadline.time_for_retries(),
                )
        except LoopError as error:
            self._is_down = may_pass(error)
            raise
        self._is_down = False
        return result

    def _call(self, permission: str, call: Callable[[], T]) -> T:
        try:
            answer = call()
        except GithubException as error:
            if _is_rate_limit(error):
                wait = refusals.wait_for(_headers(error), time.time())
                raise RateLimited(wait) from None
            if error.status == 401 and self._token_worked:
                self._access.spare.take()
                raise AnswerLost(
                    "GitHub does not know the token any more (401).",
                    "It may have expired: run the job again.",
                ) from None
            raise _translate(error, permission) from None
        except requests.RequestException as error:
            lost = ConnectionLost if _may_be_received(error) else AnswerLost
            raise lost(
                f"GitHub cannot be reached: {type(error).__name__}.",
                "Check the network and GITHUB_API_URL, then run the job again.",
            ) from None
        self._token_worked = True
        return answer


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, AnswerLost) or _is_short(error)


def _may_pass_unreceived(error: BaseException) -> bool:
    return _may_pass(error) and not isinstance(error, ConnectionLost)


def _may_be_received(error: requests.RequestException) -> bool:
    """Whether the request may have been sent: not where no connection was made."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    unconnected = (requests.exceptions.SSLError, requests.exceptions.ConnectTimeout)
    return not isinstance(error, unconnected) and not isinstance(reason, NewConnectionError)


def _is_short(error: BaseException) -> bool:
    """Whether this is a rate limit that is short enough to wait for."""
    return isinstance(error, RateLimited) and error.retry_after <= _MAX_WAIT


def _headers(error: GithubException) -> Mapping[str, str]:
    return {key.lower(): value for key, value in (error.headers or {}).items()}


def _is_rate_limit(error: GithubException) -> bool:
    """Whether it is a rate limit; PyGithub recognizes only some of them, and never a 429."""
    limited = refusals.is_rate_limit(error.status, _headers(error), error.data)
    return limited or isinstance(error, RateLimitExceededException)


def _translate(error: GithubException, permission: str) -> LoopError:
    message = refusals.error_message(error.data, error.message or "")
    if not refusals.is_final(error.status, error.data):
        return AnswerLost(f"GitHub answered {error.status}: {message}", "Run the job again later.")
    needed = refusals.missing_permissions(error.data) or [permission]
    return refusals.refusal(error.status, message, needed)


def review_comment(comment: InlineComment) -> ReviewComment:
    """A comment of a review as the API takes it."""
    return {
        "path": comment.path,
        "line": comment.line,
        "side": comment.side,
        "body": cut(comment.body, MAX_BODY),
    }
