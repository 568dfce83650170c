"""`loop report`: one page about a loop, for people."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR


class ReportFormat(StrEnum):
    """What the report is written as."""

    HTML = "html"
    MD = "md"


def report(
    task: Annotated[
        str, typer.Argument(metavar="[TASK]", help="Id of the task; default: the loop here.")
    ] = "",
    form: Annotated[
        ReportFormat, typer.Option("--format", help="One HTML page, or Markdown.")
    ] = ReportFormat.HTML,
    output: str = typer.Option("", metavar="FILE", help="Default: in .loop/runtime."),
    is_remote: bool = typer.Option(False, "--remote", help="A loop of the git server."),
    opens: bool = typer.Option(False, "--open", help="Show it in the browser."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Write one page about the loop: rounds, findings, costs, transcripts, diffs."""
    from loop_kit.usecases.report import ReportRequest, write_report

    place = (Path.cwd(), os.environ, task.strip())
    path = write_report(ReportRequest(*place, form.value, output, loop_dir, is_remote))
    typer.echo(str(path))
    if opens:
        import webbrowser

        webbrowser.open(path.absolute().as_uri())
