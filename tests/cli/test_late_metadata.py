"""What installed packages say of themselves is read only when somebody asks for it."""

import subprocess
import sys

import pytest

BEGIN = (
    "import sys; from loop_kit.cli.late_metadata import postpone_metadata; postpone_metadata(); "
)


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
    ],
)
def test_the_module_is_loaded_when_something_is_asked_of_it(code: str, printed: str) -> None:
    command = [sys.executable, "-c", BEGIN + code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == printed
