"""What the engine is told about this run; everything about the loop itself is in the state."""

from collections.abc import Callable
from dataclasses import dataclass, field

from loop_kit.core.commands import Command
from loop_kit.core.scope import ScopeRules
from loop_kit.core.state import Lease, Limits, Source
from loop_kit.core.task import TaskCard


@dataclass(frozen=True, slots=True)
class Options:
    """Times are seconds; None is no limit."""

    dispatch_timeout: float | None = 600
    idle_timeout: float | None = None
    artifact_timeout: float = 90
    max_turns: int | None = None
    verify_timeout: float = 600
    round_timeout: float | None = None
    rules: ScopeRules = field(default_factory=ScopeRules)
    redact: Callable[[str], str] = str
    draft: bool = True


@dataclass(frozen=True, slots=True)
class Continuation:
    """How the next round is started; `workflow` is '' when somebody else chains the jobs."""

    workflow: str
    ref: str


@dataclass(frozen=True, slots=True)
class Start:
    """What this run was asked to begin or to continue; `command` is what asked for it, if one did.

    With `retries` a loop that stopped is continued, else only what is running or to be posted.
    `state_branch` and `pull_request_url` are recorded when it begins.
    """

    card: TaskCard
    base_sha: str
    start_sha: str
    limits: Limits
    verify: tuple[str, ...] = ()
    fresh: bool = True
    source: Source = field(default_factory=Source)
    starter: str = ""
    publishes: bool = False
    base_branch: str = ""
    work_branch: str = ""
    lease: Lease | None = None
    state_branch: str = ""
    pull_request_url: str = ""
    command: Command | None = None
    retries: bool = True
