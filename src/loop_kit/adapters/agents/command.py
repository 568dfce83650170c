"""Any other program as a backend: `--worker-command`, `--reviewer-command`.

The words of the command are passed to the system unchanged, never to a shell; in each of them
`{prompt_file}`, `{report_path}` and `{workspace}` are replaced. The prompt is on standard input
too. What it used it may write into its mailbox (`usage_file`). A program with a slash in its name
is looked up from the repository's root, so that a worker cannot replace it in the workspace.
"""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from loop_kit.adapters.agents.command_line import CommandLineAgent, Invocation, Setup, on_path
from loop_kit.adapters.agents.usage_file import UsageFileReader
from loop_kit.adapters.process.programs import expand_home
from loop_kit.errors import BadSetting
from loop_kit.ports import Assignment

PROMPT = "prompt.md"
_PLACES = ("prompt_file", "report_path", "workspace")


def command(setup: Setup) -> CommandLineAgent:
    """The backend `command`.

    Raises:
        BadSetting: no command is given.
    """
    if not setup.command:
        raise BadSetting(
            "The backend command needs a program to run.",
            "Give it with --worker-command and --reviewer-command.",
            anchor="backend-incomplete",
        )
    program, *words = setup.command
    _require_known_places(words)

    def executable() -> str:
        if "/" not in program and os.sep not in program:
            return on_path(program, setup.environment)
        path = setup.root / expand_home(program)
        return str(path) if os.access(path, os.X_OK) and path.is_file() else ""

    def invocation(assignment: Assignment, found: str) -> Invocation:
        prompt = assignment.mailbox / PROMPT
        raw = assignment.prompt.encode(errors="replace")
        prompt.write_bytes(raw)
        paths = (prompt, assignment.report, assignment.workspace)
        places = {f"{{{name}}}": str(p.absolute()) for name, p in zip(_PLACES, paths, strict=True)}
        return Invocation([found, *(_fill_in(word, places) for word in words)], raw)

    checked = replace(setup, refusal=setup.refusal or _refusal(program, setup.root))
    return CommandLineAgent(
        "command", checked, executable, invocation, UsageFileReader, missing=program
    )


def _refusal(program: str, root: Path) -> str:
    """Why a program that is there cannot be run, and what helps; '' for any other."""
    path = root / expand_home(program)
    if "/" not in program or not path.is_file() or os.access(path, os.X_OK):
        return ""
    return f"{program} is there, and not executable: chmod +x {shlex.quote(str(path))}"


def _require_known_places(words: Sequence[str]) -> None:
    """Refuse what looks like a misspelt place; other words in braces are the program's own.

    Raises:
        BadSetting: one of `words` has such.
    """
    import difflib

    for found in re.findall(r"\{(\w{1,40})\}", " ".join(words)):
        close = difflib.get_close_matches(found, _PLACES, n=1, cutoff=0.7)
        if close and close != [found]:
            raise BadSetting(
                f"The command has {{{found}}}, which is not replaced.",
                f"Did you mean {{{close[0]}}}?",
                anchor="backend-incomplete",
            )


def _fill_in(word: str, places: dict[str, str]) -> str:
    for name, path in places.items():
        word = word.replace(name, path)
    return word
