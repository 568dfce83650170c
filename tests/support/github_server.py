"""The GitHub stand-in's network: real HTTP on the loopback interface, a log, and faults."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import urlsplit

from tests.support.github_faults import Fault, FaultPlan, Quota
from tests.support.github_requests import DOCUMENTATION, Body, Caller, Refusal, Reply
from tests.support.github_world import GitHubWorld
from tests.support.loopback import LoopbackHandler, LoopbackServer

if TYPE_CHECKING:
    from tests.support.git_server import GitServer


@dataclass(frozen=True)
class ApiRequest:
    """One request and how it was answered; a `dropped` one got no answer.

    The status of a request that was dropped before it was carried out is 0.
    """

    method: str
    path: str
    status: int
    login: str | None = None
    dropped: bool = False


@dataclass(frozen=True)
class ApiAnswer:
    """What an operation answered, kept for comparison with GitHub's own description."""

    method: str
    path: str
    status: int
    body: Body


class GitHubServer(GitHubWorld):
    """GitHub's API for the repositories of a git stand-in.

    On a server of GitHub Enterprise it lies below /api/v3 and /api/graphql; the logs and faults
    know its paths without that.
    """

    def __init__(self, git: GitServer, *, enterprise: bool = False) -> None:
        super().__init__(git)
        self.enterprise = enterprise
        self.requests: list[ApiRequest] = []
        self.answers: list[ApiAnswer] = []
        self._quotas: dict[str, Quota] = {}
        self._faults = FaultPlan()
        self._log_guard = threading.Lock()
        self._listener = _ApiListener(self)

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._listener.stop()
        if kind is None and self._listener.failures:
            raise self._listener.failures[0]

    @property
    def url(self) -> str:
        return self._listener.url + ("/api/v3" if self.enterprise else "")

    def inner(self, target: str) -> str:
        """Return a request's target as github.com would have it; '' is none of the API's."""
        if not self.enterprise:
            return target
        if urlsplit(target).path == "/api/graphql":
            return target.removeprefix("/api")
        return target.removeprefix("/api/v3") if target.startswith("/api/v3/") else ""

    def count(self, method: str = "", path_regex: str = "") -> int:
        """Return how many requests fit; without arguments, how many there were."""
        return sum(
            method in {"", request.method} and bool(re.search(path_regex, request.path))
            for request in self.requests
        )

    def set_rate_limit(self, token: str, limit: int) -> None:
        """Give a token so many requests, starting now."""
        self._quotas[token] = Quota(limit)

    def fail_next(
        self,
        method: str,
        path_regex: str,
        status: int = 500,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        drop_before: bool = False,
        drop_after: bool = False,
        cut: bool = False,
    ) -> None:
        """Fail the next requests that fit.

        They are answered with `status` and not carried out. With `drop_before` the connection
        is closed instead; with `drop_after` it is closed once the change has been made, with `cut`
        in the middle of the answer.
        """
        pattern = re.compile(path_regex)
        fault = Fault(method, pattern, status, times, headers or {}, drop_before, drop_after, cut)
        with self._log_guard:
            self._faults.add(fault)

    def forecast(self, weather: Callable[[str, str], Fault | None] | None) -> None:
        """Ask `weather` with method and path whether a request fails, and how."""
        with self._log_guard:
            self._faults.forecast = weather

    def clear_failures(self) -> None:
        """Let everything succeed from now on."""
        with self._log_guard:
            self._faults = FaultPlan()

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self._log_guard:
            return self._faults.take(method, path)

    def answer(self, method: str, target: str, authorization: str, data: bytes) -> Exchange:
        """Carry out one request, whatever comes of it."""
        login, headers = None, {}
        try:
            token, caller = self.caller(authorization)
            login, headers = caller.login, self._spend(token, caller)
            reply = self.perform(self.url, method, target, caller, data)
        except Refusal as refusal:
            reply = Reply(refusal.status, refusal.body, refusal.headers)
        with self._log_guard:
            path = urlsplit(target).path
            self.answers.append(ApiAnswer(method, path, reply.status, reply.body))
        return Exchange(login, Reply(reply.status, reply.body, {**headers, **reply.headers}))

    def record(self, request: ApiRequest) -> None:
        with self._log_guard:
            self.requests.append(request)

    def _spend(self, token: str, caller: Caller) -> dict[str, str]:
        """Count a request against its token's rate."""
        with self._log_guard:
            default = Quota(1000 if caller.is_installation else 5000)
            quota = self._quotas.setdefault(token, default)
            if quota.spend():
                return quota.headers()
        holder = "installation" if caller.is_installation else "user"
        message = f"API rate limit exceeded for {holder} ID 1."
        raise Refusal(403, message, headers=quota.headers())


@dataclass(frozen=True)
class Exchange:
    """Who asked, and what they are told."""

    login: str | None
    reply: Reply


class _ApiListener(LoopbackServer):
    def __init__(self, service: GitHubServer) -> None:
        self.service = service
        super().__init__(_ApiHandler)


class _ApiHandler(LoopbackHandler):
    @property
    def service(self) -> GitHubServer:
        return cast("_ApiListener", self.server).service

    def do_GET(self) -> None:  # noqa: N802  (the base's names)
        self._serve()

    def do_POST(self) -> None:  # noqa: N802
        self._serve()

    def do_PATCH(self) -> None:  # noqa: N802
        self._serve()

    def do_PUT(self) -> None:  # noqa: N802
        self._serve()

    def do_DELETE(self) -> None:  # noqa: N802
        self._serve()

    def _serve(self) -> None:
        with self.spool_body() as body:
            data = body.read()
        target = self.service.inner(self.path)
        if not target:
            self._send(Reply(404, {"message": "Not Found"}))
            return
        path = urlsplit(target).path
        stored = self.service.stored_log(path), self.service.stored_artifact(path)
        for body in filter(lambda body: body is not None, stored):
            whose = self.headers.get("Authorization")
            self.send_whole(400 if whose else 200, {"Content-Type": "text/plain"}, body)
            return
        fault = self.service.take_fault(self.command, path)
        if fault is not None and not (fault.drop_after or fault.cut):
            self._fail(fault, path)
            return
        authorization = self.headers.get("Authorization", "")
        exchange = self.service.answer(self.command, target, authorization, data)
        status, dropped = exchange.reply.status, fault is not None
        cut = fault is not None and fault.cut
        self.service.record(ApiRequest(self.command, path, status, exchange.login, dropped))
        if dropped and not cut:
            self.drop_connection()
        else:
            self._send(exchange.reply, cut=cut)

    def _fail(self, fault: Fault, path: str) -> None:
        status = 0 if fault.drop_before else fault.status
        request = ApiRequest(self.command, path, status, dropped=fault.drop_before)
        self.service.record(request)
        if fault.drop_before:
            self.drop_connection()
            return
        body = {"message": fault.message, "documentation_url": DOCUMENTATION}
        self._send(Reply(status, body, fault.headers))

    def _send(self, reply: Reply, *, cut: bool = False) -> None:
        body = b"" if reply.body is None else json.dumps(reply.body).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Request-Id": "0000:0000:0000000:0000000:00000000",
            **reply.headers,
        }
        send = self.send_cut if cut else self.send_whole
        send(reply.status, headers, body)
