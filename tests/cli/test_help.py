"""The help: in groups, in whole sentences, on 80 columns, and completed by the shell."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.programs import LOOP
from typer.main import get_command
from typer.testing import CliRunner

from loop_kit.cli.grouped_help import COMMANDS, RUN, completion_help
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


def _commands(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    yield words
    for name, sub in getattr(command, "commands", {}).items():
        yield from _commands(sub, *words, name)


@pytest.mark.parametrize("words", [*_commands(get_command(APP))], ids=" ".join)
def test_no_line_is_wider_than_a_terminal_and_no_sentence_is_cut(words: tuple[str, ...]) -> None:
    text = _help(*words)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert [line for line in text.splitlines()[1:] if line.endswith("...")] == []


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


def _completed(**variables: str) -> str:
    environ = {**os.environ, **variables}
    return subprocess.run(
        [LOOP], env=environ, capture_output=True, text=True, timeout=60, check=True
    ).stdout


@pytest.mark.parametrize("group", ["", "card ", "knowledge "])
def test_what_the_shell_shows_beside_each_command_is_whole_and_fits_on_80_columns(
    group: str,
) -> None:
    words = {"_LOOP_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": f"loop {group}"}
    offered = dict(re.findall(r'"([\w-]+)":"([^"]+)"', _completed(**words)))
    inner = vars(get_command(APP))["commands"]
    if group:
        inner = inner[group.strip()].commands
    visible = {name: str(each.help) for name, each in inner.items() if not each.hidden}

    assert offered.keys() == visible.keys()
    for name, text in visible.items():
        shown = completion_help(inner[name])
        assert len(shown) <= 58
        assert text.startswith(shown)
        unquoted = re.sub(r"[\\`]", "", offered[name].replace("''", "'"))
        assert unquoted == shown.replace("`", "")
    assert [text for text in offered.values() if text.endswith("...")] == []


def test_bash_completes_with_the_script_that_is_installed() -> None:
    typed = "COMP_WORDS=(loop dispatch-m) COMP_CWORD=1; _loop_completion loop"
    program = f'eval "$(_LOOP_COMPLETE=source_bash loop)"; {typed}; echo "${{COMPREPLY[@]}}"'
    path = f"{LOOP.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", program],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("dispatch-metrics", "")


def test_zsh_and_fish_get_a_script_for_loop_and_what_it_asks_for() -> None:
    assert "compdef _loop_completion loop" in _completed(_LOOP_COMPLETE="source_zsh")
    asked = _completed(_LOOP_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="loop dispatch-m")
    assert asked.startswith('_arguments \'*: :(("dispatch-metrics":')

    assert "complete --command loop " in _completed(_LOOP_COMPLETE="source_fish")
    fish = {"_LOOP_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    asked = _completed(**fish, _TYPER_COMPLETE_ARGS="loop status --wa")
    assert asked.split("\t")[0] == "--watch"
