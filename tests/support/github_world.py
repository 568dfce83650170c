"""A small GitHub without its network: who there is, what they may do, and what they did."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, urlsplit

from tests.support.github_graphql import answer_query
from tests.support.github_requests import Call, Caller, Refusal, Reply, Route, parse_payload
from tests.support.github_routes import all_routes
from tests.support.github_shapes import Shapes
from tests.support.github_state import (
    Artifact,
    CheckRun,
    Comment,
    Dispatch,
    HostedRepository,
    Issue,
    Pull,
    Role,
    Run,
    Status,
)

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
        self,
        repository: str,
        title: str,
        body: str | None,
        author: str,
        labels: Iterable[str] = (),
        comments: Iterable[tuple[str, str]] = (),
    ) -> Issue:
        """Open an issue; its comments are pairs of a login and what was said."""
        with self._guard:
            hosted = self.repository(repository)
            issue = hosted.open_issue(author, title, body, tuple(labels))
            for login, said in comments:
                hosted.comment(issue, login, said)
            return issue

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

    def open_fork_pull(
        self, repository: str, title: str, head: str, base: str, author: str, fork: str
    ) -> Pull:
        """Open a pull request from "owner/name"; its commit is the branch `head` of ours.

        With '' as `fork` it comes from a fork that is gone.
        """
        with self._guard:
            hosted = self.repository(repository)
            issue = hosted.open_issue(author, title, "")
            return hosted.open_pull(issue, head, base, draft=False, fork=fork)

    def merge_pull(
        self, repository: str, number: int, by: str, at: dt.datetime | None = None
    ) -> str:
        """Press the merge button, now or at a moment in the past; return the merge commit."""
        with self._guard:
            hosted = self.repository(repository)
            pull = hosted.pulls[number]
            merged = hosted.merge(pull, by)
            if at is not None:
                pull.merged_at = pull.issue.closed_at = at
            return merged

    def add_label(self, repository: str, number: int, *names: str) -> None:
        """Label an issue or a pull request, as someone would in the browser."""
        with self._guard:
            hosted = self.repository(repository)
            hosted.add_labels(hosted.issues[number], names)

    def remove_label(self, repository: str, number: int, name: str) -> bool:
        """Take a label off and tell whether it was there."""
        with self._guard:
            hosted = self.repository(repository)
            return hosted.remove_label(hosted.issues[number], name)

    def close(
        self, repository: str, number: int, by: str = "mona", at: dt.datetime | None = None
    ) -> None:
        """Close an issue or a pull request without merging it, now or at a moment in the past."""
        with self._guard:
            issue = self.repository(repository).issues[number]
            issue.set_state("closed", by)
            issue.closed_at = at or issue.closed_at

    def reopen(self, repository: str, number: int, by: str = "mona") -> None:
        """Open what was closed again."""
        with self._guard:
            self.repository(repository).issues[number].set_state("open", by)

    def set_run(
        self,
        repository: str,
        run_id: int,
        status: str,
        conclusion: str | None = None,
        run_attempt: int = 1,
        ended_at: str = "",
    ) -> Run:
        """Create or change a run of a workflow; `ended_at` is UTC, now if empty."""
        with self._guard:
            hosted = self.repository(repository)
            if run_id not in hosted.runs:
                branch = hosted.default_branch
                sha = hosted.git.head(branch) or ""
                hosted.runs[run_id] = Run(run_id, "loop.yml", branch, sha, hosted.owner)
            run = hosted.runs[run_id]
            run.status, run.conclusion, run.run_attempt = status, conclusion, run_attempt
            run.updated_at = (
                dt.datetime.fromisoformat(ended_at) if ended_at else dt.datetime.now(dt.UTC)
            )
            return run

    def add_check(
        self,
        repository: str,
        sha: str,
        name: str,
        conclusion: str | None = "success",
        workflow: str = "ci.yml",
        steps: tuple[tuple[str, str | None], ...] = (),
        log: str = "",
        summary: str | None = None,
        event: str = "pull_request",
    ) -> CheckRun:
        """Let a job of a workflow check a commit, or with '' as `workflow` another app.

        Without a conclusion it runs.
        """
        with self._guard:
            hosted = self.repository(repository)
            status = "completed" if conclusion else "in_progress"
            run = None
            if workflow:
                run = hosted.start_run(workflow, "work", sha, hosted.owner)
                run.status, run.conclusion, run.event = status, conclusion, event
            check = CheckRun(next(hosted.ids), sha, name, status, conclusion, run, steps)
            check.log, check.summary = log, summary
            hosted.check_runs.append(check)
            return check

    def set_status(self, repository: str, sha: str, context: str, state: str) -> None:
        """Let a system outside of GitHub set a commit status."""
        with self._guard:
            hosted = self.repository(repository)
            number, creator = next(hosted.ids), hosted.owner
            hosted.statuses.append(Status(number, sha, context, state, None, None, creator))

    def end_check(self, check: CheckRun, conclusion: str) -> None:
        """Let a check end."""
        with self._guard:
            check.status, check.conclusion = "completed", conclusion
            if check.run is not None:
                check.run.status, check.run.conclusion = "completed", conclusion

    def stored_log(self, path: str) -> bytes | None:
        """The log of a job, where GitHub stores it; None for any other path."""
        found = re.fullmatch(r"/stored-logs/([^/]+/[^/]+)/(\d+)", path)
        if found is None:
            return None
        with self._guard:
            checks = self.repository(found[1]).check_runs
            return next((c.log.encode() for c in checks if c.id == int(found[2])), None)

    def stored_artifact(self, path: str) -> bytes | None:
        """An artifact, where GitHub stores it; None for any other path."""
        found = re.fullmatch(r"/stored-artifacts/([^/]+/[^/]+)/(\d+)", path)
        if found is None:
            return None
        with self._guard:
            kept = self.repository(found[1]).artifacts
            return next((one.content for one in kept if one.id == int(found[2])), None)

    def add_artifact(
        self, repository: str, run_id: int, name: str, content: bytes = b""
    ) -> Artifact:
        """Let a run have uploaded an artifact."""
        with self._guard:
            hosted = self.repository(repository)
            hosted.artifacts.append(Artifact(next(hosted.ids), name, run_id, content))
            return hosted.artifacts[-1]

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
                hosted = None
                if "repo" in parameters:
                    hosted = self._visible(parameters["owner"], parameters["repo"], caller)
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

    def _visible(self, owner: str, name: str, caller: Caller) -> HostedRepository:
        try:
            hosted = self.repository(f"{owner}/{name}")
        except KeyError as error:
            raise Refusal(404, "Not Found") from error
        hidden = not caller.is_installation and caller.identity.permission == "none"
        if hosted.private and hidden:
            raise Refusal(404, "Not Found")
        return hosted

    def _answer_query(self, call: Call) -> Reply:
        def find(owner: str, name: str) -> HostedRepository:
            return self._visible(owner, name, call.caller)

        return answer_query(call, self._repositories.values(), find)

    def _follow_push(self, push: Push) -> None:
        """Let pull requests follow their branches, so that refs/pull is up to date for fetches."""
        with self._guard:
            if push.repository not in self._repositories:
                return
            hosted = self._repositories[push.repository]
            for pull in hosted.pulls.values():
                if f"refs/heads/{pull.head}" in push.refs:
                    hosted.follow(pull)
