"""Finds every regular expression in the sources, and text that makes a bad one take long.

A pattern that can match in many ways takes time by the square of the text, or worse. What to try is
read off the pattern itself: pieces that its parts match, each repeated, after what comes before
them, with an end that the pattern does not expect.
"""

from __future__ import annotations

import ast
import importlib
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

FUNCTIONS = ("match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer")
ENDS = ("", "\0", "\n!")
_FLAGS = {"compile": 1, "sub": 4, "subn": 4, "split": 3}
_CLASSES = {
    "CATEGORY_DIGIT": "0",
    "CATEGORY_NOT_DIGIT": "a",
    "CATEGORY_SPACE": " \n",
    "CATEGORY_NOT_SPACE": "a-",
    "CATEGORY_WORD": "a_0",
    "CATEGORY_NOT_WORD": "- ",
}
_REPEATS = (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT)


@dataclass(frozen=True)
class Found:
    """One regular expression in the sources, and how it is used."""

    place: str
    pattern: re.Pattern[Any]
    methods: frozenset[str]


@dataclass
class Sources:
    """What the modules below a folder do with patterns; `unread` needs more than a module knows."""

    found: list[Found] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def patterns_in(folder: Path, package: str) -> Sources:
    """Every pattern that the modules in `folder` compile or use."""
    sources = Sources()
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(folder.rglob("*.py"))}
    for path, tree in trees.items():
        parts = (package, *path.relative_to(folder).with_suffix("").parts)
        module = ".".join(parts).removesuffix(".__init__")
        names, methods = _names_of_patterns(tree), _methods_by_name(tree)
        others = _methods_of_others(tree, set(names.values()))
        for call in _calls(tree):
            place = f"{module}:{call.lineno}"
            known = vars(importlib.import_module(module))
            try:
                pattern = _compiled(call, known)
            except NameError:
                sources.unread.append(place)
                continue
            assert isinstance(call.func, ast.Attribute)
            used = {call.func.attr} if call.func.attr in FUNCTIONS else set()
            if not used:
                name = names.get(id(call))
                used = methods.get(name, set()) if name else others
            sources.found.append(Found(place, pattern, frozenset(used or {"search"})))
    return sources


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            if of_re and node.func.attr in (*FUNCTIONS, "compile"):
                yield node


def _compiled(call: ast.Call, known: dict[str, Any]) -> re.Pattern[Any]:
    assert isinstance(call.func, ast.Attribute)
    index = _FLAGS.get(call.func.attr, 2)
    flags = {word.arg: word.value for word in call.keywords}.get("flags")
    if flags is None and len(call.args) > index:
        flags = call.args[index]
    pattern = _value(call.args[0], known)
    return re.compile(pattern, _value(flags, known) if flags is not None else 0)


def _value(node: ast.expr, known: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), "pattern", "eval"), known)


def _names_of_patterns(tree: ast.AST) -> dict[int, str]:
    """The names that calls of `re.compile` are given, by the identity of the call."""
    return {
        id(node.value): target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _methods_by_name(tree: ast.AST) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
            used.setdefault(ast.unparse(node.value), set()).add(node.attr)
    return used


def _methods_of_others(tree: ast.AST, names: set[str]) -> set[str]:
    """The methods that a module calls on what has no name of its own, as in a table of patterns."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in FUNCTIONS
        if ast.unparse(node.value) not in {*names, "re"} and node.attr not in {"split", "sub"}
    }


# --- text that takes long --------------------------------------------------------------------


class TooLong(Exception):
    """A match was ended because it took too much of the processor."""


def cpu_seconds(act: Callable[[], object], limit: float) -> float:
    """The processor's time for `act`, which is ended after `limit` seconds of it."""

    def end(number: int, frame: object) -> None:
        del number, frame
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    began = time.process_time()
    try:
        act()
    except TooLong:
        return limit
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return time.process_time() - began


def match_all(pattern: re.Pattern[Any], method: str, text: Any) -> None:
    """Use `pattern` on all of `text`."""
    call = getattr(pattern, method)
    if method in {"sub", "subn"}:
        call(text[:0], text)
    elif method == "finditer":
        for _ in call(text):
            pass
    else:
        call(text)


@dataclass(frozen=True)
class Attack:
    """A text of any size that a pattern may take long for."""

    before: str
    piece: str
    end: str

    def text(self, size: int) -> str:
        """About `size` characters of it."""
        return self.before + self.piece * (size // len(self.piece)) + self.end


def attacks(pattern: re.Pattern[Any]) -> Iterator[Attack]:
    """What a pattern may take long for."""
    source = pattern.pattern
    source = source if isinstance(source, str) else source.decode("latin-1")
    tree = list(parser.parse(source, pattern.flags & ~re.UNICODE))
    pumps: set[tuple[str, str]] = set()
    characters: set[str] = set()
    _collect(tree, "", pumps, characters)
    whole = _example(tree, 0)
    pumps |= {("", whole[:end]) for end in {len(whole), len(whole) - 1, len(whole) // 2}}
    pumps |= {("", character) for character in characters}
    for before, piece in sorted(pumps):
        if piece:
            for end in ENDS:
                yield Attack(before, piece, end)


def _collect(
    tree: list[Any], before: str, pumps: set[tuple[str, str]], characters: set[str]
) -> None:
    start = before
    for operation, value in tree:
        if operation is c.LITERAL:
            characters.add(chr(value))
        elif operation is c.IN:
            characters.update(_members(value))
        elif operation is c.ANY:
            characters.update("a ")
        elif operation in _REPEATS:
            pumps |= {(before, _example(value[2], which)) for which in range(4)}
        for inner in _inner(operation, value):
            _collect(list(inner), before, pumps, characters)
        before += _example([(operation, value)], 0)
    pumps.add((start, before[len(start) :]))


def _inner(operation: Any, value: Any) -> list[Any]:
    if operation in _REPEATS:
        return [value[2]]
    if operation is c.SUBPATTERN:
        return [value[3]]
    if operation is c.BRANCH:
        return list(value[1])
    if operation in (c.ASSERT, c.ASSERT_NOT):
        return [value[1]]
    return [value] if operation is c.ATOMIC_GROUP else []


def _members(items: list[Any]) -> str:
    found, negated = "", False
    for operation, value in items:
        if operation is c.NEGATE:
            negated = True
        elif operation is c.LITERAL:
            found += chr(value)
        elif operation is c.RANGE:
            found += chr(value[0]) + chr(value[1])
        elif operation is c.CATEGORY:
            found += _CLASSES[str(value)]
    return "".join(each for each in 'a -.0\n/<"#`' if each not in found) if negated else found


def _example(tree: Iterable[Any], which: int) -> str:
    """A text that matches, but for what looks around; `which` picks among several."""
    text = ""
    for operation, value in tree:
        if operation is c.LITERAL:
            text += chr(value)
        elif operation is c.NOT_LITERAL:
            text += "b" if value == ord("a") else "a"
        elif operation is c.ANY:
            text += " a"[which % 2]
        elif operation is c.IN:
            members = _members(value) or "a"
            text += members[which % len(members)]
        elif operation in _REPEATS:
            text += _example(value[2], which) * max(value[0], 1)
        elif operation is c.BRANCH:
            text += _example(value[1][which % len(value[1])], which)
        elif operation is c.GROUPREF:
            text += "`"
        elif operation not in (c.ASSERT, c.ASSERT_NOT):
            text += "".join(_example(each, which) for each in _inner(operation, value))
    return text
