"""Modules that are imported for what no run asks of them are loaded when somebody asks."""

import subprocess
import sys

import pytest

BEGIN = "import sys; from loop_kit.cli.late_modules import postpone_modules; postpone_modules(); "


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("from importlib.metadata import entry_points; print('email' in sys.modules)", "False\n"),
        (
            "from importlib.metadata import entry_points; print(len(entry_points(group='no')))",
            "0\n",
        ),
        ("from importlib.metadata import version; print(version('loop-kit') > '')", "True\n"),
        ("from importlib import metadata; print(metadata.version('loop-kit') > '')", "True\n"),
        ("import importlib.metadata._meta as m; print(m.SimplePath.__name__)", "SimplePath\n"),
        ("import shutil, traceback, inspect; print('_bz2' in sys.modules)", "False\n"),
        ("import bz2; print(bz2.decompress(bz2.compress(b'a')), '_bz2' in sys.modules)", None),
        ("from locale import LC_ALL, getlocale; print(LC_ALL, getlocale())", None),
        ("import textwrap as t; print(t.dedent(' a'), t is sys.modules['textwrap'])", "a False\n"),
        ("import inspect; print(inspect.getsource(inspect.getsource)[:3])", "def\n"),
        ("import locale; print(locale.nowhere if hasattr(locale, 'nowhere') else 1)", "1\n"),
    ],
)
def test_the_module_is_loaded_when_something_is_asked_of_it(code: str, printed: str | None) -> None:
    """Without `printed`, as without us."""
    expected = output(f"import sys; {code}") if printed is None else printed
    assert output(BEGIN + code) == expected


def output(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
