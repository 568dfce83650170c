"""`loop fetch`: a loop of CI into the loop's folder and a branch. What it does is in `fetching`."""

import os
from pathlib import Path

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR


def fetch(
    task_id: str = typer.Argument(..., help="Which task."),
    remote: str = typer.Option("origin", help="The git remote that the loop is on."),
    branch_prefix: str = typer.Option("", help="The prefix of the loop's branches.  [loop]"),
    switch: bool = typer.Option(False, "--switch", help="Switch to the work branch."),
    force: bool = typer.Option(
        False, "--force", help="Also over another loop here, which is moved aside."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Fetch a loop of CI, to go on with it here."""
    from loop_kit.usecases.fetch import FetchRequest, fetch_loop, shown

    request = FetchRequest(
        cwd=Path.cwd(),
        environ=dict(os.environ),
        task_id=task_id,
        remote=remote,
        branch_prefix=branch_prefix,
        loop_dir=loop_dir,
        switch=switch,
        force=force,
    )
    typer.echo(shown(fetch_loop(request), as_json=as_json))
