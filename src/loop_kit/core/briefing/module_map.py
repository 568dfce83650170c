"""The map of a repository's Python modules: what each defines at its top level, and where.

Sources and an older map are hostile input: nothing is executed, names are cut, and what the parser
gives up on has no exports.
"""

import ast
import json
import warnings
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen

MAX_EXPORTS = 1000
_MAX_NAME = 200


@frozen
class Module:
    """One source file; `last_modified` is in nanoseconds since 1970, as the file system reports."""

    path: str
    exports: tuple[str, ...]
    docstring: str
    loc: int
    size_bytes: int
    last_modified: int


def exports(source: str) -> tuple[tuple[str, ...], str]:
    """Top-level definitions (`class A:L6`, `def f:L11`, `async def g:L20`) and the docstring's top.

    At most `MAX_EXPORTS`; nothing for a source that Python does not parse.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return (), ""
    found = [export for node in tree.body if (export := _export(node))]
    docstring = (ast.get_docstring(tree, clean=False) or "").strip()
    return tuple(found[:MAX_EXPORTS]), one_line(docstring.split("\n", 1)[0], _MAX_NAME)


def _export(node: ast.stmt) -> str | None:
    match node:
        case ast.ClassDef(name=name):
            text = f"class {name[:_MAX_NAME]}"
        case ast.FunctionDef(name=name):
            text = f"def {name[:_MAX_NAME]}"
        case ast.AsyncFunctionDef(name=name):
            text = f"async def {name[:_MAX_NAME]}"
        case _:
            return None
    return f"{text}:L{node.lineno}"


def document(modules: Sequence[Module], generated_at: str) -> bytes:
    """The map as JSON; `generated_at` is UTC."""
    keys = [each.name for each in fields(Module)]
    files = [{key: getattr(module, key) for key in keys} for module in modules]
    body = {"files": files, "generated_at": generated_at, "total_files": len(files)}
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    # A byte of a path that is not UTF-8 is half a character here; JSON escapes it in this form.
    return text.encode("utf-8", "backslashreplace")


def parse_modules(text: str) -> list[Module]:
    """The modules of an older map; none when it is damaged."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return []
    entries = body.get("files") if isinstance(body, dict) else None
    modules = map(_module, entries if isinstance(entries, list) else [])
    return [module for module in modules if module is not None]


def _module(entry: Any) -> Module | None:
    """The module in `entry`, or None when it is not of our form."""
    if not isinstance(entry, dict):
        return None
    names = entry.get("exports")
    if not isinstance(names, list):
        return None
    texts = [entry.get("path"), entry.get("docstring"), *names]
    numbers: list[Any] = [entry.get(key) for key in ("loc", "size_bytes", "last_modified")]
    if {type(text) for text in texts} != {str} or {type(number) for number in numbers} != {int}:
        return None
    return Module(
        entry["path"],
        tuple(one_line(name, _MAX_NAME + 20) for name in names[:MAX_EXPORTS]),
        one_line(entry["docstring"], _MAX_NAME),
        *numbers,
    )
