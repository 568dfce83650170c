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
