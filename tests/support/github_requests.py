"""How the stand-in reads a request, decides whether it is allowed, and words a refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlencode

from tests.support.github_conversation_shapes import ConversationShapes
from tests.support.github_shapes import Json, Shapes

if TYPE_CHECKING:
    from tests.support.git_server import Identity
    from tests.support.github_state import Dispatch, HostedRepository, Issue, Pull

Level = Literal["read", "write"]
Body = Json | list[Any] | None

DOCUMENTATION = "https://docs.github.com/rest"
LONGEST_BODY = 65536
LONGEST_TITLE = 256


class Refusal(Exception):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: list[Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    @property
    def body(self) -> Json:
        errors = {} if self.errors is None else {"errors": self.errors}
        return {
            "message": self.message,
            **errors,
            "documentation_url": DOCUMENTATION,
            "status": str(self.status),
        }


@dataclass(frozen=True)
class Reply:
    """A success."""

    status: int
    body: Body = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Caller:
    """Whose token a request carries; `permissions` is None unless it is an installation's."""

    identity: Identity
    permissions: Mapping[str, str] | None

    @property
    def login(self) -> str:
        return self.identity.login

    @property
    def is_installation(self) -> bool:
        return self.permissions is not None

    @property
    def may_push(self) -> bool:
        return self.level("contents") == "write"

    def level(self, scope: str) -> str:
        if self.permissions is None:
            return self.identity.permission
        return self.permissions.get(scope, "none")


@dataclass(frozen=True)
class Call:
    """One request with everything that an operation needs."""

    caller: Caller
    shapes: Shapes
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    payload: Any
    url: str
    users: AbstractSet[str]
    dispatches: list[Dispatch]
    hosted: HostedRepository | None

    @property
    def repository(self) -> HostedRepository:
        if self.hosted is None:
            raise Refusal(404, "Not Found")
        return self.hosted

    @property
    def conversation(self) -> ConversationShapes:
        return ConversationShapes(self.shapes, self.repository)

    @property
    def fields(self) -> Json:
        """The body as an object; GitHub refuses anything else."""
        if not isinstance(self.payload, dict):
            raise Refusal(400, "Body should be a JSON object")
        return self.payload

    def require(self, level: Level, *scopes: str) -> None:
        """Refuse callers who have `level` in none of `scopes`; a public repository can be read."""
        allowed = {"write"} if level == "write" else {"read", "write"}
        if any(self.caller.level(scope) in allowed for scope in scopes):
            return
        if level == "read" and not self.repository.private:
            return
        kind = "integration" if self.caller.is_installation else "personal access token"
        raise Refusal(403, f"Resource not accessible by {kind}")

    def of(self, repository: HostedRepository) -> Call:
        """Return the same request as one to a repository that its path does not name."""
        return replace(self, hosted=repository)

    def issue(self) -> Issue:
        issue = self.repository.issues.get(int(self.parameters["number"]))
        if issue is None:
            raise Refusal(404, "Not Found")
        return issue

    def pull(self) -> Pull:
        pull = self.repository.pulls.get(int(self.parameters["number"]))
        if pull is None:
            raise Refusal(404, "Not Found")
        return self.repository.follow(pull)

    def page(self, items: Iterable[Any], shape: Callable[[Any], Any]) -> Reply:
        """Show one page of `items`, with a Link header to the others."""
        every = list(items)
        size = min(self._positive("per_page", 30), 100)
        number = self._positive("page", 1)
        last = max(1, -(-len(every) // size))
        near = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        wanted = {name: at for name, at in near.items() if 1 <= at <= last}
        if number >= last:
            wanted.pop("last", None)
        if number == 1:
            wanted.pop("first", None)
        links = [f'<{self._page_url(at)}>; rel="{name}"' for name, at in wanted.items()]
        shown = [shape(item) for item in every[(number - 1) * size : number * size]]
        return Reply(200, shown, {"Link": ", ".join(links)} if links else {})

    def _positive(self, name: str, default: int) -> int:
        text = self.query.get(name, "")
        return max(1, int(text)) if text.isdigit() else default

    def _page_url(self, number: int) -> str:
        return f"{self.url}?{urlencode({**self.query, 'page': number})}"


Operation = Callable[[Call], Reply]


@dataclass(frozen=True)
class Route:
    """An operation and the path at which it lives; `{ref}` may hold slashes."""

    method: str
    template: str
    operation: Operation

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        if method != self.method:
            return None
        pattern = re.sub(r"\{(\w+)\}", _parameter_pattern, self.template)
        found = re.fullmatch(pattern, path)
        if found is None:
            return None
        return {name: unquote(value) for name, value in found.groupdict().items()}


def _parameter_pattern(name: re.Match[str]) -> str:
    kinds = {"ref": ".+?", "number": r"\d+", "id": r"\d+"}
    return f"(?P<{name[1]}>{kinds.get(name[1], '[^/]+')})"


def parse_payload(data: bytes) -> Any:
    if not data:
        return {}
    try:
        return json.loads(data)
    except ValueError as error:
        raise Refusal(400, "Problems parsing JSON") from error


def invalid(resource: str, field_name: str, code: str, message: str | None = None) -> Refusal:
    """Word a refusal of one field."""
    error = {"resource": resource, "field": field_name, "code": code}
    if message is not None:
        error["message"] = message
    return Refusal(422, "Validation Failed", [error])


def custom(resource: str, message: str) -> Refusal:
    """Word a refusal that is about no field."""
    error = {"resource": resource, "code": "custom", "message": message}
    return Refusal(422, "Validation Failed", [error])


def text_field(fields: Json, name: str, resource: str, longest: int) -> str:
    """Return a text that may be neither missing nor blank nor too long."""
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise invalid(resource, name, "missing_field")
    return within(value, name, resource, longest)


def optional_body(body: Any) -> str | None:
    return None if body is None else within(str(body), "body", "Issue", LONGEST_BODY)


def within(value: str, name: str, resource: str, longest: int) -> str:
    if len(value) > longest:
        message = f"{name} is too long (maximum is {longest} characters)"
        raise invalid(resource, name, "custom", message)
    return value
