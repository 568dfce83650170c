"""A git host on the loopback interface: smart HTTP with tokens, GitHub's refusals, and faults."""

from __future__ import annotations

import base64
import binascii
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.git_faults import Endpoint, GitFault, GitFaults
from tests.support.git_policy import create_bare_repository, set_protected_branches
from tests.support.git_protocol import (
    PushReport,
    PushRequest,
    Question,
    RefUpdate,
    announcement,
    finish_report,
    parse_push,
    parse_question,
)
from tests.support.git_repository import BareRepository, git_environment
from tests.support.loopback import LoopbackHandler, LoopbackServer

Permission = Literal["none", "read", "write"]
CHALLENGE = {"WWW-Authenticate": 'Basic realm="GitHub"'}


@dataclass(frozen=True)
class Identity:
    """Whom a token stands for, and what it may do."""

    login: str
    permission: Permission = "write"
    workflows: bool = False


@dataclass(frozen=True)
class Push:
    """One push that asked for `updates`; `accepted` are those that happened."""

    repository: str
    login: str
    updates: tuple[RefUpdate, ...]
    accepted: tuple[RefUpdate, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(update.ref for update in self.accepted)


@dataclass(frozen=True)
class GitRequest:
    """One HTTP request: `service` is upload-pack or receive-pack, `sent` the bytes answered."""

    method: str
    repository: str
    service: str
    login: str | None
    status: int
    question: Question = field(default_factory=Question)
    sent: int = 0


@dataclass(frozen=True)
class Target:
    """What the URL of a request names."""

    repository: str
    service: str
    endpoint: str


class GitServer:
    """Hosts bare repositories below `root`.

    `before_push` is called with each push before git sees it, and not for pushes that it makes
    itself. `after_push` callbacks see the pushes that moved something, before the pusher hears.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pushes: list[Push] = []
        self.refused_pushes: list[Push] = []
        self.requests: list[GitRequest] = []
        self.before_push: Callable[[Push], None] | None = None
        self.after_push: list[Callable[[Push], None]] = []
        self._tokens: dict[str, Identity] = {}
        self._expired: set[str] = set()
        self.faults = GitFaults()
        self._guard = threading.RLock()
        self._in_before_push = False
        self._listener = _GitListener(self)

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._listener.stop()
        if kind is None and self._listener.failures:
            raise self._listener.failures[0]

    @property
    def url(self) -> str:
        return self._listener.url

    def add_token(
        self,
        token: str,
        login: str,
        permission: Permission = "write",
        workflows: bool = False,
    ) -> None:
        """Let `token` in as `login`; a second call replaces what the first said."""
        self._tokens[token] = Identity(login, permission, workflows)
        self._expired.discard(token)

    def expire_for_git(self, token: str) -> None:
        """Refuse this token from now on, for fetches and pushes alone; `add_token` renews it."""
        self._expired.add(token)

    def revoke(self, token: str) -> None:
        """Forget this token, for git and for the API."""
        self._tokens.pop(token, None)

    def identity(self, token: str) -> Identity | None:
        return self._tokens.get(token)

    def has_expired(self, token: str) -> bool:
        return token in self._expired

    def logins(self) -> set[str]:
        return {identity.login for identity in self._tokens.values()}

    def create_repository(self, name: str, default_branch: str = "main") -> Path:
        """Create the bare repository "owner/name" and return where it lies."""
        path = self._path(name)
        create_bare_repository(path, default_branch)
        return path

    def repository(self, name: str) -> BareRepository:
        return BareRepository(self._path(name))

    def has_repository(self, name: str) -> bool:
        return name.count("/") == 1 and self._path(name).is_dir()

    def protect(self, name: str, *patterns: str) -> None:
        """Refuse pushes to these branches, given as shell patterns; without any, to none."""
        set_protected_branches(self.repository(name), patterns)

    def fail_next_push(self, times: int = 1, status: int = 500) -> None:
        """Answer the next pushes with `status` and carry none of them out."""
        self.fail_next("git-receive-pack", GitFault("status", status), times)

    def fail_next(self, endpoint: Endpoint, fault: GitFault, times: int = 1) -> None:
        """Let `fault` happen to the next requests of this endpoint."""
        with self._guard:
            self.faults.add(endpoint, fault, times)

    def count(self, service: str) -> int:
        """Return how many requests were made of "upload-pack" or "receive-pack"."""
        with self._guard:
            return sum(request.service == service for request in self.requests)

    def fetches(self) -> list[GitRequest]:
        """The requests that asked for objects, in their order."""
        with self._guard:
            return [one for one in self.requests if one.question.command == "fetch"]

    def take_fault(self, endpoint: str) -> GitFault | None:
        with self._guard:
            return self.faults.take(endpoint)

    def announce(self, push: Push) -> None:
        """Call `before_push`, unless this very push comes from there."""
        with self._guard:
            hook = self.before_push
            if hook is None or self._in_before_push:
                return
            self._in_before_push = True
        try:
            hook(push)
        finally:
            self._in_before_push = False

    def record_push(self, push: Push) -> None:
        with self._guard:
            (self.pushes if push.accepted else self.refused_pushes).append(push)
        if push.accepted:
            for callback in self.after_push:
                callback(push)

    def record_request(self, request: GitRequest) -> None:
        with self._guard:
            self.requests.append(request)

    def _path(self, name: str) -> Path:
        return self.root / f"{name}.git"


class _GitListener(LoopbackServer):
    def __init__(self, host: GitServer) -> None:
        self.host = host
        super().__init__(_GitHandler)


class _GitHandler(LoopbackHandler):
    sent = 0

    @property
    def host(self) -> GitServer:
        return cast("_GitListener", self.server).host

    def do_GET(self) -> None:  # noqa: N802  (the base's name)
        self._serve()

    def do_POST(self) -> None:  # noqa: N802
        self._serve()

    def _serve(self) -> None:
        target = parse_target(self.path)
        identity = self._identity()
        self.sent = 0
        question = Question()
        with self.spool_body() as body:
            if target.endpoint == "git-upload-pack":
                question = parse_question(body)
            status = self._answer(target, identity, body)
        login = identity.login if identity else None
        self.host.record_request(
            GitRequest(
                *(self.command, target.repository, target.service, login, status),
                question=question,
                sent=self.sent,
            )
        )

    def _identity(self) -> Identity | None:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if self.host.has_expired(password):
            return None
        return self.host.identity(password) or self.host.identity(user)

    def _answer(self, target: Target, identity: Identity | None, body: IO[bytes]) -> int:
        if identity is None:
            return self._say(401, "Invalid username or token.", CHALLENGE)
        if identity.permission == "none" or not self.host.has_repository(target.repository):
            return self._say(404, "Repository not found.")
        if target.service not in {"upload-pack", "receive-pack"}:
            return self._say(403, "Please upgrade your git client.")
        if target.service == "receive-pack" and identity.permission != "write":
            words = f"Permission to {target.repository}.git denied to {identity.login}."
            return self._say(403, words)
        if target.endpoint == "git-receive-pack":
            return self._receive_pack(target, identity, body)
        fault = self.host.take_fault(target.endpoint)
        if fault is not None and fault.kind != "cut":
            return self._fail(fault)
        return self._pass_through(target, identity, body, cut=fault is not None)

    def _fail(self, fault: GitFault) -> int:
        if fault.kind == "status":
            challenge = CHALLENGE if fault.status == 401 else None
            return self._say(fault.status, "The server has a fault.", challenge)
        self.drop_connection()
        return 0

    def _say(self, status: int, text: str, headers: dict[str, str] | None = None) -> int:
        kind = {"Content-Type": "text/plain; charset=UTF-8"}
        self.send_whole(status, {**kind, **(headers or {})}, f"{text}\n".encode())
        return status

    def _receive_pack(self, target: Target, identity: Identity, body: IO[bytes]) -> int:
        request = parse_push(body)
        if not request.updates:
            return self._pass_through(target, identity, body)
        fault = self.host.take_fault(target.endpoint)
        if fault is not None and fault.kind in {"status", "reset"}:
            return self._fail(fault)
        asked = Push(target.repository, identity.login, request.updates)
        self.host.announce(asked)
        reason = fault.reason if fault else ""
        report = self._run_push(target, identity, body, request, reason)
        moved = tuple(update for update in request.updates if update.ref in report.accepted)
        refused = tuple(report.refused.items())
        self.host.record_push(
            Push(asked.repository, asked.login, asked.updates, moved, refused),
        )
        if fault is not None and fault.kind == "lost":
            return self._fail(fault)
        kind = {"Content-Type": "application/x-git-receive-pack-result"}
        if fault is not None and fault.kind == "cut":
            self.send_cut(200, kind, report.answer)
        else:
            self.send_whole(200, kind, report.answer)
        return 200

    def _run_push(
        self,
        target: Target,
        identity: Identity,
        body: IO[bytes],
        request: PushRequest,
        reason: str = "",
    ) -> PushReport:
        with tempfile.NamedTemporaryFile("r", suffix=".refusals") as refusals:
            rules = {"PUSH_REFUSALS": refusals.name, "PUSH_FAULT": reason}
            with self._service(target, identity, body, **rules) as output:
                answer = output.read()
            lines = refusals.read().splitlines()
        reasons = dict(line.split("\t", 1) for line in lines)
        return finish_report(answer, request, reasons)

    def _pass_through(
        self, target: Target, identity: Identity, body: IO[bytes], *, cut: bool = False
    ) -> int:
        kind = {"Content-Type": f"application/x-git-{target.service}-{self._form}"}
        with self._service(target, identity, body) as output:
            head = announcement(target.service) if self._lists_refs and not self._speaks_v2 else b""
            if cut:
                self.send_cut(200, kind, head + output.read())
                return 200
            self.send_response(200)
            for name, value in (*kind.items(), ("Transfer-Encoding", "chunked")):
                self.send_header(name, value)
            self.end_headers()
            while piece := head or output.read(65536):
                head = b""
                self.sent += len(piece)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        return 200

    @property
    def _lists_refs(self) -> bool:
        return self.command == "GET"

    @property
    def _form(self) -> str:
        return "advertisement" if self._lists_refs else "result"

    @property
    def _speaks_v2(self) -> bool:
        return "version=2" in self.headers.get("Git-Protocol", "").split(":")

    @contextmanager
    def _service(
        self, target: Target, identity: Identity, body: IO[bytes], **extra: str
    ) -> Iterator[IO[bytes]]:
        """Run git's own service on this request, without the two programs around it."""
        os.lseek(body.fileno(), 0, os.SEEK_SET)
        environment = git_environment(
            GIT_COMMITTER_NAME=identity.login,
            GIT_COMMITTER_EMAIL=f"{identity.login}@http.127.0.0.1",
            GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
            PUSHER_MAY_CHANGE_WORKFLOWS="1" if identity.workflows else "0",
            **extra,
        )
        command = ["git", target.service, "--stateless-rpc"]
        command += ["--advertise-refs"] if self._lists_refs else []
        command.append(str(self.host.root / f"{target.repository}.git"))
        with subprocess.Popen(
            command, stdin=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as service:
            assert service.stdout is not None
            yield service.stdout


def parse_target(path: str) -> Target:
    """Read /owner/name[.git]/endpoint, with or without the suffix, as GitHub does."""
    url = urlsplit(path)
    owner, _, rest = unquote(url.path).lstrip("/").partition("/")
    name, _, endpoint = rest.partition("/")
    asked = parse_qs(url.query).get("service", [endpoint])[0]
    return Target(f"{owner}/{name.removesuffix('.git')}", asked.removeprefix("git-"), endpoint)
