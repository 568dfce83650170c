"""`loop run`: the flags of a local run. What it does is in `local`."""

import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from loop_kit.errors import BadSetting


class _Dispatch(StrEnum):
    NATIVE = "native"


def run(
    task_ref: str = typer.Argument("", help="A card's path, or the id of one in .loop/tasks/."),
    task: str = typer.Option("", help="The task card's path.  [.loop/task_card.json]"),
    dispatch_backend: _Dispatch = typer.Option("native", help="The only choice."),  # noqa: B008
    max_rounds: int | None = typer.Option(None, help="Rounds at the most.  [3]"),
    single_round: bool = typer.Option(False, "--single-round", help="Run one round, then stop."),
    round_: int | None = typer.Option(None, "--round", help="Which round, with --single-round."),
    resume: bool = typer.Option(False, "--resume", help="Continue at what is outstanding."),
    auto_dispatch: bool | None = typer.Option(
        None, "--auto-dispatch/--manual", help="Start the backends, or wait for people.  [manual]"
    ),
    worker_backend: str | None = typer.Option(None, help="codex, claude or scripted.  [codex]"),
    reviewer_backend: str | None = typer.Option(None, help="codex, claude or scripted.  [codex]"),
    worker_model: str | None = typer.Option(None, help="The worker's model."),
    reviewer_model: str | None = typer.Option(None, help="The reviewer's model."),
    worker_args: str | None = typer.Option(None, help="More arguments for the worker's backend."),
    reviewer_args: str | None = typer.Option(None, help="More arguments for the reviewer's."),
    dispatch_timeout: float | None = typer.Option(
        None, help="Seconds per agent call, 0 for no limit.  [600]"
    ),
    idle_timeout: float | None = typer.Option(
        None, help="Seconds without a byte from an agent, 0 for no limit.  [900]"
    ),
    dispatch_retries: int | None = typer.Option(None, help="Extra calls after a failure.  [2]"),
    dispatch_retry_base_sec: float | None = typer.Option(
        None, help="Seconds before the first retry; doubled each time.  [5]"
    ),
    artifact_timeout: float | None = typer.Option(
        None, help="Seconds an agent's leftover processes may take to write the report.  [90]"
    ),
    timeout: float | None = typer.Option(
        None, help="Seconds to wait for a person's report, 0 for no limit.  [0]"
    ),
    verify_timeout: float | None = typer.Option(
        None, help="Seconds for the card's verify commands.  [600]"
    ),
    allow_dirty: bool | None = typer.Option(
        None, "--allow-dirty", help="Run with uncommitted changes; they stay yours."
    ),
    verbose: bool | None = typer.Option(None, "--verbose", help="Show whole lines."),
    loop_dir: str = typer.Option(".loop", help="The loop's folder, relative to the repository."),
) -> None:
    """Run a loop here: worker and reviewer take turns until it is approved."""
    given = {key: value for key, value in locals().items() if value is not None}
    if single_round and resume:
        raise BadSetting("--resume is not for --single-round.", "Leave one of them out.")
    if single_round != (round_ is not None):
        raise BadSetting("--single-round and --round go together.", "Give both or neither.")
    if round_ is not None and round_ < 1:
        raise BadSetting(f"--round {round_}: rounds count from 1.", "Give 1 or more.")
    from loop_kit.cli.local import Request, run_local

    apart = ("task_ref", "task", "dispatch_backend", "single_round", "round_", "resume", "loop_dir")
    flags: dict[str, Any] = {key: value for key, value in given.items() if key not in apart}
    request = Request(
        cwd=Path.cwd(),
        environ=dict(os.environ),
        loop_dir=loop_dir,
        task=task or task_ref,
        flags=flags,
        resume=resume,
        single_round=round_,
        argv=tuple(sys.argv[1:]),
    )
    end_on_signals()
    raise typer.Exit(int(run_local(request)))


def end_on_signals() -> None:
    """Let every signal end a run as ^C does: the state is saved, and every agent is ended.

    Only the first counts: a second would break off the ending of the agents.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    heeded = [each for each in numbers if signal.getsignal(each) is not signal.SIG_IGN]

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        for each in heeded:
            signal.signal(each, lambda *_: None)
        raise KeyboardInterrupt

    for each in heeded:
        signal.signal(each, interrupt)
