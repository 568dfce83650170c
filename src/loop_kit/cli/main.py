"""The command `loop`. Nothing heavy is imported before a command needs it."""

import errno
import os
import sys
import traceback

import typer

from loop_kit import __version__
from loop_kit.cli.action import action
from loop_kit.cli.archive import archive
from loop_kit.cli.card import card
from loop_kit.cli.clean import clean
from loop_kit.cli.demo import demo
from loop_kit.cli.dispatch_metrics import dispatch_metrics
from loop_kit.cli.doctor import doctor
from loop_kit.cli.extract_diff import extract_diff
from loop_kit.cli.fetch import fetch
from loop_kit.cli.health import health, heartbeat
from loop_kit.cli.index import index
from loop_kit.cli.init import init
from loop_kit.cli.knowledge import knowledge
from loop_kit.cli.plan import plan
from loop_kit.cli.publish import publish
from loop_kit.cli.run import run
from loop_kit.cli.status import status
from loop_kit.cli.streams import StandardStreams
from loop_kit.cli.sweep import sweep
from loop_kit.errors import ExitCode, LoopError, disk_refusal

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    *(init, run, status, health, heartbeat, archive, extract_diff),
    *(index, dispatch_metrics, doctor, demo, action, plan, fetch, publish, sweep, clean),
):
    app.command(_command.__name__.replace("_", "-"))(_command)
app.add_typer(card, name="card")
app.add_typer(knowledge, name="knowledge")

_PROGRESS = (["run"], ["demo"], ["action"], ["heartbeat"])
"""The commands whose output is what happens meanwhile, and not their result."""


@app.callback(invoke_without_command=True)
def loop(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """Run a review loop of AI coding agents: a worker commits, a reviewer judges."""
    if version:
        typer.echo(f"loop {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run a command; a known error, an interruption and a bug look different."""
    # Looking for pydantic plug-ins reads every installed package: 20 ms for nothing.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    streams = StandardStreams.install()
    code = _run()
    lost = streams.lost()
    if lost is not None:
        code = _report_lost(lost, code, is_result=sys.argv[1:2] not in _PROGRESS)
    sys.exit(code)


def _run() -> int:
    """Run the command of this process; its exit code."""
    try:
        app()
    except SystemExit as ended:
        return int(ended.code or 0)
    except LoopError as error:
        text, code = f"Error: {error.sentence}\n  {error.remedy}", error.exit_code
    except KeyboardInterrupt:
        text, code = "Interrupted.", ExitCode.INTERRUPTED
    except Exception as error:
        text, code = _unexpected_error_text(error), ExitCode.GENERAL
    else:
        return 0
    print(_visible(text), file=sys.stderr)
    return int(code)


def _report_lost(lost: OSError, code: int, *, is_result: bool) -> int:
    """The exit code when output was lost: where it is the result, the command has failed.

    Whoever closes a pipe has read enough, and needs no message.
    """
    failed = is_result and code == 0
    if lost.errno != errno.EPIPE:
        start = "Error" if failed else "Warning"
        print(
            f"{start}: Standard output could not be written: {lost.strerror}.\n"
            "  Make room on the disk, or redirect it elsewhere.",
            file=sys.stderr,
        )
    return int(ExitCode.GENERAL) if failed else code


def _visible(text: str) -> str:
    """Without control characters: a sentence may quote a card, a report or a file name."""
    from loop_kit.core.sanitize import visible

    return visible(text)


def _unexpected_error_text(error: Exception) -> str:
    """An error of the disk is the user's to fix; everything else is a bug and is called one."""
    refused = disk_refusal(error)
    if refused is not None:
        return f"Error: {refused.sentence}\n  {refused.remedy}"
    traceback.print_exception(error)
    return (
        f"\nThis is a bug in loop-kit {__version__}, not your mistake."
        " Please report it with the lines above; the state is kept."
    )
