"""The files of a loop as JSON Schema, for editors and for programs that read or write them.

Each is made from the class or the reader that the loop itself uses, so that they agree. What the
reader of a report takes in other forms (`approved`, numbers as text) is not in its schema: that
is the form to write.
"""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from loop_kit.core.agent.report_schemas import report_schema
from loop_kit.core.agent.role import Role
from loop_kit.core.card.schema import DIALECT, card_schema
from loop_kit.core.loop.state import LoopState
from loop_kit.core.record import suggestion
from loop_kit.errors import BadSetting
from loop_kit.settings.fields import Settings
from loop_kit.settings.sources import CONFIGURABLE

PLACE = "https://raw.githubusercontent.com/loop-kit/action/v0/docs/schemas/{}.json"
"""Where each schema is served from."""


class Kind(StrEnum):
    """A file that has a schema."""

    CARD = "card"
    WORK_REPORT = "work-report"
    REVIEW_REPORT = "review-report"
    STATE = "state"
    CONFIG = "config"


def parse_kind(name: str) -> Kind:
    """The kind that `name` is.

    Raises:
        BadSetting: there is none of that name.
    """
    try:
        return Kind(name)
    except ValueError:
        raise BadSetting(
            f"There is no schema {name!r}.", suggestion(name, map(str, Kind))
        ) from None


def schema_text(kind: Kind) -> str:
    """The JSON Schema (draft 2020-12) of `kind`, as it is printed and served."""
    made = _MAKERS[kind]()
    head = {"$schema": DIALECT, "$id": PLACE.format(kind), "title": _TITLES[kind]}
    return json.dumps({**head, **made, **head}, indent=2, ensure_ascii=False)


def _report(role: Role, required: tuple[str, ...]) -> Callable[[], dict[str, Any]]:
    return lambda: {**_open(report_schema(role)), "required": list(required)}


def _open(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` without what only a model's structured output needs: every field, and no others."""
    kept = {k: v for k, v in schema.items() if k not in {"required", "additionalProperties"}}
    if "properties" in kept:
        kept["properties"] = {name: _open(inner) for name, inner in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _open(kept["items"])
    return kept


def _state() -> dict[str, Any]:
    return LoopState.model_json_schema()


def _config() -> dict[str, Any]:
    schema = Settings.model_json_schema()
    fields: dict[str, Any] = {}
    for name, about in schema["properties"].items():
        if name in CONFIGURABLE:
            fields[name] = _also_as_text(about)
            fields[name.replace("_", "-")] = fields[name]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": fields,
        "$defs": {name: schema["$defs"][name] for name in _used(fields, schema["$defs"])},
    }


def _also_as_text(about: Mapping[str, Any]) -> dict[str, Any]:
    """A list may be written as one text too: lines, words, or items between commas."""
    plain = {key: value for key, value in about.items() if key != "title"}
    if plain.pop("type", "") != "array":
        return {key: value for key, value in about.items() if key != "title"}
    default = {"default": plain.pop("default")} if "default" in plain else {}
    return {"anyOf": [{"type": "array", **plain}, {"type": "string"}], **default}


def _used(part: object, defined: Mapping[str, Any]) -> list[str]:
    """The definitions that `part` refers to, and what those refer to, in order of their names."""
    found: set[str] = set()
    left = [part]
    while left:
        current = left.pop()
        if isinstance(current, Mapping):
            name = str(current.get("$ref", "")).removeprefix("#/$defs/")
            if name in defined and name not in found:
                found.add(name)
                left.append(defined[name])
            left.extend(current.values())
        elif isinstance(current, list):
            left.extend(current)
    return sorted(found)


_MAKERS: Mapping[Kind, Callable[[], dict[str, Any]]] = {
    Kind.CARD: card_schema,
    Kind.WORK_REPORT: _report(Role.WORKER, ("task_id", "head_sha", "round")),
    Kind.REVIEW_REPORT: _report(Role.REVIEWER, ("task_id", "round", "decision")),
    Kind.STATE: _state,
    Kind.CONFIG: _config,
}
_TITLES: Mapping[Kind, str] = {
    Kind.CARD: "Task card of loop-kit",
    Kind.WORK_REPORT: "Work report of loop-kit",
    Kind.REVIEW_REPORT: "Review report of loop-kit",
    Kind.STATE: "state.json of loop-kit",
    Kind.CONFIG: ".loop/config.yaml of loop-kit",
}
