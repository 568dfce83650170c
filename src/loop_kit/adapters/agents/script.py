"""The language of the scripted backend: scenes, each a list of steps for one role.

    scenes:
      - role: worker
        round: 1
        steps:
          - say: Reading the failing test
          - edit: {path: calc.py, find: "a - b", replace: "a + b"}
          - commit: Add instead of subtracting
          - report: {notes: Fixed the sign.}

The first scene whose `role`, `round` and `attempt` match is played; omitted keys match anything.
"""

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from loop_kit.core.agent.role import Role
from loop_kit.core.card.documents import read_yaml
from loop_kit.core.record import NonBlankText, Record, Text, explain
from loop_kit.errors import BadBusFile


class Edit(Record):
    """Replace the one occurrence of `find`."""

    path: NonBlankText
    find: NonBlankText
    replace: Text


class Write(Record):
    """Write a whole file."""

    path: NonBlankText
    text: Text


class Step(Record):
    """One step; exactly one field is given.

    `say` prints a line, `edit` and `write` change files, `delete` removes one, `run` runs an
    argument list, `commit` commits everything, `report` writes the report (task, round and head
    are filled in), `usage` what the attempt used. Misbehaviour: `crash` exits with a code, `hang`
    sleeps that many seconds, `garbage` prints that many bytes that are not text, `raw_report`
    writes exactly this text, `complain` prints to standard error, `linger` leaves a process behind
    for that many seconds.
    """

    say: Text | None = None
    edit: Edit | None = None
    write: Write | None = None
    delete: NonBlankText | None = None
    run: tuple[NonBlankText, ...] | None = None
    commit: NonBlankText | None = None
    report: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    crash: Annotated[int, Field(ge=1, le=255)] | None = None
    hang: Annotated[float, Field(ge=0)] | None = None
    garbage: Annotated[int, Field(ge=1)] | None = None
    raw_report: str | None = None
    complain: Text | None = None
    linger: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "Step":
        if len(self.model_fields_set) != 1:
            raise ValueError("a step has exactly one key")
        return self


class Scene(Record):
    """What one role does, in the rounds and attempts that it names."""

    role: Role
    round: int | None = None
    attempt: int | None = None
    steps: tuple[Step, ...]


class Script(Record):
    """A whole script."""

    scenes: tuple[Scene, ...]

    def scene(self, role: Role, round_: int, attempt: int) -> Scene | None:
        """The first scene that matches."""
        return next(
            (
                scene
                for scene in self.scenes
                if scene.role is role
                and scene.round in {None, round_}
                and scene.attempt in {None, attempt}
            ),
            None,
        )


@lru_cache(maxsize=2)
def parse_script(raw: bytes, name: str) -> Script:
    """The script in `raw`, read once where both roles have the same.

    Raises:
        BadBusFile: not UTF-8, not YAML, or an unknown or wrong key.
    """
    try:
        document = read_yaml(raw.decode("utf-8-sig"))
    except ValueError as error:
        raise BadBusFile(
            f"{name}: {error}.",
            "Write the script as YAML in UTF-8.",
            anchor="script-invalid",
        ) from None
    try:
        return Script.model_validate(document)
    except ValidationError as error:
        sentence, remedy = explain(error, Script)
        raise BadBusFile(f"{name}: {sentence}.", remedy, anchor="script-invalid") from None
