"""Patterns as in .gitignore, matched in a time that grows with the path alone.

What a card puts out of scope comes from an issue, and the paths that are compared with it from an
agent. As a plain regular expression `[a-z]*[a-z]*[a-z]*Z` tries every way to split a name, which
takes hours for a long one. None of that is needed: between two stars the first place that fits is
as good as any later one. So the expression that pathspec makes is taken apart, and each star that
another follows keeps the first place it finds. A folder may have any name, with a line end too.

To load pathspec and to compile its expressions is a twentieth of a short run. Most paths hold no
word of any pattern, so that nothing has to be compiled to know that none matches.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, cast

from loop_kit.patterns import late_pattern

if TYPE_CHECKING:
    from typing import AnyStr

    from pathspec import GitIgnoreSpec
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

_STAR, _SEGMENT = "[^/]*", "[^/]+"
_BELOW, _BETWEEN = "^(?:.+/)?", "(?:/.+)?"
_TOKEN = late_pattern(
    r"\^\(\?:\.\+/\)\?|\(\?:/\.\+\)\?|\(\?:\(\?P<ps_d>/\)\|\$\)|\(\?P<ps_d>/\)"
    r"|\[\^/\][*+]?|\\.|\[\^?\]?[^\]]*(?:\]|\Z)|.",
    re.DOTALL,
)
_SPECIAL = late_pattern(r"[*?/\\\s]+")
_ENDS = frozenset({"(?:(?P<ps_d>/)|$)", "(?P<ps_d>/)"})


class Patterns:
    """What `match_rules` matches, compiled when a path could be matched."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self._lines = lines
        self._words = {_word(line) for line in lines if not line.startswith("!")}

    def match_file(self, path: str) -> bool:
        """Whether they match a path.

        Raises:
            ValueError: one of them is no pattern.
        """
        return any(word in path for word in self._words) and self._compiled.match_file(path)

    @cached_property
    def _compiled(self) -> "GitIgnoreSpec":
        return match_rules(self._lines)


def _word(line: str) -> str:
    """What is in every path that the pattern matches; a bracket stands for several characters."""
    return "" if "[" in line else max(_SPECIAL.split(line), key=len)


def match_rules(lines: Iterable[str]) -> "GitIgnoreSpec":
    """What the patterns in `lines` match.

    Raises:
        ValueError: one of them is no pattern.
    """
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines, _bounded_pattern(), backend="simple")
    except re.error as error:
        raise ValueError(f"Invalid git pattern: {error.msg}") from None


@cache
def _bounded_pattern() -> "type[GitIgnoreSpecPattern]":
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    class Bounded(GitIgnoreSpecPattern):
        __slots__ = ()

        @classmethod
        def pattern_to_regex(cls, pattern: "AnyStr") -> "tuple[AnyStr | None, bool | None]":
            expression, include = super().pattern_to_regex(pattern)
            text = bounded(expression) if isinstance(expression, str) else expression
            return cast("AnyStr | None", text), include

    return Bounded


def bounded(expression: str) -> str:
    """The regular expression of one pattern, without the ways back that no match needs."""
    if expression in {".", "/", *_ENDS}:
        return expression
    tokens = _TOKEN.findall(expression)
    end = tokens.pop() if tokens[-1] in _ENDS else ""
    lead = tokens[0] == _BELOW
    runs = list(_split(tokens[1:], _BETWEEN))
    text = "^"
    for number, run in enumerate(runs):
        last = number == len(runs) - 1
        repeat = "*" if last else "*?"
        before = f"(?:/[^/]++){repeat}" if number else f"(?:[^/]++/){repeat}" * lead
        found = before + "/".join(map(_segment, _split(run, "/"))) + (end if last else "(?=/)")
        text += found if last else f"(?>{found})"
    return text


def _split(tokens: list[str], at: str) -> Iterator[list[str]]:
    run: list[str] = []
    for token in tokens:
        if token == at:
            yield run
            run = []
        else:
            run.append(token)
    yield run


def _segment(tokens: list[str]) -> str:
    """What one name has to be like; of several stars only the last looks for the name's end."""
    first, *others = ("".join(map(_one, run)) for run in _split(tokens, _STAR))
    text = first
    for number, chunk in enumerate(others):
        ends = r"(?=/|$)" if number == len(others) - 1 else ""
        text += f"(?>[^/]*?{chunk}{ends})"
    return text


def _one(token: str) -> str:
    """A part of a name that no star is in; a bracket holds no slash, whatever it leaves out."""
    if token == _SEGMENT:
        return f"{_SEGMENT}+"
    return f"(?!/){token}" if token.startswith("[") else token
