"""Commands that people write in comments: `/loop stop` on the first line, and nothing beside it.

A comment is a command only when its first line that is not blank begins with `/loop` in the very
first column: in a quote, in a code block or below other text it is talk about a command. A line
that begins so and cannot be carried out is answered with what is wrong, never guessed: a misread
`stop` costs money, a misread `extend` more of it.

While another run holds the loop, a command waits as a file in `inbox/` of the state branch.
Whoever may push to that branch can put a file there, so every field is checked and bounded.
"""

import re
from typing import Annotated, Literal, cast, get_args

from pydantic import Field, ValidationError

from loop_kit.core.agent.role import Role
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.budget import EXAMPLES, Budget, parse_budget
from loop_kit.core.record import Record, Text, encode_json
from loop_kit.core.text.harmless import code
from loop_kit.core.text.sanitize import one_line, visible
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

Decision = Literal["waive", "dismiss", "require"]
Verb = Literal[
    "status", "pause", "resume", "stop", "retry", "refresh", "extend", "budget", Decision
]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
"""What a person can decide about findings: real but not blocking, wrong, right."""
VERBS: tuple[Verb, ...] = get_args(Verb)
INBOX = "inbox"
"""The folder of the state branch where commands wait."""
MAX_FILE_BYTES = 256 * 1024
MAX_EXTENSION = 20
"""The rounds that one `extend` may add."""
MAX_FINDINGS = 50
"""The findings that one command may name."""
MAX_REASON = 500
"""The characters of a reason that are kept."""

_MAX_READ = 1_000
_WORD = "/loop"
_COMMAND_LINE = late_pattern(r"/loop(?:\s|\Z)", re.IGNORECASE)
_ROUNDS = late_pattern(r"[1-9][0-9]?")
_FINDING = late_pattern(r"[Ff][1-9][0-9]{0,5}")
_ROLES = {"worker": Role.WORKER, "reviewer": Role.REVIEWER, "second": Role.SECOND_REVIEWER}
_BACKEND = late_pattern(r"[a-z0-9][a-z0-9._-]{0,49}")


FindingId = Annotated[str, Field(pattern=r"^F[1-9][0-9]{0,5}$")]


class Command(Record):
    """What a person wants of a loop, from the comment to the event that carries it out.

    `comment` is the number of the comment, `by` the login of its author, `at` when it was made in
    UTC, or '' where the event does not say. `rounds` belongs to `extend`, `budget` to the verb of
    that name; `card` and its `verify` commands to `refresh`, for which the text at the moment of
    the command counts. `findings` and `because` belong to decisions; `backend` to `retry`, for
    `role` or, where that is None, for the role that is outstanding.
    """

    comment: Annotated[int, Field(ge=1)]
    verb: Verb
    by: Annotated[Text, Field(max_length=100)] = ""
    at: Annotated[Text, Field(max_length=40)] = ""
    rounds: Annotated[int, Field(ge=0, le=MAX_EXTENSION)] = 0
    budget: Budget | None = None
    card: TaskCard | None = None
    verify: tuple[Text, ...] = ()
    findings: Annotated[tuple[FindingId, ...], Field(max_length=MAX_FINDINGS)] = ()
    because: Annotated[Text, Field(max_length=MAX_REASON)] = ""
    backend: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9._-]{0,49})?$")] = ""
    role: Role | None = None

    @property
    def path(self) -> str:
        """The name of its file in the inbox."""
        return f"{INBOX}/{self.comment}.json"

    def to_json(self) -> bytes:
        """Its file in the inbox."""
        return encode_json(self.model_dump(mode="json", exclude_defaults=True))


@frozen
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
    return _with_rest(Command(comment=comment, verb=verb, by=by, at=at), words[1:])


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


def _with_rest(command: Command, rest: list[str]) -> Command | Misspelt:
    """The command with what follows its verb on the line, where that takes anything."""
    if command.verb in DECISIONS:
        return _with_findings(command, rest)
    if command.verb == "retry" and rest:
        return _with_backend(command, rest)
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


def _with_findings(command: Command, rest: list[str]) -> Command | Misspelt:
    """The decision about the findings that are named, and its reason, which `dismiss` needs."""
    lowered = [word.lower() for word in rest]
    at = lowered.index("because") if "because" in lowered else len(rest)
    named = [name for word in rest[:at] for name in word.split(",") if name]
    wrong = next((name for name in named if not _FINDING.fullmatch(name)), None)
    example = f"`{_WORD} {command.verb} F3{' because …' if command.verb == 'dismiss' else ''}`"
    if wrong is not None:
        what = f"{code(wrong[:40])} is no id of a finding"
        return Misspelt(f"{what}: `{_WORD} {command.verb}` is used as in {example}.", command.verb)
    findings = tuple(dict.fromkeys(name.upper() for name in named))
    if not 0 < len(findings) <= MAX_FINDINGS:
        wanted = f"`{_WORD} {command.verb}` needs the ids of 1 to {MAX_FINDINGS} findings"
        return Misspelt(f"{wanted}, as in {example}.", command.verb)
    because = one_line(" ".join(rest[at + 1 :]), MAX_REASON)
    if command.verb == "dismiss" and not because.strip(" .…"):
        return Misspelt(f"`{_WORD} dismiss` needs a reason, as in {example}.", command.verb)
    return command.model_copy(update={"findings": findings, "because": because})


def _with_backend(command: Command, rest: list[str]) -> Command | Misspelt:
    """A retry with another backend, for the role that is named, if one is."""
    lowered = [word.lower() for word in rest]
    shaped = len(rest) in {2, 4} and lowered[0] == "with"
    shaped = shaped and _BACKEND.fullmatch(lowered[1]) is not None
    role = None
    if len(rest) == 4:
        role = _ROLES.get(lowered[3])
        shaped = shaped and lowered[2] == "as" and role is not None
    if not shaped:
        examples = f"`{_WORD} retry with claude` or `{_WORD} retry with claude as reviewer`"
        return Misspelt(f"`{_WORD} retry` is used alone, or as in {examples}.", "retry")
    return command.model_copy(update={"backend": lowered[1], "role": role})


def _unknown(word: str) -> Misspelt:
    import difflib

    close = difflib.get_close_matches(word[:40], VERBS, n=1, cutoff=0.6)
    if close:
        sentence = f"{code(word[:40])} is not a command. Did you mean `{_WORD} {close[0]}`?"
        return Misspelt(sentence, cast("Verb", close[0]))
    known = ", ".join(f"`{verb}`" for verb in VERBS)
    return Misspelt(f"{code(word[:40])} is not a command. Known are {known}.")
