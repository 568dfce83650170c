"""`loop init`: makes the folder `.loop/`, and on request what GitHub needs."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting, ExitCode

if TYPE_CHECKING:
    from loop_kit.usecases.github_files import AgentChoice, Layout


def init(
    loop_dir: LoopDir = LOOP_DIR,
    github: bool = typer.Option(
        False, "--github", help="Also add the workflows and the issue form, and create the labels."
    ),
    diff: bool = typer.Option(
        False,
        "--diff",
        help="With --github: print what the installed files lack, as a patch, and write nothing;"
        " exit 1 if they lack anything.",
    ),
    layout: str = typer.Option("", help="With --github: one-job (the default) or three-jobs."),
    backend: str = typer.Option(
        "", help="With --github: the agent to install: codex (the default), claude or opencode."
    ),
) -> None:
    """Make .loop/ with templates and an example task card."""
    from loop_kit.usecases.github_files import AgentChoice, Layout, parse_choice
    from loop_kit.usecases.init import initialize

    if not github and (layout or backend or diff):
        raise BadSetting(
            "--layout, --backend and --diff are about a workflow.",
            "Add --github.",
            anchor="flags-contradict",
        )
    jobs = parse_choice("--layout", layout, Layout) if layout else None
    agent = parse_choice("--backend", backend, AgentChoice) if backend else None
    if diff:
        _print_missing_parts(jobs, agent)
        return
    workflow = (jobs or Layout.ONE_JOB, agent or AgentChoice.CODEX)
    for line in initialize(Path.cwd(), loop_dir, workflow if github else None):
        typer.echo(line)


def _print_missing_parts(jobs: "Layout | None", agent: "AgentChoice | None") -> None:
    from loop_kit.usecases.github_diff import missing_parts

    lines = list(missing_parts(Path.cwd(), jobs, agent))
    for line in lines:
        typer.echo(line)
    if lines:
        raise typer.Exit(int(ExitCode.GENERAL))
