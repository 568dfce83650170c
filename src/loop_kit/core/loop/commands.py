"""Commands that people write in comments: `/loop stop` on the first line, and nothing beside it.

A comment is a command only when its first line that is not blank begins with `/loop` in the very
first column: in a quote, in a code block or below other text it is talk about a command. A line
that begins so and cannot be carried out is answered with what is wrong, never guessed: a misread
`stop` costs money, a misread `extend` more of it.

While another run holds the loop, a command waits as a file in `inbox/` of the state branch.
Whoever may push to that branch can put a file there, so every field is checked and bounded.
"""

import difflib
import json
import re
from dataclasses import dataclass
from typing import Annotated, Literal, cast, get_args

from pydantic import Field, ValidationError

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.budget import EXAMPLES, Budget, parse_budget
from loop_kit.core.record import Record, Text
from loop_kit.core.sanitize import code, visible

Verb = Literal["status", "pause", "resume", "stop", "retry", "refresh", "extend", "budget"]
VERBS: tuple[Verb, ...] = get_args(Verb)
INBOX = "inbox"
"""The folder of the state branch where commands wait."""
MAX_FILE_BYTES = 256 * 1024
MAX_EXTENSION = 20
"""The rounds that one `extend` may add."""

_MAX_READ = 1_000
_WORD = "/loop"
_COMMAND_LINE = re.compile(r"/loop(?:\s|\Z)")
_ROUNDS = re.compile(r"[1-9][0-9]?")


class Command(Record):
    """What a person wants of a loop, from the comment to the event that carries it out.

    `comment` is the number of the comment, `by` the login of its author, `at` when it was made in
    UTC, or '' where the event does not say. `rounds` belongs to `extend`, `budget` to the verb of
    that name; `card` and its `verify` commands to `refresh`, for which the text at the moment of
    the command counts.
    """

    comment: Annotated[int, Field(ge=1)]
    verb: Verb
    by: Annotated[Text, Field(max_length=100)] = ""
    at: Annotated[Text, Field(max_length=40)] = ""
    rounds: Annotated[int, Field(ge=0, le=MAX_EXTENSION)] = 0
    budget: Budget | None = None
    card: TaskCard | None = None
    verify: tuple[Text, ...] = ()

    @property
    def path(self) -> str:
        """The name of its file in the inbox."""
        return f"{INBOX}/{self.comment}.json"

    def to_json(self) -> bytes:
        """Its file in the inbox."""
        body = self.model_dump(mode="json", exclude_defaults=True)
        return (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Misspelt:
    """A line that is meant as a command and is none.

    `sentence` is harmless in a comment, `nearest` the verb that was probably meant, or None.
    """

    sentence: str
    nearest: Verb | None = None


def read_command(body: str, comment: int, by: str = "", at: str = "") -> Command | Misspelt | None:
    """The command in the `body` of a comment; None where the comment is no command.

    Only the first 1,000 characters are read.
    """
    line, is_whole = _first_line(body)
    if not _COMMAND_LINE.match(line):
        return None
    if not is_whole:
        return Misspelt(f"The line of `{_WORD}` is too long.")
    if line != visible(line):
        return Misspelt(f"The line of `{_WORD}` holds characters that nobody can see.")
    words = line.split()[1:] or ["status"]
    verb = words[0].lower()
    if verb not in VERBS:
        return _unknown(verb)
    return _with_amount(Command(comment=comment, verb=verb, by=by, at=at), words[1:])


def parse_inbox_file(raw: bytes) -> Command | None:
    """The command in a file of the inbox, or None where it holds none."""
    if len(raw) > MAX_FILE_BYTES:
        return None
    try:
        return Command.model_validate_json(raw)
    except (ValidationError, ValueError, RecursionError):
        return None


def _first_line(body: str) -> tuple[str, bool]:
    """The first line that is not blank, without its end, and whether all of it was read."""
    head = body[:_MAX_READ].replace("\r\n", "\n").replace("\r", "\n")
    lines = head.split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            return line, number < len(lines) or len(body) <= _MAX_READ
    return "", True


def _with_amount(command: Command, rest: list[str]) -> Command | Misspelt:
    """The command with the rounds or the budget that follow its verb, where that takes any."""
    if command.verb == "budget":
        budget = parse_budget(" ".join(rest))
        if budget is None:
            return Misspelt(f"`{_WORD} budget` needs one amount, as in {EXAMPLES}.", "budget")
        return command.model_copy(update={"budget": budget})
    rounds = _rounds(command.verb, rest)
    return rounds if isinstance(rounds, Misspelt) else command.model_copy(update={"rounds": rounds})


def _rounds(verb: Verb, rest: list[str]) -> int | Misspelt:
    """How many rounds `extend` adds; 0 for the other verbs, after which nothing may follow."""
    if verb == "extend":
        wanted = f"`{_WORD} extend` needs one number from 1 to {MAX_EXTENSION}"
        if len(rest) != 1 or not _ROUNDS.fullmatch(rest[0]) or int(rest[0]) > MAX_EXTENSION:
            return Misspelt(f"{wanted}, as in `{_WORD} extend 2`.", verb)
        return int(rest[0])
    if rest:
        return Misspelt(f"`{_WORD} {verb}` takes nothing after it on its line.", verb)
    return 0


def _unknown(word: str) -> Misspelt:
    close = difflib.get_close_matches(word[:40], VERBS, n=1, cutoff=0.6)
    if close:
        sentence = f"{code(word[:40])} is not a command. Did you mean `{_WORD} {close[0]}`?"
        return Misspelt(sentence, cast("Verb", close[0]))
    known = ", ".join(f"`{verb}`" for verb in VERBS)
    return Misspelt(f"{code(word[:40])} is not a command. Known are {known}.")
