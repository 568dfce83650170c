"""What a Python module defines is read without running it, and a map is read and written whole."""

from __future__ import annotations

import ast
import json
import random

import pytest

from loop_kit.core.briefing.module_map import MAX_EXPORTS, Module, document, exports, parse_modules

SOURCE = '''"""What it is for.

More of it.
"""
import os

class A(object):
    def method(self): ...

@decorated
def f(): ...

async def g():
    def inner(): ...

if os:
    def conditional(): ...
'''
HOSTILE = {
    "brackets": "(" * 100_000,
    "signs": "x = " + "-" * 100_000 + "1",
    "attributes": "a" + ".b" * 100_000,
    "branches": "if a: pass\n" + "elif b: pass\n" * 20_000,
    "a null": "def f(): pass\0",
    "a number": "x = " + "9" * 100_000,
    "half a string": "'" * 99_999,
    "no Python": "def f(:\n",
}


def module(path: str = "a.py", **changes: object) -> Module:
    known = {"exports": ("def f:L1",), "docstring": "", "loc": 1, "size_bytes": 9}
    return Module(**{"path": path, **known, "last_modified": 1, **changes})  # type: ignore[arg-type]


def test_top_level_definitions_are_listed_with_their_lines() -> None:
    found, docstring = exports(SOURCE)
    assert found == ("class A:L7", "def f:L11", "async def g:L13")
    assert docstring == "What it is for."


def test_a_module_without_a_docstring_has_an_empty_one() -> None:
    assert exports("def f(): 'not this'") == (("def f:L1",), "")
    assert exports("'''\n\n   First \n second'''") == ((), "First")
    assert exports("") == ((), "")


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_source_that_the_parser_gives_up_on_has_no_exports(kind: str) -> None:
    assert exports(HOSTILE[kind]) == ((), "")


def test_the_parser_warns_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(SyntaxWarning, match="invalid decimal literal"):
        ast.parse("y = 1or 2")
    assert exports("x = '\\d'\ny = 1or 2\ndef f(): ...")[0] == ("def f:L3",)
    assert capfd.readouterr().err == ""


def test_names_and_their_number_are_bounded() -> None:
    found, docstring = exports("'" + "x" * 999 + "'\n" + f"def {'f' * 9999}(): ...\n" * 3000)
    assert (len(found), len(docstring)) == (MAX_EXPORTS, 200)
    assert max(map(len, found)) < 220


def test_a_docstring_is_one_line_without_what_acts_on_a_terminal() -> None:
    assert exports(r"'\x1b[31mred\ud800\u202e\x07'") == ((), "red")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_map_has_the_form_that_is_known(count: int) -> None:
    parts = [module(f"{n}.py", exports=("def f:L1",) * n) for n in range(count)]
    text = document(parts, "2026-11-22T12:00:00Z").decode()
    files = [
        {
            "path": f"{n}.py",
            "exports": ["def f:L1"] * n,
            "docstring": "",
            "loc": 1,
            "size_bytes": 9,
            "last_modified": 1,
        }
        for n in range(count)
    ]
    known = {"files": files, "generated_at": "2026-11-22T12:00:00Z", "total_files": count}
    assert text == json.dumps(known, indent=2) + "\n"


def test_a_map_is_read_as_it_was_written() -> None:
    latin = b"\xff.py".decode("utf-8", "surrogateescape")
    listed = [module('"\\ü\n.py', docstring="é"), module(latin)]
    text = document(listed, "").decode()
    assert parse_modules(text) == listed
    assert parse_modules(json.dumps(json.loads(text))) == listed


def test_entries_of_another_form_are_passed_over() -> None:
    good = json.loads(document([module()], ""))["files"][0]
    bad: list[object] = [1, None, {}, [], *({**good, key: None} for key in good)]
    bad += [{**good, "loc": True}, {**good, "exports": [1]}, {**good, "size_bytes": 1.5}]
    text = json.dumps({"files": [*bad, good]})
    assert parse_modules(text) == [module()]


def test_a_damaged_map_never_makes_the_reader_fail() -> None:
    text = document([module("a.py"), module("b.py")], "").decode()
    rng = random.Random(3)
    for _ in range(300):
        at = rng.randrange(len(text))
        damaged = text[:at] + rng.choice(["", "[" * 5000, "\0", "}", ","]) + text[at + 1 :]
        assert len(parse_modules(damaged)) <= 2
    for text in ("", "[]", '{"files": 5}', '{"files": [', '{"files": [' + "[" * 100_000):
        assert parse_modules(text) == []
