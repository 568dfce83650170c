"""Any other program as a backend: `--worker-command`, `--reviewer-command`.

The words of the command are passed to the system unchanged, never to a shell; in each of them
`{prompt_file}`, `{report_path}` and `{workspace}` are replaced. The prompt is on standard input
too. What it used it may write into its mailbox (`usage_file`). A program with a slash in its name
is looked up from the repository's root, so that a worker cannot replace it in the workspace.
"""

import os

from loop_kit.adapters.agents.command_line import CommandLineAgent, Invocation, Setup, on_path
from loop_kit.adapters.agents.usage_file import UsageFileReader
from loop_kit.adapters.process.programs import expand_home
from loop_kit.errors import BadSetting
from loop_kit.ports import Assignment

PROMPT = "prompt.md"


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

    def executable() -> str:
        if "/" not in program and os.sep not in program:
            return on_path(program, setup.environment)
        path = setup.root / expand_home(program)
        return str(path) if os.access(path, os.X_OK) and path.is_file() else ""

    def invocation(assignment: Assignment, found: str) -> Invocation:
        prompt = assignment.mailbox / PROMPT
        raw = assignment.prompt.encode(errors="replace")
        prompt.write_bytes(raw)
        places = {
            "{prompt_file}": str(prompt.absolute()),
            "{report_path}": str(assignment.report.absolute()),
            "{workspace}": str(assignment.workspace.absolute()),
        }
        return Invocation([found, *(_fill_in(word, places) for word in words)], raw)

    return CommandLineAgent(
        "command", setup, executable, invocation, UsageFileReader, missing=program
    )


def _fill_in(word: str, places: dict[str, str]) -> str:
    for name, path in places.items():
        word = word.replace(name, path)
    return word
