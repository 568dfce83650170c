"""How this run works; what is known of the loop itself is in the state."""

from collections.abc import Callable, Mapping
from dataclasses import field

from loop_kit.core.agent.role import Role
from loop_kit.core.card.scope import ScopeRules
from loop_kit.core.loop.usage import Spent
from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.frozen import frozen


@frozen
class Options:
    """Times are seconds; None is no limit. `secrets` are what must never leave.

    `sign_off` is who signs the worker's commits off, as `Name <address>`. Without `runs_code` no
    verify command is run for an approval that waits.
    """

    dispatch_timeout: float | None = 600
    idle_timeout: float | None = None
    artifact_timeout: float = 90
    max_turns: int | None = None
    verify_timeout: float = 600
    round_timeout: float | None = None
    rules: ScopeRules = field(default_factory=ScopeRules)
    secrets: Forms = field(default_factory=lambda: Forms({}))
    redact: Redactor = field(default_factory=lambda: Redactor(()))
    draft: bool = True
    sign_off: str = ""
    runs_code: bool = True
    models: Mapping[Role, str] = field(default_factory=dict)
    keeps_record: bool = True
    estimate: Callable[[Spent], Spent] = lambda spent: spent
    """Adds what tokens cost by a table, where a backend reports no money."""


@frozen
class Continuation:
    """How the next round is started; `workflow` is '' when somebody else chains the jobs."""

    workflow: str
    ref: str
