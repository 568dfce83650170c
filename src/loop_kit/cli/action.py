"""`loop action`: what action.yml calls; everything it knows comes from the environment."""

import os

import typer


def action() -> None:
    """Run one round in a CI job (called by action.yml)."""
    from loop_kit.actions import run_action
    from loop_kit.cli.run import end_on_signals

    end_on_signals()
    raise typer.Exit(int(run_action(os.environ)))
