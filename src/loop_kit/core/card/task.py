"""The task card: what is wanted, in the words of a person, and never rewritten by the program.

The card is frozen when a loop starts: its canonical SHA-256 is kept in the state, so that an edit
made later (by whoever can edit an issue or a file) changes nothing until a person asks for it.
"""

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from loop_kit.core.card.documents import DocumentInvalid, read_document
from loop_kit.core.card.scope import check_entry
from loop_kit.core.record import NonBlankText, Record, Text, encode_json, explain, has_unknown_key
from loop_kit.errors import BadCard

MAX_CARD_BYTES = 64 * 1024
_MAX_SCOPE = 500

_TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

MINIMAL_CARD = """{
  "task_id": "T-001",
  "goal": "What should be true when the work is done.",
  "acceptance_criteria": ["A fact that a reviewer can check."]
}"""


EXAMPLE_GOALS = frozenset(
    {
        "What should be true when the work is done.",
        "Say in one or two sentences what should be true when the work is done.",
    }
)
"""Of the minimal card and of the one that `loop init` writes: nobody's own words."""


def check_task_id(task_id: str) -> str:
    """`task_id` itself: it becomes part of paths and branch names, so its grammar is narrow.

    Raises:
        ValueError: it is not 1 to 64 of `A-Z a-z 0-9 . _ -`, holds `..`, or ends in `.` or `.lock`.
    """
    safe = ".." not in task_id and not task_id.endswith((".", ".lock"))
    if not safe or not _TASK_ID.fullmatch(task_id):
        raise ValueError(
            "must be 1 to 64 letters, digits, '.', '_' or '-', start with a letter or digit,"
            " hold no '..' and not end in '.' or '.lock'"
        )
    return task_id


TaskId = Annotated[str, AfterValidator(check_task_id)]
Scope = Annotated[
    tuple[Annotated[Text, AfterValidator(check_entry)], ...], Field(max_length=_MAX_SCOPE)
]


class CardLimits(Record):
    """Limits that the card's author sets; they can only lower the operator's."""

    max_rounds: Annotated[int, Field(strict=True, ge=1)] | None = None
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    max_tokens: Annotated[int, Field(strict=True, ge=1)] | None = None
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    max_diff_growth: Annotated[float, Field(ge=1)] | None = None


class RoleChoice(Record):
    """Which agent the card's author would like for one role."""

    backend: NonBlankText | None = None
    model: NonBlankText | None = None


class TaskCard(Record):
    """A task card. Every field but `task_id` and `goal` may be left out."""

    task_id: TaskId
    goal: NonBlankText
    title: Text = ""
    base_branch: Text = ""
    in_scope: Scope = ()
    out_of_scope: Scope = ()
    acceptance_criteria: tuple[Text, ...] = ()
    constraints: tuple[Text, ...] = ()
    verify: tuple[NonBlankText, ...] = ()
    limits: CardLimits = CardLimits()
    worker: RoleChoice = RoleChoice()
    reviewer: RoleChoice = RoleChoice()
    on_approved: Literal["ready"] | None = None
    depends_on: Annotated[tuple[TaskId, ...], Field(max_length=50)] = ()
    status: Literal["todo", "in_progress", "done", "blocked"] | None = None

    @property
    def criteria(self) -> tuple[tuple[str, str], ...]:
        """The acceptance criteria with the ids that a reviewer answers by: C1, C2, ..."""
        return tuple((f"C{n}", text) for n, text in enumerate(self.acceptance_criteria, 1))

    @property
    def sha256(self) -> str:
        """The hash of what the card asks for; `status`, which we manage, is left out.

        Defaults are too: a field that a newer version knows must not make it another card.
        """
        body = self.model_dump(mode="json", exclude={"status"}, exclude_defaults=True)
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self, status: str | None = None) -> bytes:
        """Our copy of the card, with the `status` we manage."""
        body = self.model_dump(mode="json", exclude_defaults=True)
        if status:
            body["status"] = status
        return encode_json(body)


def parse_card(raw: bytes, name: str) -> TaskCard:
    """The card in `raw`: JSON, or YAML when `name` ends in `.yml` or `.yaml`.

    Raises:
        BadCard: not UTF-8, not JSON or YAML, not a mapping, or a field that does not fit.
    """
    if len(raw) > MAX_CARD_BYTES:
        raise BadCard(
            f"{name}: a task card of {len(raw)} bytes is over the limit of {MAX_CARD_BYTES}.",
            "Say the goal in fewer words and point to files in the repository.",
            anchor="card-too-long",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadCard(
            f"{name}: not UTF-8 at byte {error.start}.",
            "Save the card as UTF-8.",
            anchor="card-syntax",
        ) from None
    try:
        return card_from(read_document(text, name), name)
    except DocumentInvalid as error:
        raise BadCard(f"{name}: {error}.", error.remedy, anchor="card-syntax") from None


def card_from(document: Any, name: str) -> TaskCard:
    """The card that the parsed `document` is; `$schema`, which is for editors, says nothing of it.

    Raises:
        BadCard: it is not a mapping, or a field does not fit; the nearest known key is named.
    """
    if not isinstance(document, dict):
        raise BadCard(
            f"{name}: a task card is an object, this is a {type(document).__name__}.",
            f"A minimal card:\n{MINIMAL_CARD}",
            anchor="card-syntax",
        )
    try:
        return TaskCard.model_validate({k: v for k, v in document.items() if k != "$schema"})
    except ValidationError as error:
        sentence, remedy = explain(error, TaskCard)
        anchor = "card-unknown-key" if has_unknown_key(error) else None
        raise BadCard(f"{name}: {sentence}.", remedy, anchor=anchor) from None
