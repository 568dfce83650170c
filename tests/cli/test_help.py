"""The help: in groups, in whole sentences, on 80 columns, and completed by the shell."""

from __future__ import annotations

import os
import subprocess

import pytest
from tests.support.programs import LOOP
from typer.main import get_command
from typer.testing import CliRunner

from loop_kit.cli.grouped_help import COMMANDS, RUN
from loop_kit.cli.program import program

APP = program()


def _help(*words: str) -> str:
    shown = CliRunner().invoke(APP, [*words, "--help"], terminal_width=80)
    assert shown.exit_code == 0
    return str(shown.output)


def test_every_command_is_in_a_group_with_its_whole_sentence() -> None:
    text = " ".join(_help().split())
    commands = vars(get_command(APP))["commands"]

    assert sorted(commands) == sorted(name for names in COMMANDS.values() for name in names)
    cut = [name for name, c in commands.items() if c.help.partition("\n")[0] not in text]
    assert cut == []
    assert "Other commands" not in text
    assert "..." not in text.replace("[ARGS]...", "")


def test_every_option_of_run_is_in_a_group() -> None:
    run = vars(get_command(APP))["commands"]["run"]
    grouped = {name for names in RUN.values() for name in names}

    assert grouped <= {param.name for param in run.params}
    others = _help("run").split("Other options:")[1]
    assert [line.split()[0] for line in others.splitlines() if line.startswith("  -")] == [
        "--verbose",
        "--loop-dir",
        "-h,",
    ]


@pytest.mark.parametrize("words", [(), ("run",), ("status",), ("card",), ("sweep",)])
def test_no_line_is_wider_than_a_terminal(words: tuple[str, ...]) -> None:
    assert [line for line in _help(*words).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("typed", "offered"), [("loop st", "status"), ("loop status --wa", "--watch")]
)
def test_the_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    variables = {"_LOOP_COMPLETE": "complete_bash", "COMP_WORDS": typed}
    done = subprocess.run(
        [LOOP],
        env={**os.environ, **variables, "COMP_CWORD": str(len(typed.split()) - 1)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.split() == [offered]
