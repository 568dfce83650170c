"""The task card as JSON Schema, for editors and for programs that write cards.

The shape comes from `TaskCard`; what the shape cannot say (what a field means, the grammar of ids)
is added here, so that the class stays readable.
"""

import json
from collections.abc import Mapping
from typing import Any

from loop_kit.core.card.task import TaskCard

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ID = r"^(?!.*\.\.)(?!.*\.$)(?!.*\.lock$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_NOT_BLANK = r"\S"

_CARD: Mapping[str, str] = {
    "task_id": "Names the loop and its branches. In an issue it may be left out: issue-<number>.",
    "goal": "What should be true when the work is done, in the words of a person.",
    "title": "The pull request's title, one line.",
    "base_branch": "The branch to build on, and to open the pull request against.",
    "in_scope": "Where to work: paths or prose. Advice, unless the scope is set to strict.",
    "out_of_scope": "Paths in gitignore style that must stay as they are. Enforced.",
    "acceptance_criteria": "Facts that the reviewer answers one by one, as C1, C2, ...",
    "constraints": "Further constraints on the work.",
    "verify": "Shell commands that must succeed in a fresh clone before an approval counts.",
    "limits": "Limits for the whole loop; they can lower the operator's and never raise them.",
    "worker": "Who writes.",
    "reviewer": "Who judges.",
    "on_approved": "`ready`: people merge this one, whatever the repository's settings say.",
    "depends_on": "Ids of tasks whose pull requests have to be merged first.",
    "status": "Managed by the loop, in its own copies.",
}
_LIMITS: Mapping[str, str] = {
    "max_rounds": "Maximum number of rounds.",
    "max_minutes": "Maximum minutes of agents' time.",
    "max_tokens": "Maximum tokens, as far as backends report them.",
    "max_cost_usd": "Maximum cost in US dollars, reported or estimated from tokens.",
    "max_diff_growth": "How many times the change of round 1 the change may become.",
}
_ROLE: Mapping[str, str] = {
    "backend": "codex, claude, opencode, or the name of another backend.",
    "model": "The model's name, as the backend takes it.",
}


def card_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a task card, with a description of every field."""
    schema = TaskCard.model_json_schema()
    fields, inner = schema["properties"], schema["$defs"]
    _describe(fields, _CARD)
    _describe(inner["CardLimits"]["properties"], _LIMITS)
    _describe(inner["RoleChoice"]["properties"], _ROLE)
    for named in (fields["task_id"], fields["depends_on"]["items"]):
        named["pattern"] = _ID
    for text in (fields["goal"], fields["verify"]["items"]):
        text["pattern"] = _NOT_BLANK
    fields["$schema"] = {"type": "string", "description": "This schema, for editors; ignored."}
    schema.pop("description", None)
    return {"$schema": DIALECT, **schema, "title": "Task card of loop-kit"}


def card_schema_text() -> str:
    """`card_schema` as it is printed."""
    return json.dumps(card_schema(), indent=2, ensure_ascii=False)


def _describe(properties: dict[str, Any], descriptions: Mapping[str, str]) -> None:
    for name, about in properties.items():
        about.pop("title", None)
        about["description"] = descriptions.get(name, "")
