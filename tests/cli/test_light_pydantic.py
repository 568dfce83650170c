"""Pydantic is loaded lightly, and works as ever, as everything else does."""

import subprocess
import sys

import pytest

BEGIN = (
    "from loop_kit.cli.light_pydantic import lighten_pydantic; lighten_pydantic(); "
    "import sys, typing, typing_extensions; from pydantic_core import core_schema; "
)


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("print(core_schema.IntSchema.__mro__[1:] == dict.__mro__)", "True\n"),
        ("print(type(core_schema.CoreConfig(title='a')) is dict)", "True\n"),
        ("print(core_schema.CoreConfig(title='a'))", "{'title': 'a'}\n"),
        ("print(core_schema.__spec__.loader.get_filename()[-14:])", "core_schema.py\n"),
        ("print([type(each).__name__ for each in sys.meta_path if 'loop' in repr(each)])", "[]\n"),
        (
            "T = typing.TypedDict('T', {'a': int}); print(typing.is_typeddict(T))",
            "True\n",
        ),
        (
            "T = typing_extensions.TypedDict('T', {'a': int}); "
            "print(typing_extensions.is_typeddict(T))",
            "True\n",
        ),
        (
            "from pydantic import TypeAdapter; "
            "T = typing_extensions.TypedDict('T', {'a': int}); "
            "print(TypeAdapter(T).validate_python({'a': '1'}))",
            "{'a': 1}\n",
        ),
    ],
)
def test_only_the_types_of_schemas_are_light(code: str, printed: str) -> None:
    command = [sys.executable, "-c", BEGIN + code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == printed


def test_a_loaded_module_is_left_alone() -> None:
    code = "import sys, pydantic_core; before = list(sys.meta_path); "
    code += BEGIN + "print(before == sys.meta_path, core_schema.IntSchema.__total__)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True False\n"


CLASSES = """
from dataclasses import FrozenInstanceError, asdict, dataclass, field, replace
@dataclass(frozen=True, slots=True, order=True)
class Point:
    x: int
    y: int = 2
    z: list = field(default_factory=list, compare=False)
@dataclass(kw_only=True)
class Named:
    name: str = "a"
    def __post_init__(self): self.name += "!"
@dataclass
class Longer(Named):
    more: int = 1
"""


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("print(Point(1), Point(1) == Point(1, 2, [3]), Point(1) < Point(0, 9))", None),
        ("print(len({Point(1), Point(1, 2), Point(2)}), Point(1).z is Point(1).z)", "2 False\n"),
        ("print(Longer(5), Longer(5, name='b'), Longer(5) == Longer(5))", None),
        ("print(asdict(Point(1)), replace(Point(1), y=5), Point.__init__.__qualname__)", None),
        ("try: Point()\nexcept TypeError as error: print(error)", None),
        ("try: Point(1).x = 2\nexcept FrozenInstanceError as error: print(error)", None),
        ("import annotated_types as a; print(a.Gt(1), a.Len(1) == a.Len(1), [*a.Len(1, 2)])", None),
    ],
)
def test_a_dataclass_is_what_it_is_without(code: str, printed: str | None) -> None:
    found = [
        subprocess.run(
            [sys.executable, "-c", f"{begin}\n{CLASSES}\n{code}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for begin in (BEGIN, "")
    ]
    assert found[0] == found[1] == (printed or found[1]) != ""
