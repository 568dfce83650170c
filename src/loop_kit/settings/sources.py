"""What each source of settings says, under the names of the fields.

What no field fits is refused with the nearest name, before anything is spent. A card may speak only
of what `card_values` takes from it.
"""

from collections.abc import Iterable, Mapping

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.rules.settings import known_rules
from loop_kit.core.record import suggestion
from loop_kit.errors import BadSetting
from loop_kit.settings.fields import Settings

Values = Mapping[str, object]

INPUTS = (
    *("task", "task_id", "issue", "pull_request", "round", "expected_state"),
    *("worker_backend", "reviewer_backend", "worker_model", "reviewer_model"),
    *("worker_args", "reviewer_args", "worker_command", "reviewer_command"),
    *("second_reviewer", "second_reviewer_mode"),
    *("openai_api_key", "anthropic_api_key", "claude_code_oauth_token", "github_token"),
    *("reviewer_token", "on_approved"),
    *("base_branch", "base_branches", "branch_prefix", "trigger_label", "allowed_bots"),
    "update_branch",
    *("max_rounds", "round_timeout_minutes"),
    *("dispatch_timeout", "idle_timeout", "dispatch_retries", "artifact_timeout"),
    *("verify", "verify_from", "verify_timeout", "scope", "evidence"),
    *("checks", "checks_timeout"),
    *("max_turns", "max_minutes", "max_tokens", "max_cost_usd", "max_dispatches"),
    *("max_minutes_ceiling", "max_tokens_ceiling", "max_cost_usd_ceiling", "max_diff_growth"),
    *("continue", "continue_workflow", "phase", "isolation", "agent_env"),
    *("sandbox", "network", "verify_network"),
    *("workspace_root", "workspace_setup", "workspace_include", "setup_env"),
    *("sign_off", "on_event", "record", "fail_on", "draft", "dry_run", "loop_kit_args"),
)
"""The settings that are inputs of the action, under their names here."""

ACTION_DEFAULTS: Values = {"evidence": "strict", "dispatch_timeout": 0, "auto_dispatch": True}

CONFIGURABLE = frozenset(_name for _name in INPUTS) - {
    *("task", "task_id", "issue", "pull_request", "round", "expected_state"),
    *("phase", "dry_run", "loop_kit_args", "trigger_label", "allowed_bots"),
    *("openai_api_key", "anthropic_api_key", "claude_code_oauth_token", "github_token"),
    "reviewer_token",
} | {
    *("auto_dispatch", "dispatch_backend", "backend_preference", "timeout"),
    *("dispatch_retry_base_sec", "max_session_rounds", "require_heartbeat", "heartbeat_ttl"),
    *("structured_output", "apply", "max_leftovers", "rules"),
    "shared_caches",
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
            import difflib

            close = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if close:
                raise BadSetting(
                    f"{variable}: unknown variable.",
                    f"Did you mean {close[0]}?",
                    anchor="setting-unknown",
                )
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
            raise BadSetting(
                f"loop-kit-args: {word!r} names no setting.",
                suggestion(name, _FLAGS),
                anchor="setting-unknown",
            )
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
            anchor="settings-file",
        )
    values = {str(key).replace("-", "_"): value for key, value in document.items()}
    for key in values:
        if key not in CONFIGURABLE:
            raise BadSetting(
                f"{name}: unknown setting {key!r}.",
                suggestion(key, CONFIGURABLE),
                anchor="setting-unknown",
            )
    if "rules" in values:
        values["rules"] = known_rules(values["rules"], name)
    return values


def card_values(card: TaskCard) -> dict[str, object]:
    """What a card may say about how its loop runs; its limits are applied by `policy.lowered`."""
    values: dict[str, object] = {
        "worker_backend": card.worker.backend,
        "worker_model": card.worker.model,
        "reviewer_backend": card.reviewer.backend,
        "reviewer_model": card.reviewer.model,
        "base_branch": card.base_branch,
        "verify": card.verify,
        "on_approved": card.on_approved,
    }
    return {key: value for key, value in values.items() if value}
