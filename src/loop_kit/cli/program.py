"""The commands of `loop`, each in a module of its own that is imported when it is asked for."""

from collections.abc import Sequence
from importlib import import_module

import typer

from loop_kit import __version__
from loop_kit.cli.grouped_help import GroupedCommands, GroupedOptions

_MODULES = {
    **{name: name for name in ("init", "run", "status", "health")},
    "heartbeat": "health",
    **{name: name for name in ("archive", "extract_diff", "index", "dispatch_metrics", "doctor")},
    **{name: name for name in ("demo", "action", "plan", "fetch", "publish", "sweep", "clean")},
    **{name: name for name in ("card", "knowledge", "schema", "logs", "report")},
}
"""Where each command is, in the order in which they are listed."""


def program(words: Sequence[str] = ()) -> typer.Typer:
    """The program with all its commands, or with the one that `words` begin with."""
    app = typer.Typer(
        cls=GroupedCommands,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(loop)
    first = words[0].replace("-", "_") if words else ""
    for name in [first] if first in _MODULES else _MODULES:
        command = getattr(import_module(f"loop_kit.cli.{_MODULES[name]}"), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            kind = GroupedOptions if name == "run" else None
            app.command(name.replace("_", "-"), cls=kind)(command)
    return app


def loop(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """Run a review loop of AI coding agents: a worker commits, a reviewer judges."""
    if version:
        typer.echo(f"loop {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
