"""`loop init`: makes the folder `.loop/`, and on request what GitHub needs."""

from pathlib import Path

import typer

from loop_kit.adapters.loop_dir.loop_folder import loop_folder, repository_root
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
    from loop_kit.usecases import github_files
    from loop_kit.usecases.github_files import AgentChoice, Layout
    from loop_kit.usecases.init import make_folder, make_labels_or_explain

    root = repository_root(Path.cwd())
    folder = loop_folder(root, loop_dir)
    if not github and (layout or backend):
        raise BadSetting("--layout and --backend are about a workflow.", "Add --github.")
    jobs = github_files.parse_choice("--layout", layout or Layout.ONE_JOB, Layout)
    agent = github_files.parse_choice("--backend", backend or AgentChoice.CODEX, AgentChoice)
    if github:
        github_files.check_place(root)
    for line in make_folder(root, folder):
        typer.echo(line)
    if not github:
        typer.echo(
            f"Ready. Copy {folder / 'examples' / 'task_card.json'} to {folder / 'task_card.json'},"
            " edit it, then: loop run --auto-dispatch"
        )
        return
    for line in github_files.install(root, jobs, agent):
        typer.echo(line)
    for line in make_labels_or_explain(root, agent):
        typer.echo(line)
