"""Compare an answer of the stand-in with GitHub's own description of its REST API.

Without this a stand-in and its client can agree on something that GitHub never says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from openapi_schema_validator import OAS30Validator

FIXTURE: Final = Path(__file__).with_name("openapi_fixture.json")


class GitHubDescription:
    """The responses that GitHub documents, for the operations that the stand-in has."""

    def __init__(self, fixture: Path = FIXTURE) -> None:
        description = json.loads(fixture.read_text(encoding="utf-8"))
        self._errors = {"anyOf": description["errors"]}
        self._operations = [
            (method, template, _path_pattern(template), responses)
            for template, methods in description["paths"].items()
            for method, responses in methods.items()
        ]

    def operations(self) -> set[tuple[str, str]]:
        """Return the method and the template of every operation."""
        return {(method, template) for method, template, _, _ in self._operations}

    def operation(self, method: str, path: str) -> tuple[str, str] | None:
        """Return the method and the template that a request falls under."""
        found = self._find(method, path)
        return (method, found[0]) if found else None

    def check(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """Return what is wrong with an answer; nothing when GitHub could have given it."""
        found = self._find(method, path)
        if found is None:
            return [f"{method} {path}: GitHub describes no such operation"]
        template, responses = found
        schema = responses.get(str(status), self._errors if status >= 400 else "undocumented")
        where = f"{method} {template} {status}"
        if schema == "undocumented":
            return [f"{where}: the status is not among {sorted(responses)}"]
        if schema is None:
            return [] if body is None else [f"{where}: a body where GitHub sends none"]
        errors = [
            f"{where}: {_place(error.absolute_path)}: {error.message[:200]}"
            for error in OAS30Validator(schema).iter_errors(body)
        ]
        if status < 400:
            errors += [
                f"{where}: {place}: GitHub has no such field" for place in _unknown(schema, body)
            ]
        return errors

    def _find(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        """Prefer the most literal template: a parameter may match by accident."""
        found = [
            (template, responses)
            for name, template, pattern, responses in self._operations
            if name == method and pattern.fullmatch(path)
        ]
        return min(found, key=lambda item: (item[0].count("{"), -len(item[0])), default=None)


def _path_pattern(template: str) -> re.Pattern[str]:
    """Let a `{ref}` hold slashes, as the name of a branch does."""
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", template.replace("{ref}", ".+?")))


def _unknown(schema: Any, body: Any, place: str = "answer") -> Iterator[str]:
    """Find fields that GitHub does not have: a client that reads one would fail on GitHub."""
    if isinstance(body, list):
        for number, item in enumerate(body):
            yield from _unknown(schema.get("items", {}), item, f"{place}[{number}]")
    properties = schema.get("properties")
    if not isinstance(body, dict) or properties is None:
        return
    for name, value in body.items():
        if name in properties:
            yield from _unknown(properties[name], value, f"{place}.{name}")
        elif not schema.get("additionalProperties"):
            yield f"{place}.{name}"


def _place(path: Any) -> str:
    return ".".join(["answer", *map(str, path)])
