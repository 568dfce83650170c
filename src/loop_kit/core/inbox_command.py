"""A command that a person gave in a comment, as it lies in `inbox/` until the holder reads it.

Whoever may push to the state branch can put a file there, so every field is checked and bounded.
A `refresh` brings the card along: what counts is the text at the moment of the command.
"""

import json
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from loop_kit.core.commands import MAX_EXTENSION
from loop_kit.core.record import Record, Text
from loop_kit.core.task import TaskCard

FOLDER = "inbox"
MAX_BYTES = 256 * 1024

Verb = Literal["pause", "resume", "stop", "retry", "refresh", "extend"]


class InboxCommand(Record):
    """One command; `comment` is the number of the comment, `by` the login of its author.

    `rounds` belongs to `extend`, `card` and its `verify` commands to `refresh`.
    """

    comment: Annotated[int, Field(ge=1)]
    verb: Verb
    by: Annotated[Text, Field(max_length=100)] = ""
    at: Annotated[Text, Field(max_length=40)] = ""
    rounds: Annotated[int, Field(ge=0, le=MAX_EXTENSION)] = 0
    card: TaskCard | None = None
    verify: tuple[Text, ...] = ()

    @property
    def path(self) -> str:
        """The name of its bus file."""
        return f"{FOLDER}/{self.comment}.json"

    def to_json(self) -> bytes:
        """The bus file."""
        body = self.model_dump(mode="json", exclude_defaults=True)
        return (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode()


def parse_command(raw: bytes) -> InboxCommand | None:
    """The command in the bus file `raw`, or None where it holds none."""
    if len(raw) > MAX_BYTES:
        return None
    try:
        return InboxCommand.model_validate_json(raw)
    except (ValidationError, ValueError, RecursionError):
        return None
