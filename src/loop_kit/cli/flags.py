"""The flags of `loop run`, each a type with its help; None means that it was not given."""

from enum import StrEnum
from typing import Annotated

import typer


class Dispatch(StrEnum):
    """How backends are started; kept because agent-task-runner has the flag."""

    NATIVE = "native"


TaskRef = Annotated[str, typer.Argument(help="A card's path, or the id of one in .loop/tasks/.")]
Task = Annotated[str, typer.Option(help="The task card's path.  [.loop/task_card.json]")]
DispatchBackend = Annotated[Dispatch, typer.Option(help="The only choice.")]
MaxRounds = Annotated[int | None, typer.Option(help="Maximum number of rounds.  [3]")]
SingleRound = Annotated[bool, typer.Option("--single-round", help="Run one round, then stop.")]
Round = Annotated[int | None, typer.Option("--round", help="Which round, with --single-round.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue at what is outstanding.")]
RefreshCard = Annotated[
    bool, typer.Option("--refresh-card", help="With --resume: the card counts as it is now.")
]
Waive = Annotated[
    str | None,
    typer.Option(help="With --resume: these findings are real, but do not block: 'F3 F4'."),
]
Dismiss = Annotated[
    str | None,
    typer.Option(help="With --resume: these findings are wrong: 'F3 because …'."),
]
Require = Annotated[
    str | None,
    typer.Option(help="With --resume: these findings are right, not to be disputed: 'F3'."),
]
MaxCost = Annotated[float | None, typer.Option(help="Maximum US dollars for the whole loop.")]
MaxMinutes = Annotated[float | None, typer.Option(help="Maximum agent minutes for the loop.")]
MaxTokens = Annotated[int | None, typer.Option(help="Maximum tokens for the whole loop.")]
MaxDiffGrowth = Annotated[
    float | None, typer.Option(help="How many times round 1 the change may become; 0: no limit.")
]
AutoDispatch = Annotated[
    bool | None,
    typer.Option(
        "--auto-dispatch/--manual", help="Start the backends, or wait for people.  [manual]"
    ),
]
Backend = Annotated[
    str | None, typer.Option(help="codex, claude, opencode, command, manual, scripted.  [codex]")
]
Model = Annotated[str | None, typer.Option(help="The model for this role.")]
Args = Annotated[str | None, typer.Option(help="More arguments for this role's backend.")]
Command = Annotated[
    str | None,
    typer.Option(help="A program of your own for this role, with {prompt_file}, {report_path}."),
]
SecondReviewer = Annotated[
    str | None, typer.Option(help="backend[:model], asked about what the reviewer approves.")
]
SecondReviewerMode = Annotated[
    str | None,
    typer.Option(help="optional, or required: without it nothing is approved.  [optional]"),
]
DispatchTimeout = Annotated[
    float | None, typer.Option(help="Seconds per agent call, 0 for no limit.  [600]")
]
IdleTimeout = Annotated[
    float | None, typer.Option(help="Seconds without output from an agent, 0 for no limit.  [900]")
]
DispatchRetries = Annotated[int | None, typer.Option(help="Extra calls after a failure.  [2]")]
RetryBase = Annotated[
    float | None, typer.Option(help="Seconds before the first retry; doubled each time.  [5]")
]
ArtifactTimeout = Annotated[
    float | None,
    typer.Option(help="Seconds an agent's leftover processes may take for the report.  [90]"),
]
Timeout = Annotated[
    float | None, typer.Option(help="Seconds to wait for a person's report, 0 for a day.  [0]")
]
MaxSessionRounds = Annotated[
    int | None,
    typer.Option(help="Reuse a session for at most N rounds (0 = no limit).  [0]"),
]
RequireHeartbeat = Annotated[
    bool | None,
    typer.Option("--require-heartbeat", help="Wait only for people whose heartbeat is fresh."),
]
HeartbeatTtl = Annotated[
    float | None, typer.Option(help="Seconds after which a heartbeat is stale.  [30]")
]
Reset = Annotated[
    bool,
    typer.Option("--reset", help="Remove state and reports of an earlier run first, not the card."),
]
VerifyTimeout = Annotated[
    float | None, typer.Option(help="Seconds for the card's verify commands.  [600]")
]
MaxLeftovers = Annotated[
    int | None,
    typer.Option(help="New files that are committed for a worker, 0 for no limit.  [50]"),
]
AllowDirty = Annotated[
    bool | None,
    typer.Option("--allow-dirty", help="Run from HEAD; agents do not see uncommitted changes."),
]
Apply = Annotated[
    str | None,
    typer.Option(help="approved or never: fast-forward your branch to approved work.  [approved]"),
]
WorkspaceSetup = Annotated[
    list[str] | None,
    typer.Option(help="A shell command that prepares each workspace; may be given several times."),
]
WorkspaceInclude = Annotated[
    list[str] | None,
    typer.Option(help="Untracked files that each workspace gets, as in .gitignore; repeatable."),
]
SetupEnv = Annotated[
    str | None, typer.Option(help="Variables for --workspace-setup alone, comma-separated.")
]
Sandbox = Annotated[
    str | None,
    typer.Option(help="auto, required or off: how agents, setup and verify are confined.  [auto]"),
]
Network = Annotated[
    str | None, typer.Option(help="open, model-only or none: what agents reach.  [open]")
]
SharedCaches = Annotated[
    str | None, typer.Option(help="Folders that all programs may change for good, comma-separated.")
]
VerifyNetwork = Annotated[
    str | None, typer.Option(help="open or none: what verify commands reach.  [open]")
]
WorkspaceRoot = Annotated[
    str | None,
    typer.Option(help="Folder below which agents and verify commands work.  [the user's cache]"),
]
Verbose = Annotated[bool | None, typer.Option("--verbose", help="Show whole lines.")]
LoopDir = Annotated[str, typer.Option(help="The loop's folder, relative to the repository.")]
