"""The map of a repository's Python modules: what each defines at its top level, and where.

Sources and an older map are hostile input: nothing is executed, names are cut, and what the parser
gives up on has no exports. The map is handled entry by entry, as text, because a repository may
have a hundred thousand modules.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from loop_kit.core.sanitize import one_line

MAX_EXPORTS = 1000
_MAX_NAME = 200
_START = re.compile(r'\s*\{\s*"files"\s*:\s*\[\s*')
_COMMA = re.compile(r"\s*,\s*")


@dataclass(frozen=True, slots=True)
class Module:
    """One source file; `last_modified` is in nanoseconds since 1970, as the file system says."""

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
    found = [shown for node in tree.body if (shown := _export(node))]
    docstring = (ast.get_docstring(tree, clean=False) or "").strip()
    return tuple(found[:MAX_EXPORTS]), one_line(docstring.split("\n", 1)[0], _MAX_NAME)


def _export(node: ast.stmt) -> str:
    match node:
        case ast.ClassDef(name=name):
            shown = f"class {name[:_MAX_NAME]}"
        case ast.FunctionDef(name=name):
            shown = f"def {name[:_MAX_NAME]}"
        case ast.AsyncFunctionDef(name=name):
            shown = f"async def {name[:_MAX_NAME]}"
        case _:
            return ""
    return f"{shown}:L{node.lineno}"


def document(modules: Iterable[bytes], generated_at: str) -> bytes:
    """The map as JSON, from its rendered modules; `generated_at` is UTC."""
    parts = [b'{\n  "files": [']
    for module in modules:
        parts += (b",\n" if len(parts) > 1 else b"\n", module)
    count = len(parts) // 2
    tail = f'],\n  "generated_at": {_quoted(generated_at)},\n  "total_files": {count}\n}}\n'
    parts.append((f"\n  {tail}" if count else tail).encode())
    return b"".join(parts)  # once: the map may be large


def rendered(module: Module) -> bytes:
    """One module as `document` takes it, in the form of `json.dumps(..., indent=2)`."""
    names = ",".join(f"\n        {_quoted(name)}" for name in module.exports)
    names = f"[{names}\n      ]" if names else "[]"
    text = (
        "    {\n"
        f'      "path": {_quoted(module.path)},\n'
        f'      "exports": {names},\n'
        f'      "docstring": {_quoted(module.docstring)},\n'
        f'      "loc": {module.loc},\n'
        f'      "size_bytes": {module.size_bytes},\n'
        f'      "last_modified": {module.last_modified}\n'
        "    }"
    )
    # A byte of a path that is not UTF-8 is half a character here; JSON escapes it in this form.
    return text.encode("utf-8", "backslashreplace")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def modules_of(text: str) -> Iterator[Module]:
    """The modules of an older map, as far as it has our form."""
    start = _START.match(text)
    decoder = json.JSONDecoder()
    while start is not None:
        try:
            entry, end = decoder.raw_decode(text, start.end())
        except (ValueError, RecursionError):
            return
        module = _module(entry)
        if module is not None:
            yield module
        start = _COMMA.match(text, end)


def _module(entry: Any) -> Module | None:
    """The module that `entry` says, or None when it is not of our form."""
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
