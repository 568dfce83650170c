"""The reports as JSON Schema, for backends that can hold a model to one.

They are in the strict dialect of OpenAI's structured outputs, which Anthropic's takes as well:
every property is required, nothing else is allowed, and what may be missing is null. See
https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from collections.abc import Mapping
from typing import Any

from loop_kit.core.agent.role import Role

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}


def report_schema(role: Role) -> Schema:
    """The schema of this role's report."""
    return _WORK if role is Role.WORKER else _REVIEW


def without_nulls(document: object) -> object:
    """`document` without the properties that are null: in a strict schema they mean missing."""
    if isinstance(document, dict):
        return {k: without_nulls(v) for k, v in document.items() if v is not None}
    if isinstance(document, list):
        return [without_nulls(item) for item in document]
    return document


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


_WORK = _object(
    task_id=_TEXT,
    round=_WHOLE,
    head_sha=_TEXT,
    notes=_TEXT,
    files_changed=_list(_TEXT),
    tests=_list(_object(name=_TEXT, result=_one_of("pass", "fail", "error", "skip"))),
    responses=_list(_object(id=_TEXT, action=_one_of("fixed", "disputed"), evidence=_TEXT)),
)
_REVIEW = _object(
    task_id=_TEXT,
    round=_WHOLE,
    head_sha=_TEXT,
    decision=_one_of("approve", "changes_required"),
    summary=_TEXT,
    dispositions=_list(
        _object(id=_TEXT, status=_one_of("fixed", "not_fixed", "withdrawn", "upheld"), note=_TEXT)
    ),
    criteria=_list(_object(id=_TEXT, met={"type": "boolean"}, evidence=_TEXT)),
    files_examined=_list(_TEXT),
    blocking_issues=_list(
        _object(
            id={"type": ["string", "null"]},
            severity=_one_of("high", "medium", "low"),
            file=_TEXT,
            line={"type": ["integer", "null"]},
            reason=_TEXT,
            scenario=_TEXT,
            criterion={"type": ["string", "null"]},
            required_change=_TEXT,
        )
    ),
    non_blocking_suggestions=_list(_TEXT),
)
