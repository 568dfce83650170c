"""A small GitHub without its network: who there is, what they may do, and what they did."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, urlsplit

from tests.support.github_graphql import answer_query
from tests.support.github_requests import Call, Caller, Refusal, Reply, Route, parse_payload
from tests.support.github_routes import all_routes
from tests.support.github_shapes import Shapes
from tests.support.github_state import Comment, Dispatch, HostedRepository, Issue, Pull, Role, Run

if TYPE_CHECKING:
    from tests.support.git_server import GitServer, Permission, Push


class GitHubWorld:
    """What tests arrange and look at. Branches and commits are the git stand-in's own."""

    def __init__(self, git: GitServer) -> None:
        self.git = git
        self.dispatches: list[Dispatch] = []
        self._repositories: dict[str, HostedRepository] = {}
        self._permissions: dict[str, Mapping[str, str]] = {}
        self._users: set[str] = set()
        self._ids = itertools.count(1001)
        self._guard = threading.RLock()
        self._routes = [*all_routes(), Route("POST", "/graphql", self._answer_query)]
        git.after_push.append(self._follow_push)

    def repository(self, name: str) -> HostedRepository:
        """Return the state of "owner/name", which the git stand-in must host."""
        with self._guard:
            if name not in self._repositories:
                if not self.git.has_repository(name):
                    raise KeyError(name)
                git, number = self.git.repository(name), next(self._ids)
                self._repositories[name] = HostedRepository(name, git, number, self._ids)
            return self._repositories[name]

    def add_user(self, login: str) -> None:
        """Let a user exist without any role anywhere."""
        self._users.add(login)

    def set_role(self, repository: str, login: str, role: Role) -> None:
        self._users.add(login)
        self.repository(repository).roles[login] = role

    def set_permissions(self, token: str, permissions: Mapping[str, str]) -> None:
        """Make `token` an installation's, with these permissions and no others.

        What it may do with git follows, as the two are one token.
        """
        identity = self.git.identity(token)
        if identity is None:
            raise KeyError(token)
        self._permissions[token] = dict(permissions)
        contents = cast("Permission", permissions.get("contents", "none"))
        workflows = permissions.get("workflows") == "write"
        self.git.add_token(token, identity.login, contents, workflows)

    def open_issue(
        self, repository: str, title: str, body: str | None, author: str, labels: Iterable[str] = ()
    ) -> Issue:
        with self._guard:
            return self.repository(repository).open_issue(author, title, body, tuple(labels))

    def comment(self, repository: str, number: int, author: str, body: str) -> Comment:
        with self._guard:
            hosted = self.repository(repository)
            return hosted.comment(hosted.issues[number], author, body)

    def issue(self, repository: str, number: int) -> Issue:
        """Return an issue, or the half of a pull request that is one."""
        return self.repository(repository).issues[number]

    def pull(self, repository: str, number: int) -> Pull:
        with self._guard:
            hosted = self.repository(repository)
            return hosted.follow(hosted.pulls[number])

    def open_pull(
        self, repository: str, title: str, head: str, base: str, author: str, body: str = ""
    ) -> Pull:
        """Open a pull request as someone would in the browser."""
        with self._guard:
            hosted = self.repository(repository)
            issue = hosted.open_issue(author, title, body)
            return hosted.open_pull(issue, head, base, draft=False)

    def merge_pull(self, repository: str, number: int, by: str) -> str:
        """Press the merge button and return the merge commit."""
        with self._guard:
            hosted = self.repository(repository)
            return hosted.merge(hosted.pulls[number], by)

    def set_run(
        self,
        repository: str,
        run_id: int,
        status: str,
        conclusion: str | None = None,
        run_attempt: int = 1,
    ) -> Run:
        """Create or change a run of a workflow."""
        with self._guard:
            hosted = self.repository(repository)
            if run_id not in hosted.runs:
                branch = hosted.default_branch
                sha = hosted.git.head(branch) or ""
                hosted.runs[run_id] = Run(run_id, "loop.yml", branch, sha, hosted.owner)
            run = hosted.runs[run_id]
            run.status, run.conclusion, run.run_attempt = status, conclusion, run_attempt
            return run

    def caller(self, authorization: str) -> tuple[str, Caller]:
        """Return the token of a request and whose it is."""
        scheme, _, token = authorization.partition(" ")
        if not authorization:
            raise Refusal(401, "Requires authentication")
        identity = self.git.identity(token) if scheme.lower() in {"bearer", "token"} else None
        if identity is None:
            raise Refusal(401, "Bad credentials")
        return token, Caller(identity, self._permissions.get(token))

    def perform(self, base: str, method: str, target: str, caller: Caller, data: bytes) -> Reply:
        """Carry out one request; `base` is where this GitHub is reached."""
        url = urlsplit(target)
        with self._guard:
            for route in self._routes:
                parameters = route.match(method, url.path)
                if parameters is None:
                    continue
                hosted = self._visible(parameters, caller)
                call = Call(
                    caller,
                    Shapes(base, self.git.url),
                    parameters,
                    dict(parse_qsl(url.query)),
                    parse_payload(data),
                    f"{base}{url.path}",
                    self._users | self.git.logins() | self._owners(),
                    self.dispatches,
                    hosted,
                )
                return route.operation(call)
        # Not 404, which a client may well expect and pass over.
        raise Refusal(501, f"The stand-in does not implement {method} {url.path}")

    def _owners(self) -> set[str]:
        return {hosted.owner for hosted in self._repositories.values()}

    def _visible(self, parameters: Mapping[str, str], caller: Caller) -> HostedRepository | None:
        if "repo" not in parameters:
            return None
        try:
            hosted = self.repository(f"{parameters['owner']}/{parameters['repo']}")
        except KeyError as error:
            raise Refusal(404, "Not Found") from error
        hidden = not caller.is_installation and caller.identity.permission == "none"
        if hosted.private and hidden:
            raise Refusal(404, "Not Found")
        return hosted

    def _answer_query(self, call: Call) -> Reply:
        return answer_query(call, list(self._repositories.values()))

    def _follow_push(self, push: Push) -> None:
        """Let pull requests follow their branches, so that refs/pull is up to date for fetches."""
        with self._guard:
            if push.repository not in self._repositories:
                return
            hosted = self._repositories[push.repository]
            for pull in hosted.pulls.values():
                if f"refs/heads/{pull.head}" in push.refs:
                    hosted.follow(pull)
