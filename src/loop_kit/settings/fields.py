"""Every setting is one field here, whatever its source calls it.

`--max-rounds`, `max-rounds:`, `LOOP_MAX_ROUNDS` and `max_rounds:` are the same.
"""

import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr

from loop_kit.core.command_words import split_words
from loop_kit.core.loop.rules.settings import Rules
from loop_kit.core.loop.state import Limits
from loop_kit.core.record import Record

N = TypeVar("N", int, float)


def _lines(value: object) -> object:
    """A list, or text with one item on each line."""
    if isinstance(value, str):
        return tuple(line.strip() for line in value.splitlines() if line.strip())
    return value


def _words(value: object) -> object:
    """A list, or text that is split as a shell would, without being run by one."""
    return split_words(value, windows=sys.platform == "win32") if isinstance(value, str) else value


def _globs(value: object) -> object:
    """A list, or text with items between commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _bots(value: object) -> object:
    """Logins between commas; a star would let every program in the world start agents."""
    names = _globs(value)
    if isinstance(names, tuple | list) and any("*" in str(name) for name in names):
        raise ValueError("names each bot; a star is not taken")
    return names


def _ceiling(ceiling: N | None, limit: N | None) -> N | None:
    """How far commands may raise a limit: as far as the operator says, else to twice the limit."""
    return ceiling if ceiling is not None or limit is None else 2 * limit


Lines = Annotated[tuple[str, ...], BeforeValidator(_lines)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Globs = Annotated[tuple[str, ...], BeforeValidator(_globs)]
Bots = Annotated[tuple[str, ...], BeforeValidator(_bots)]
Backend = Annotated[str, Field(pattern=r"^\s*([A-Za-z0-9][A-Za-z0-9._-]{0,63}(:.*)?)?$")]
"""A backend, and after a colon its model."""
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Prefix = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$")
]


class Settings(Record):
    """Every setting, resolved. Times are seconds unless the name says otherwise; 0 is no limit."""

    task: str = ""
    task_id: str = ""
    issue: Annotated[int, Field(ge=1)] | None = None
    pull_request: Annotated[int, Field(ge=1)] | None = None
    round: Annotated[int, Field(ge=1)] | None = None
    expected_state: Annotated[int, Field(ge=0)] | None = None
    worker_backend: str = ""
    reviewer_backend: str = ""
    backend_preference: Globs = ()
    worker_model: str = ""
    reviewer_model: str = ""
    worker_args: Words = ()
    reviewer_args: Words = ()
    worker_command: Words = ()
    reviewer_command: Words = ()
    second_reviewer: Backend = ""
    second_reviewer_mode: Literal["optional", "required"] = "optional"
    openai_api_key: SecretStr = SecretStr("")
    anthropic_api_key: SecretStr = SecretStr("")
    claude_code_oauth_token: SecretStr = SecretStr("")
    github_token: SecretStr = SecretStr("")
    reviewer_token: SecretStr = SecretStr("")
    base_branch: str = ""
    base_branches: Globs = ()
    update_branch: Literal["when-needed", "never"] = "when-needed"
    branch_prefix: Prefix = "loop"
    trigger_label: Annotated[str, Field(min_length=1, max_length=50)] = "loop"
    allowed_bots: Bots = ()
    phase: Literal["all", "claim", "agents", "publish"] = "all"
    dry_run: bool = False
    max_rounds: Annotated[int, Field(ge=0)] = 3
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    max_minutes_ceiling: Annotated[float, Field(gt=0)] | None = None
    max_tokens_ceiling: Annotated[int, Field(gt=0)] | None = None
    max_cost_usd_ceiling: Annotated[float, Field(gt=0)] | None = None
    max_diff_growth: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    rules: Rules = Field(default_factory=Rules)
    max_turns: Annotated[int, Field(gt=0)] | None = None
    max_dispatches: Annotated[int, Field(ge=0)] = 20
    structured_output: bool = True
    round_timeout_minutes: Annotated[float, Field(gt=0, le=330)] = 90
    timeout: Seconds = 0
    dispatch_timeout: Seconds = 600
    idle_timeout: Seconds = 900
    dispatch_retries: Annotated[int, Field(ge=0, le=20)] = 2
    dispatch_retry_base_sec: Annotated[float, Field(ge=1)] = 5
    artifact_timeout: Seconds = 90
    verify: Lines = ()
    verify_from: Literal["card", "base"] = "card"
    verify_timeout: Seconds = 600
    scope: Literal["guide", "strict"] = "guide"
    max_leftovers: Annotated[int, Field(ge=0)] = 50
    evidence: Literal["lenient", "strict"] = "lenient"
    on_event: str = ""
    checks: Literal["findings", "ignore"] = "findings"
    checks_timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 21600
    workspace_root: str = ""
    shared_caches: Globs = ()
    isolation: Literal["clone"] | None = None
    sandbox: Literal["auto", "required", "off"] = "auto"
    network: Literal["open", "model-only", "none"] = "open"
    verify_network: Literal["open", "none"] = "open"
    workspace_setup: Lines = ()
    workspace_include: Lines = ()
    setup_env: Globs = ()
    continue_: Annotated[Literal["dispatch", "none"], Field(alias="continue")] = "dispatch"
    continue_workflow: str = ""
    agent_env: Globs = ()
    sign_off: bool = False
    on_approved: Literal["ready", "auto-merge"] = "ready"
    record: Literal["full", "reports", "off"] | None = None
    fail_on: Literal["never", "failed", "not-approved"] = "failed"
    draft: bool = True
    loop_kit_args: Words = ()
    dispatch_backend: Literal["native"] = "native"
    auto_dispatch: bool = False
    require_heartbeat: bool = False
    heartbeat_ttl: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30
    max_session_rounds: Annotated[int, Field(ge=0)] = 0
    allow_dirty: bool = False
    apply: Literal["approved", "never"] = "approved"
    verbose: bool = False

    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def with_sources(self, sources: Mapping[str, str]) -> "Settings":
        """These settings, and which source each comes from that is no default."""
        self._sources = dict(sources)
        return self

    def effective(self) -> dict[str, dict[str, Any]]:
        """The value and the source of every setting, for people; no secret is among the values."""
        found = self.model_dump(mode="json", by_alias=True)
        return {
            name: {"value": value, "source": self._sources.get(name, "default")}
            for name, value in found.items()
        }

    def limits(self, *, ci: bool) -> Limits:
        """The operator's limits for the loop; no conversation outlives a CI job."""
        same = Limits.model_fields.keys() & Settings.model_fields.keys()
        limits: dict[str, Any] = {
            **{name: getattr(self, name) for name in same},
            "max_minutes_ceiling": _ceiling(self.max_minutes_ceiling, self.max_minutes),
            "max_tokens_ceiling": _ceiling(self.max_tokens_ceiling, self.max_tokens),
            "max_cost_usd_ceiling": _ceiling(self.max_cost_usd_ceiling, self.max_cost_usd),
            "rules": self.rules.with_growth_limit(self.max_diff_growth),
            "formal_reviews": ci and bool(self.reviewer_token.get_secret_value()),
            "update_branch": self.update_branch,
            "checks": self.checks if ci else "ignore",
            "session_rounds": None if ci else self.max_session_rounds,
        }
        return Limits(**limits)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be shown."""
        return tuple(self.named_secrets.values())

    @property
    def named_secrets(self) -> Mapping[str, str]:
        """The values that must never be shown, by the input that they came from."""
        held = ((name, getattr(self, name)) for name in type(self).model_fields)
        given = ((name, v.get_secret_value()) for name, v in held if isinstance(v, SecretStr))
        return {name.replace("_", "-"): value for name, value in given if value}


_SECRET_ENDINGS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
"""How variables are called whose values are secrets, among those that `agent-env` shows."""
_EXPORTED_SECRETS = (
    *("CODEX_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"),
    *("GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN"),
    "LOOP_JOB_TOKEN",
)


def known_secrets(settings: Settings, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Every value that must never be pushed, stored, shown or posted, by what it is called."""
    visible = (name for name in environ if any(fnmatchcase(name, g) for g in settings.agent_env))
    secret = (name for name in visible if name.upper().endswith(_SECRET_ENDINGS))
    exported = (*_EXPORTED_SECRETS, *settings.setup_env, *secret)
    named = {**{name: environ.get(name, "") for name in exported}, **settings.named_secrets}
    by_value = {value: name for name, value in named.items() if value}
    return {name: value for value, name in by_value.items()}
