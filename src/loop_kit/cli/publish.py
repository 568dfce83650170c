"""`loop publish`: brings a fetched loop back to CI. What it does is in `publishing`."""

import os
from pathlib import Path

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting, ExitCode


def publish(
    task_id: str = typer.Argument("", help="Which task.  [the one in the loop's folder]"),
    continue_: bool = typer.Option(
        False, "--continue", help="Start the next round in CI; needs a token."
    ),
    workflow: str = typer.Option("loop.yml", help="The workflow that runs the next round."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Bring a loop that was fetched back to CI: its state and its work."""
    from loop_kit.usecases.publish import PublishRequest, publish_loop
    from loop_kit.usecases.published import shown

    if not workflow:
        raise BadSetting("--workflow is empty.", "Name the file of the workflow.")
    request = PublishRequest(
        cwd=Path.cwd(),
        environ=dict(os.environ),
        task_id=task_id,
        loop_dir=loop_dir,
        workflow=workflow,
        continues=continue_,
    )
    published = publish_loop(request)
    typer.echo(shown(published, as_json=as_json), err=bool(published.refused) and not as_json)
    if published.refused:
        raise typer.Exit(int(ExitCode.NEEDS_PERSON))
