"""Commands that people write in comments: `/loop stop` on the first line, and nothing beside it.

A comment is a command only when its first line that is not blank begins with `/loop` in the very
first column: what stands in a quote, in a code block or below other text is talk about a command.
A line that begins so and cannot be carried out is answered with what is wrong, never guessed: a
misread `stop` costs money, a misread `extend` more of it.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from loop_kit.core.sanitize import code, visible

Verb = Literal["status", "pause", "resume", "stop", "retry", "refresh", "extend"]
VERBS: tuple[str, ...] = get_args(Verb)
MAX_EXTENSION = 20
"""The rounds that one `extend` may add."""

_MAX_READ = 1_000
_WORD = "/loop"
_COMMAND_LINE = re.compile(r"/loop(?:\s|\Z)")
_ROUNDS = re.compile(r"[1-9][0-9]?")


@dataclass(frozen=True, slots=True)
class Command:
    """What a person wants of a loop; `rounds` belongs to `extend` and is 0 elsewhere."""

    verb: Verb
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class Misspelt:
    """A line that is meant as a command and is none.

    `sentence` is harmless in a comment, `nearest` the verb that was probably meant, or None.
    """

    sentence: str
    nearest: Verb | None = None


def read_command(body: str) -> Command | Misspelt | None:
    """The command in the text of a comment; None where the comment is no command.

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
    return _command(cast("Verb", verb), words[1:])


def _first_line(body: str) -> tuple[str, bool]:
    """The first line that is not blank, without its end, and whether all of it was read."""
    head = body[:_MAX_READ].replace("\r\n", "\n").replace("\r", "\n")
    lines = head.split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            return line, number < len(lines) or len(body) <= _MAX_READ
    return "", True


def _command(verb: Verb, rest: list[str]) -> Command | Misspelt:
    if verb == "extend":
        wanted = f"`{_WORD} extend` needs one number from 1 to {MAX_EXTENSION}"
        if len(rest) != 1 or not _ROUNDS.fullmatch(rest[0]) or int(rest[0]) > MAX_EXTENSION:
            return Misspelt(f"{wanted}, as in `{_WORD} extend 2`.", verb)
        return Command(verb, int(rest[0]))
    if rest:
        return Misspelt(f"`{_WORD} {verb}` takes nothing after it on its line.", verb)
    return Command(verb)


def _unknown(word: str) -> Misspelt:
    close = difflib.get_close_matches(word[:40], VERBS, n=1, cutoff=0.6)
    if close:
        nearest = cast("Verb", close[0])
        said = f"{code(word[:40])} is not a command. Did you mean `{_WORD} {nearest}`?"
        return Misspelt(said, nearest)
    known = ", ".join(f"`{verb}`" for verb in VERBS)
    return Misspelt(f"{code(word[:40])} is not a command. Known are {known}.")
