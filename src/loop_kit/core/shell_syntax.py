"""The words and simple commands of a shell command line, as far as a reader needs them.

An agent's stream says what it ran as text: bash, PowerShell or cmd, often cut, never to be trusted.
So this is no shell: it expands nothing, takes unbalanced quotes as closed at the end, keeps
substitutions as they are written, and leaves the bodies of heredocs out, because text that is
written into a file is no command. One pass, without recursion, so that hostile nesting costs
nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BLANK = re.compile(r"(?:[ \t\r\f\v]|\\\n)+")
_COMMENT = re.compile(r"#[^\n]*")
_PLAIN = re.compile(r"""[^ \t\r\f\v\n|&;()<>'"\\$`]+""")
_IN_DOUBLE = re.compile(r'[^"\\$]+')
_OPERATOR = re.compile(
    r"\d*(?:<<<|<<-|<<|<&|<>|<(?!\()|>>|>\||>&|>(?!\())|&>>|&>|&&|\|\||\|&|;;|[|;&()\n]"
)
_REDIRECTION = re.compile(r"\d*[<>]|&>")
_HEREDOC = re.compile(r"""<<-?[ \t]*(?:'([^'\n]+)'|"([^"\n]+)"|\\?([A-Za-z_][\w.-]*))""")
_PATH_CHARACTER = re.compile(r"[\w.-]")
_NO_FILES = frozenset(
    {"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "nul", "$null", "-", ""}
)
_DESCRIPTOR = re.compile(r"\d+-?|-")


@dataclass(frozen=True, slots=True)
class Token:
    """A word without its quotes, or an operator; `text[start:end]` is how it was written."""

    text: str
    start: int
    end: int
    is_operator: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One simple command."""

    words: tuple[str, ...]
    """Without its redirections."""
    piped: bool
    """It reads what the command before it writes."""
    writes: bool
    """A redirection writes into a file."""
    fed: bool
    """A heredoc or a here-string is its input."""
    inputs: tuple[str, ...]
    """The files that are redirected into it."""


def tokens(text: str) -> Iterator[Token]:
    """The words and operators of `text`; it never raises."""
    return _Scanner(text.replace("\r\n", "\n")).tokens()


def steps(text: str) -> tuple[Step, ...]:
    """The simple commands of `text`, in their order; what is in a heredoc is none."""
    done: list[Step] = []
    draft = _Draft()
    for token in tokens(text):
        if not token.is_operator:
            draft.add(token.text)
        elif _REDIRECTION.match(token.text):
            draft.redirection = token.text.lstrip("0123456789")
        else:
            goes_on = draft.is_empty and token.text in {"(", "\n"}
            piped = token.text in {"|", "|&"} or (goes_on and draft.piped)
            done += draft.steps()
            draft = _Draft(piped)
    return (*done, *draft.steps())


@dataclass(slots=True)
class _Draft:
    piped: bool = False
    redirection: str = ""
    writes: bool = False
    fed: bool = False
    words: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.words or self.writes)

    def add(self, word: str) -> None:
        """A word of the command, or where its redirection leads."""
        redirection, self.redirection = self.redirection, ""
        if not redirection:
            self.words.append(word)
        elif redirection.startswith("<<"):
            self.fed = True
        elif redirection == "<":
            self.inputs.append(word)
        elif ">" in redirection and not (redirection == ">&" and _DESCRIPTOR.fullmatch(word)):
            self.writes = self.writes or word.lower() not in _NO_FILES

    def steps(self) -> list[Step]:
        """The finished command, unless there is none."""
        if self.is_empty:
            return []
        return [Step(tuple(self.words), self.piped, self.writes, self.fed, tuple(self.inputs))]


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._delimiters: list[str] = []
        """Of the heredocs whose bodies begin at the next end of a line."""

    def tokens(self) -> Iterator[Token]:
        heredoc = False
        while self._skip_blanks():
            start = self._at
            operator = _OPERATOR.match(self._text, start)
            word = operator.group() if operator else self._word()
            if operator:
                self._at = operator.end()
            elif heredoc:
                self._delimiters.append(word)
            yield Token(word, start, self._at, is_operator=operator is not None)
            heredoc = operator is not None and word.endswith(("<<", "<<-"))
            if word == "\n":
                self._skip_bodies()

    def _skip_blanks(self) -> bool:
        """Go to where the next token begins; whether there is one."""
        for pattern in (_BLANK, _COMMENT, _BLANK):
            if found := pattern.match(self._text, self._at):
                self._at = found.end()
        return self._at < len(self._text)

    def _skip_bodies(self) -> None:
        for delimiter in self._delimiters:
            line = None
            while line != delimiter and self._at < len(self._text):
                end = self._text.find("\n", self._at)
                end = len(self._text) if end < 0 else end
                line = self._text[self._at : end].strip()
                self._at = min(end + 1, len(self._text))
        self._delimiters.clear()

    def _word(self) -> str:
        parts: list[str] = []
        while (piece := self._piece(first=not parts)) is not None:
            parts.append(piece)
        return "".join(parts)

    def _piece(self, *, first: bool) -> str | None:
        """The next part of a word, or None where the word ends."""
        text, at = self._text, self._at
        if plain := _PLAIN.match(text, at):
            self._at = plain.end()
            return plain.group()
        if text.startswith(("$(", "<(", ">("), at):
            return self._substitution()
        reader = {'"': self._double, "'": self._single, "`": self._ticks, "$": self._dollar}
        if read := reader.get(text[at : at + 1]):
            return read()
        return self._escaped(first=first) if text.startswith("\\", at) else None

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        end = len(self._text) if end < 0 else end
        inside = self._text[self._at + 1 : end]
        self._at = min(end + 1, len(self._text))
        return inside

    def _double(self) -> str:
        text = self._text
        parts: list[str] = []
        self._at += 1
        while self._at < len(text) and text[self._at] != '"':
            if plain := _IN_DOUBLE.match(text, self._at):
                parts.append(plain.group())
                self._at = plain.end()
            elif text.startswith("$(", self._at):
                parts.append(self._substitution())
            elif text[self._at] == "$":
                parts.append("$")
                self._at += 1
            else:
                after = text[self._at + 1 : self._at + 2]
                kept = "" if after in {*'$`"\\', "\n"} else "\\"
                parts.append(kept + after.strip("\n"))
                self._at = min(self._at + 2, len(text))
        self._at = min(self._at + 1, len(text))
        return "".join(parts)

    def _ticks(self) -> str:
        """A substitution in backticks; a single backtick is one of PowerShell."""
        start, end = self._at, self._text.find("`", self._at + 1)
        self._at = start + 1 if end < 0 else end + 1
        return self._text[start : self._at]

    def _dollar(self) -> str:
        self._at += 1
        return "" if self._text.startswith(("'", '"'), self._at) else "$"

    def _escaped(self, *, first: bool) -> str:
        """What follows a backslash; inside a name it is one of a Windows path and stays."""
        after = self._text[self._at + 1 : self._at + 2]
        self._at = min(self._at + 2, len(self._text))
        if after == "\n":
            return ""
        return f"\\{after}" if not first and _PATH_CHARACTER.match(after) else after

    def _substitution(self) -> str:
        """`$(...)` as it is written; quotes and heredocs inside hide parentheses."""
        text, start = self._text, self._at
        self._at += 2
        inside = ["("]
        while inside and self._at < len(text):
            character = text[self._at]
            if character == "\\":
                self._at += 2
            elif character == '"' or inside[-1] == '"':
                self._quote(inside)
            elif character == "'":
                self._single()
            else:
                self._parenthesis(inside)
        self._at = min(self._at, len(text))
        return text[start : self._at]

    def _quote(self, inside: list[str]) -> None:
        """One step on or in a double quote inside a substitution."""
        if self._text.startswith("$(", self._at):
            inside.append("(")
            self._at += 2
            return
        if self._text[self._at] == '"':
            if inside[-1] == '"':
                inside.pop()
            else:
                inside.append('"')
        self._at += 1

    def _parenthesis(self, inside: list[str]) -> None:
        """One step outside quotes inside a substitution."""
        if self._text.startswith("<<<", self._at):
            self._at += 3
            return
        if heredoc := _HEREDOC.match(self._text, self._at):
            self._delimiters.append(heredoc.group(1) or heredoc.group(2) or heredoc.group(3))
            self._at = heredoc.end()
            return
        character = self._text[self._at]
        self._at += 1
        if character == "(":
            inside.append("(")
        elif character == ")":
            inside.pop()
        elif character == "\n":
            self._skip_bodies()
