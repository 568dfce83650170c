"""What `loop init --github` adds to a repository: the workflows, the issue form, the next steps.

The shipped workflows are whole files for codex, checked as they are and shown in `examples/`.
Another agent changes three places in them: what is installed, the two backends, and the key; a
project that needs its packages gets `workspace-setup`. This module is read by a command that must
start fast: it imports nothing heavy.
"""

import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from loop_kit import defaults
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain, write_atomically
from loop_kit.core.project import setup_commands
from loop_kit.errors import BadSetting, NotARepository
from loop_kit.frozen import frozen
from loop_kit.usecases.github_checks import checking_workflows, with_checks

TRIGGER_LABEL = ("loop", "5319e7", "Starts the review loop when someone with write access sets it")
"""Name, colour and description of the label that has to be there before anybody can set it."""

WORKFLOW = ".github/workflows/loop.yml"
MAX_FILE = 1024 * 1024


class Layout(StrEnum):
    """How many jobs one round has."""

    ONE_JOB = "one-job"
    THREE_JOBS = "three-jobs"


class AgentChoice(StrEnum):
    """An agent that a workflow can be made for."""

    CODEX = "codex"
    CLAUDE = "claude"
    OPENCODE = "opencode"


_Choice = TypeVar("_Choice", Layout, AgentChoice)


def parse_choice(flag: str, value: str, choices: type[_Choice]) -> _Choice:
    """The choice that `value` names.

    Raises:
        BadSetting: it names none of them.
    """
    try:
        return choices(value)
    except ValueError:
        known = ", ".join(choices)
        raise BadSetting(f"{flag}: {value!r} is not known.", f"Choose from {known}.") from None


@frozen
class _Agent:
    """What a workflow says of an agent: its package, the repository's secret, the lines of its key.

    The last lines of a step's `with:` are its key, so that an `env:` can follow them.
    """

    package: str
    secret: str
    key: str


_AGENTS = {
    AgentChoice.CODEX: _Agent(
        "@openai/codex@0.169.0",
        "OPENAI_API_KEY",
        "          openai-api-key: ${{ secrets.OPENAI_API_KEY }}\n",
    ),
    AgentChoice.CLAUDE: _Agent(
        "@anthropic-ai/claude-code@2.1.330",
        "ANTHROPIC_API_KEY",
        "          anthropic-api-key: ${{ secrets.ANTHROPIC_API_KEY }}\n",
    ),
    AgentChoice.OPENCODE: _Agent(
        "opencode-ai@1.18.33",
        "OPENAI_API_KEY",
        "          agent-env: OPENAI_API_KEY\n"
        "        env:\n"
        "          OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n",
    ),
}
_LAYOUTS = {Layout.ONE_JOB: "loop.yml", Layout.THREE_JOBS: "loop-three-jobs.yml"}


def files(
    layout: Layout, agent: AgentChoice, setup: Sequence[str] = (), checks: Sequence[str] = ()
) -> dict[str, str]:
    """The files by their path below the repository's root.

    `setup` prepares its workspaces; the end of one of the workflows `checks` continues an approval.
    """
    workflow = with_checks(checks, _with_setup(setup, _template(_LAYOUTS[layout])))
    return {
        WORKFLOW: _for_agent(agent, workflow),
        ".github/workflows/loop-sweep.yml": _template("loop-sweep.yml"),
        ".github/ISSUE_TEMPLATE/loop.yml": _template("issue_form.yml"),
    }


def _template(name: str) -> str:
    return defaults.text(f"github/{name}")


def _for_agent(agent: AgentChoice, workflow: str) -> str:
    codex, wanted = _AGENTS[AgentChoice.CODEX], _AGENTS[agent]
    return (
        workflow.replace(codex.package, wanted.package)
        .replace(f"-backend: {AgentChoice.CODEX}\n", f"-backend: {agent}\n")
        .replace(codex.key, wanted.key)
    )


def _with_setup(setup: Sequence[str], workflow: str) -> str:
    """The workflow, whose agents' step has the input `workspace-setup`."""
    if not setup:
        return workflow
    lines = "".join(f"            {command}\n" for command in setup)
    first = "          worker-backend:"
    return workflow.replace(first, f"          workspace-setup: |\n{lines}{first}")


def check_place(root: Path) -> None:
    """Check that the files can be written below `root`, before anything is.

    Raises:
        NotARepository: `root` is no git repository.
        BadSetting: a folder for them is a link or a file; GitHub follows no link there.
    """
    if not (root / ".git").exists():
        raise NotARepository(
            f"{root} is not a git repository, so it has no workflows.",
            "Run `git init` there first.",
        )
    for name in (".github", ".github/workflows", ".github/ISSUE_TEMPLATE"):
        folder = root / name
        if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
            raise BadSetting(
                f"{folder} is not a folder.",
                "Replace it with a folder.",
                anchor="folder-in-the-way",
            )


def install(root: Path, layout: Layout, agent: AgentChoice) -> Iterator[str]:
    """Write the files that are missing below `root`; yields a line for each file as it is done."""
    setup = setup_commands({entry.name for entry in os.scandir(root)}, "pipx run ")
    for name, text in files(layout, agent, setup, checking_workflows(root)).items():
        path, content = root / name, text.encode()
        if not os.path.lexists(path):
            write_atomically(path, content)
            yield f"Created {path}"
        elif _content(path) != content:
            yield (
                f"Left {path} as it is; it differs from the shipped one. To see what it lacks:"
                " loop init --github --diff"
            )


def _content(path: Path) -> bytes | None:
    """The content of a plain file, or None for a link and anything else."""
    try:
        return read_plain(path, MAX_FILE)
    except BusFileUnreadable:
        return None


def next_steps(agent: AgentChoice, *, has_origin: bool, has_label: bool) -> list[str]:
    """What a person still has to do, in order, one line each."""
    name, color, description = TRIGGER_LABEL
    label = f'gh label create {name} --color {color} --description "{description}"'
    push = (
        "  git push        # the workflows count once they are on the default branch"
        if has_origin
        else "  gh repo create --source=. --push        # there is no remote `origin` yet"
    )
    return [
        "Next, once (gh is GitHub's command line):",
        '  git add .github && git commit -m "Add the review loop"',
        push,
        *([] if has_label else [f"  {label}"]),
        f"  gh secret set {_AGENTS[agent].secret}",
        '  and in the browser, under Settings > Actions > General: turn on "Allow GitHub Actions to'
        ' create and approve pull requests"',
        f'Then open an issue with the form "Task for the loop", and set the label {name} on it.',
    ]
