"""One pure cascade: defaults < `.loop/config` < card < `LOOP_*` and action inputs < flags.

Every setting is one field here, whatever its source calls it: `--max-rounds`, `max-rounds:`,
`LOOP_MAX_ROUNDS` and `max_rounds:` are the same. What no field fits is refused with the nearest
name, before anything is spent. A card may speak only of what `card_values` takes from it.
"""

import difflib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.rules.settings import Rules, known_rules
from loop_kit.core.loop.state import Limits
from loop_kit.core.record import Record, explain, suggestion
from loop_kit.errors import BadSetting

N = TypeVar("N", int, float)
Values = Mapping[str, object]
Layer = tuple[str, Values]
"""Settings from one source, with the name that messages give it."""


def _lines(value: object) -> object:
    """A list, or text with one item on each line."""
    if isinstance(value, str):
        return tuple(line.strip() for line in value.splitlines() if line.strip())
    return value


def _words(value: object) -> object:
    """A list, or text that is split as a shell would, without being run by one."""
    return tuple(shlex.split(value)) if isinstance(value, str) else value


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
    base_branch: str = ""
    branch_prefix: Prefix = "loop"
    trigger_label: Annotated[str, Field(min_length=1, max_length=50)] = "loop"
    allowed_bots: Bots = ()
    phase: Literal["all", "claim", "agents", "publish"] = "all"
    dry_run: bool = False
    max_rounds: int = 3
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
    verify_timeout: Seconds = 600
    scope: Literal["guide", "strict"] = "guide"
    max_leftovers: Annotated[int, Field(ge=0)] = 50
    evidence: Literal["lenient", "strict"] = "lenient"
    workspace_root: str = ""
    isolation: Literal["clone"] | None = None
    workspace_setup: Lines = ()
    workspace_include: Lines = ()
    setup_env: Globs = ()
    continue_: Annotated[Literal["dispatch", "none"], Field(alias="continue")] = "dispatch"
    continue_workflow: str = ""
    agent_env: Globs = ()
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

    def limits(self, *, ci: bool) -> Limits:
        """The operator's limits for the loop; no conversation outlives a CI job."""
        same = Limits.model_fields.keys() & Settings.model_fields.keys()
        limits: dict[str, Any] = {
            **{name: getattr(self, name) for name in same},
            "max_minutes_ceiling": _ceiling(self.max_minutes_ceiling, self.max_minutes),
            "max_tokens_ceiling": _ceiling(self.max_tokens_ceiling, self.max_tokens),
            "max_cost_usd_ceiling": _ceiling(self.max_cost_usd_ceiling, self.max_cost_usd),
            "rules": self.rules.with_growth_limit(self.max_diff_growth),
            "session_rounds": None if ci else self.max_session_rounds,
        }
        return Limits(**limits)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be shown."""
        held = (
            self.openai_api_key,
            self.anthropic_api_key,
            self.claude_code_oauth_token,
            self.github_token,
        )
        return tuple(secret.get_secret_value() for secret in held if secret.get_secret_value())


INPUTS = (
    *("task", "task_id", "issue", "pull_request", "round", "expected_state"),
    *("worker_backend", "reviewer_backend", "worker_model", "reviewer_model"),
    *("worker_args", "reviewer_args", "worker_command", "reviewer_command"),
    *("second_reviewer", "second_reviewer_mode"),
    *("openai_api_key", "anthropic_api_key", "claude_code_oauth_token", "github_token"),
    *("base_branch", "branch_prefix", "trigger_label", "allowed_bots"),
    *("max_rounds", "round_timeout_minutes"),
    *("dispatch_timeout", "idle_timeout", "dispatch_retries", "artifact_timeout"),
    *("verify", "verify_timeout", "scope", "evidence"),
    *("max_turns", "max_minutes", "max_tokens", "max_cost_usd", "max_dispatches"),
    *("max_minutes_ceiling", "max_tokens_ceiling", "max_cost_usd_ceiling", "max_diff_growth"),
    *("continue", "continue_workflow", "phase", "isolation", "agent_env"),
    *("workspace_root", "workspace_setup", "workspace_include", "setup_env"),
    *("fail_on", "draft", "dry_run", "loop_kit_args"),
)
"""The settings that are inputs of the action, under their names here."""

ACTION_DEFAULTS: Values = {"evidence": "strict", "dispatch_timeout": 0, "auto_dispatch": True}

_EXPORTED_SECRETS = (
    *("CODEX_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"),
    *("GITHUB_TOKEN", "GH_TOKEN"),
)

_CONFIGURABLE = frozenset(_name for _name in INPUTS) - {
    *("task", "task_id", "issue", "pull_request", "round", "expected_state"),
    *("phase", "dry_run", "loop_kit_args", "trigger_label", "allowed_bots"),
    *("openai_api_key", "anthropic_api_key", "claude_code_oauth_token", "github_token"),
} | {
    *("auto_dispatch", "dispatch_backend", "backend_preference", "timeout"),
    *("dispatch_retry_base_sec", "max_session_rounds", "require_heartbeat", "heartbeat_ttl"),
    *("structured_output", "apply", "max_leftovers", "rules"),
}
"""What `.loop/config` may say: no secrets, and nothing about one single run."""


_FLAGS = {field.alias or name: field for name, field in Settings.model_fields.items()}


def names() -> tuple[str, ...]:
    """Every setting's name, as the contract spells it but with underscores."""
    return tuple(_FLAGS)


def environment_values(environ: Mapping[str, str]) -> dict[str, object]:
    """The settings in `LOOP_*` variables; a variable that is empty is not set.

    Raises:
        BadSetting: a variable looks like a misspelt setting. Others are left alone, since programs
            around us have variables of that prefix too.
    """
    known = {f"LOOP_{name.upper()}": name for name in names()}
    for variable in environ:
        if variable.startswith("LOOP_") and variable not in known:
            close = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if close:
                raise BadSetting(f"{variable}: unknown variable.", f"Did you mean {close[0]}?")
    return {name: environ[v] for v, name in known.items() if environ.get(v)}


def input_values(environ: Mapping[str, str]) -> dict[str, object]:
    """The action's inputs: `INPUT_*`, with hyphens as the runner has them or underscores.

    A job that exports GITHUB_TOKEN, as many do, need not pass it again.
    """
    values: dict[str, object] = {}
    for name in INPUTS:
        upper = name.upper()
        value = environ.get(f"INPUT_{upper}") or environ.get(f"INPUT_{upper.replace('_', '-')}")
        if value and value.strip():
            values[name] = value.strip()
    token = environ.get("GITHUB_TOKEN", "").strip()
    return {"github_token": token, **values} if token else values


def flag_values(words: Iterable[str]) -> dict[str, object]:
    """The settings in `--name value`, `--name=value`, `--flag` and `--no-flag`.

    Raises:
        BadSetting: a word is none of these, or names no setting.
    """
    values: dict[str, object] = {}
    left = iter(words)
    for word in left:
        name, given, value = word.removeprefix("--").replace("-", "_", 64).partition("=")
        if given:
            value = word.partition("=")[2]
        field = _FLAGS.get(name) or _FLAGS.get(name.removeprefix("no_"))
        if not word.startswith("--") or field is None:
            raise BadSetting(f"loop-kit-args: {word!r} names no setting.", suggestion(name, _FLAGS))
        if field.annotation is bool:
            values[name.removeprefix("no_")] = value if given else not name.startswith("no_")
        else:
            values[name] = value if given else next(left, "")
    return values


def config_values(document: object, name: str) -> dict[str, object]:
    """The settings in a parsed configuration file.

    Raises:
        BadSetting: it is no mapping, or a key is unknown or may not be set there.
    """
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise BadSetting(
            f"{name}: a mapping is expected, this is a {type(document).__name__}.",
            "Write one `setting: value` on each line.",
        )
    values = {str(key).replace("-", "_"): value for key, value in document.items()}
    for key in values:
        if key not in _CONFIGURABLE:
            raise BadSetting(f"{name}: unknown setting {key!r}.", suggestion(key, _CONFIGURABLE))
    if "rules" in values:
        values["rules"] = known_rules(values["rules"], name)
    return values


def known_secrets(settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Every value that must never be stored, shown or posted."""
    exported = (environ.get(name, "") for name in (*_EXPORTED_SECRETS, *settings.setup_env))
    return (*settings.secrets, *filter(None, exported))


def card_values(card: TaskCard) -> dict[str, object]:
    """What a card may say about how its loop runs; its limits are applied by `policy.lowered`."""
    values: dict[str, object] = {
        "worker_backend": card.worker.backend,
        "worker_model": card.worker.model,
        "reviewer_backend": card.reviewer.backend,
        "reviewer_model": card.reviewer.model,
        "base_branch": card.base_branch,
        "verify": card.verify,
    }
    return {key: value for key, value in values.items() if value}


def resolve(layers: Iterable[tuple[str, Values]]) -> Settings:
    """The settings of `layers`, each a name for messages and values, the weakest first.

    Raises:
        BadSetting: a value does not fit; the layer that gave it is named.
    """
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for layer, values in layers:
        merged.update(values)
        origin.update(dict.fromkeys(values, layer))
    if merged.get("isolation") == "in-place":
        raise BadSetting(
            f"{origin['isolation']}: isolation in-place is not supported any more: agents work in"
            " clones of their own.",
            "Remove the setting; `loop run` fast-forwards your branch when the work is approved.",
        )
    return _validated(merged, origin)


def _validated(values: Values, origin: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        key = str(error.errors(include_url=False)[0]["loc"][0])
        sentence, remedy = explain(error, Settings)
        where = origin.get(key, "settings")
        raise BadSetting(f"{where}: {sentence}.", remedy) from None
    except ValueError as error:
        raise BadSetting(f"A setting cannot be read: {error}.", "Correct its quotes.") from None


@dataclass(frozen=True, slots=True)
class Layers:
    """The settings of one invocation, before its configuration file and its card are known.

    Attributes:
        defaults: The weakest layer: what replaces the fields' own defaults.
        given: Stronger than configuration and card; the strongest is last.
    """

    defaults: Values
    given: tuple[Layer, ...]

    def over(self, name: str, values: Values) -> "Layers":
        """These layers below one more, which is the strongest."""
        return replace(self, given=(*self.given, (name, values)))

    def resolve(self, config: Layer = ("config", {}), card: TaskCard | None = None) -> Settings:
        """The settings, with what the configuration file and the card say.

        Raises:
            BadSetting: a value does not fit; the layer that gave it is named.
        """
        own = () if card is None else (("card", card_values(card)),)
        layers = [("defaults", self.defaults), config, *own, *self.given]
        settings = resolve(layers)
        for layer, values in layers:  # a stronger layer hides no mistake of a weaker one
            _validated(values, dict.fromkeys(values, layer))
        return settings


def for_laptop(environ: Mapping[str, str], flags: Values | None = None) -> Layers:
    """The layers of a command that a person runs: `LOOP_*`, then its flags.

    Raises:
        BadSetting: a variable looks like a misspelt setting.
    """
    return Layers({}, (("environment", environment_values(environ)), ("flags", flags or {})))


def for_job(environ: Mapping[str, str]) -> Layers:
    """The layers of a job: `LOOP_*`, the action's inputs, then the input `loop-kit-args`.

    Raises:
        BadSetting: a value does not fit; the layer that gave it is named.
    """
    given = (("environment", environment_values(environ)), ("inputs", input_values(environ)))
    layers = Layers(ACTION_DEFAULTS, given)
    words = layers.resolve().loop_kit_args
    return layers.over("loop-kit-args", flag_values(words)) if words else layers


def read_fail_on(environ: Mapping[str, str]) -> Literal["never", "failed", "not-approved"]:
    """The setting `fail_on` of a job, also where another setting is wrong."""
    try:
        values = {**environment_values(environ), **input_values(environ)}
        return resolve([("inputs", {"fail_on": values.get("fail_on", "failed")})]).fail_on
    except BadSetting:
        return "failed"
