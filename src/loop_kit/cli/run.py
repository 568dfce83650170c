"""`loop run`: the flags of a local run."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import typer

from loop_kit.cli import flags
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting


def run(
    task_ref: flags.TaskRef = "",
    task: flags.Task = "",
    dispatch_backend: flags.DispatchBackend = flags.Dispatch.NATIVE,
    max_rounds: flags.MaxRounds = None,
    single_round: flags.SingleRound = False,
    round_: flags.Round = None,
    resume: flags.Resume = False,
    refresh_card: flags.RefreshCard = False,
    waive: flags.Waive = None,
    dismiss: flags.Dismiss = None,
    require: flags.Require = None,
    max_cost_usd: flags.MaxCost = None,
    max_minutes: flags.MaxMinutes = None,
    max_tokens: flags.MaxTokens = None,
    max_diff_growth: flags.MaxDiffGrowth = None,
    auto_dispatch: flags.AutoDispatch = None,
    worker_backend: flags.Backend = None,
    reviewer_backend: flags.Backend = None,
    worker_model: flags.Model = None,
    reviewer_model: flags.Model = None,
    worker_args: flags.Args = None,
    reviewer_args: flags.Args = None,
    worker_command: flags.Command = None,
    reviewer_command: flags.Command = None,
    second_reviewer: flags.SecondReviewer = None,
    second_reviewer_mode: flags.SecondReviewerMode = None,
    dispatch_timeout: flags.DispatchTimeout = None,
    idle_timeout: flags.IdleTimeout = None,
    dispatch_retries: flags.DispatchRetries = None,
    dispatch_retry_base_sec: flags.RetryBase = None,
    artifact_timeout: flags.ArtifactTimeout = None,
    timeout: flags.Timeout = None,
    max_session_rounds: flags.MaxSessionRounds = None,
    require_heartbeat: flags.RequireHeartbeat = None,
    heartbeat_ttl: flags.HeartbeatTtl = None,
    reset: flags.Reset = False,
    verify_timeout: flags.VerifyTimeout = None,
    max_leftovers: flags.MaxLeftovers = None,
    allow_dirty: flags.AllowDirty = None,
    workspace_setup: flags.WorkspaceSetup = None,
    workspace_include: flags.WorkspaceInclude = None,
    setup_env: flags.SetupEnv = None,
    sandbox: flags.Sandbox = None,
    network: flags.Network = None,
    verify_network: flags.VerifyNetwork = None,
    shared_caches: flags.SharedCaches = None,
    workspace_root: flags.WorkspaceRoot = None,
    apply: flags.Apply = None,
    verbose: flags.Verbose = None,
    loop_dir: flags.LoopDir = LOOP_DIR,
) -> None:
    """Run a loop here: worker and reviewer take turns until it is approved."""
    raise typer.Exit(_run({key: value for key, value in locals().items() if value is not None}))


_DECISIONS = ("waive", "dismiss", "require")
_OF_THIS_RUN = {
    *_DECISIONS,
    *("task_ref", "task", "dispatch_backend", "single_round", "round_", "resume", "reset"),
    "refresh_card",
    "loop_dir",
}
"""Parameters that are not settings: they select which run this is."""


def _run(given: dict[str, Any]) -> int:
    """Run with the flags that were given; the exit code."""
    which = {name: given[name] for name in ("resume", "reset", "refresh_card")}
    round_ = given.get("round_")
    _check(single_round=given["single_round"], round_=round_, **which)
    decisions = {name: given[name] for name in _DECISIONS if name in given}
    if decisions and not given["resume"]:
        raise BadSetting(
            f"--{next(iter(decisions))} is for --resume.",
            "Add --resume.",
            anchor="flags-contradict",
        )
    settings = {key: value for key, value in given.items() if key not in _OF_THIS_RUN}
    end_on_signals()
    which |= {"single_round": round_, "decisions": decisions}
    return _run_here(settings, given["task"] or given["task_ref"], given["loop_dir"], which)


def _check(
    *, single_round: bool, round_: int | None, resume: bool, reset: bool, refresh_card: bool
) -> None:
    if reset and resume:
        raise BadSetting(
            "--reset and --resume contradict each other.",
            "Leave one of them out.",
            anchor="flags-contradict",
        )
    if single_round and resume:
        raise BadSetting(
            "--resume is not for --single-round.",
            "Leave one of them out.",
            anchor="flags-contradict",
        )
    if single_round != (round_ is not None):
        raise BadSetting(
            "--single-round and --round go together.",
            "Give both or neither.",
            anchor="flags-contradict",
        )
    if round_ is not None and round_ < 1:
        raise BadSetting(
            f"--round {round_}: rounds count from 1.", "Give 1 or more.", anchor="flags-contradict"
        )
    if refresh_card and not resume:
        raise BadSetting(
            "--refresh-card is for --resume.",
            "Leave it out: a new loop reads it.",
            anchor="flags-contradict",
        )


def _run_here(settings: dict[str, Any], task: str, loop_dir: str, which: dict[str, Any]) -> int:
    from loop_kit.usecases.local_run import Request, run_local

    request = Request(
        cwd=Path.cwd(),
        environ=dict(os.environ),
        loop_dir=loop_dir,
        task=task,
        flags=settings,
        argv=tuple(sys.argv[1:]),
        **which,
    )
    return int(run_local(request))


def end_on_signals() -> None:
    """Let every signal end a run as ^C does: the state is saved, and every agent is stopped.

    Only the first counts: a second would interrupt stopping the agents. SIGBREAK is what Windows
    sends when a console is closed.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    handled = [each for each in numbers if signal.getsignal(each) is not signal.SIG_IGN]

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        for each in handled:
            signal.signal(each, lambda *_: None)
        raise KeyboardInterrupt

    for each in handled:
        signal.signal(each, interrupt)
