"""`loop init`: makes the folder `.loop/`, and on request what GitHub needs."""

from pathlib import Path

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting


def init(
    loop_dir: LoopDir = LOOP_DIR,
    github: bool = typer.Option(
        False, "--github", help="Also add the workflows and the issue form, and create the labels."
    ),
    layout: str = typer.Option("", help="With --github: one-job (the default) or three-jobs."),
    backend: str = typer.Option(
        "", help="With --github: the agent to install: codex (the default), claude or opencode."
    ),
) -> None:
    """Make the folder .loop/ with templates and an example task card."""
    from loop_kit.usecases.github_files import AgentChoice, Layout, parse_choice
    from loop_kit.usecases.init import initialize

    if not github and (layout or backend):
        raise BadSetting("--layout and --backend are about a workflow.", "Add --github.")
    jobs = parse_choice("--layout", layout or Layout.ONE_JOB, Layout)
    agent = parse_choice("--backend", backend or AgentChoice.CODEX, AgentChoice)
    for line in initialize(Path.cwd(), loop_dir, (jobs, agent) if github else None):
        typer.echo(line)
