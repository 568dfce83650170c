"""`loop logs`: what the agents of a run did, to read."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR


class LogRole(StrEnum):
    """Whose attempts are shown."""

    WORKER = "worker"
    REVIEWER = "reviewer"
    SECOND_REVIEWER = "second_reviewer"


def logs(
    task: Annotated[
        str, typer.Argument(metavar="[TASK]", help="Id of a task; default: the newest run.")
    ] = "",
    role: Annotated[LogRole | None, typer.Option(help="Only the attempts of this role.")] = None,
    round_: Annotated[
        int, typer.Option("--round", min=0, help="Only the attempts of this round.")
    ] = 0,
    follow: bool = typer.Option(False, "--follow", help="Continue until the loop is over."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show what the agents of the newest run did, attempt by attempt."""
    from loop_kit.usecases.run_logs import RunLogs, Wanted

    found = RunLogs(Path.cwd(), loop_dir, task.strip())
    wanted = Wanted(role.value if role else "", round_)
    for line in found.follow(wanted) if follow else found.lines(wanted):
        typer.echo(line)
