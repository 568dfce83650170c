"""One cascade: defaults < configuration < card < environment and inputs < flags."""

import json
from pathlib import Path

import pytest

from loop_kit.config_file import MAX_CONFIG, parse_config
from loop_kit.core.card.documents import read_yaml
from loop_kit.core.card.task import CardLimits, card_from
from loop_kit.core.loop.policy import lower_limits
from loop_kit.errors import BadSetting
from loop_kit.settings import (
    ACTION_DEFAULTS,
    INPUTS,
    Settings,
    Values,
    card_values,
    config_values,
    environment_values,
    for_laptop,
    input_values,
    known_secrets,
    names,
    resolve,
)


def refusal(*layers: tuple[str, Values]) -> str:
    with pytest.raises(BadSetting) as refused:
        resolve(layers)
    assert refused.value.exit_code == 3
    return str(refused.value)


def test_without_any_layer_the_defaults_of_the_contract_hold() -> None:
    settings = resolve([])
    assert (settings.max_rounds, settings.dispatch_timeout) == (3, 600)
    assert (settings.dispatch_retries, settings.dispatch_retry_base_sec) == (2, 5)
    assert (settings.artifact_timeout, settings.idle_timeout) == (90, 900)
    assert (settings.worker_backend, settings.reviewer_backend) == ("", "")
    assert (settings.branch_prefix, settings.round_timeout_minutes) == ("loop", 90)
    assert (settings.scope, settings.evidence, settings.isolation) == (*("guide", "lenient", None),)
    assert (settings.continue_, settings.fail_on, settings.draft) == ("dispatch", "failed", True)
    assert not settings.auto_dispatch


def test_the_action_is_stricter_than_a_laptop() -> None:
    settings = resolve([("defaults", ACTION_DEFAULTS)])
    assert settings.evidence == "strict"
    assert settings.auto_dispatch


def test_each_layer_beats_the_one_before_it() -> None:
    layers: list[tuple[str, Values]] = [
        ("defaults", {"max_rounds": 1, "scope": "strict"}),
        ("config", {"max_rounds": 2}),
        ("card", {"max_rounds": 3}),
        ("environment", {"max_rounds": "4"}),
        ("flags", {"max_rounds": 5}),
    ]
    for count in range(1, 6):
        assert resolve(layers[:count]).max_rounds == count
    assert resolve(layers).scope == "strict"


def test_every_source_spells_the_same_setting_its_own_way() -> None:
    assert environment_values({"LOOP_MAX_ROUNDS": "7"}) == {"max_rounds": "7"}
    assert input_values({"INPUT_MAX-ROUNDS": "7"}) == {"max_rounds": "7"}
    assert input_values({"INPUT_MAX_ROUNDS": "7"}) == {"max_rounds": "7"}
    assert config_values({"max-rounds": 7}, "c") == {"max_rounds": 7}
    assert config_values({"max_rounds": 7}, "c") == {"max_rounds": 7}


@pytest.mark.parametrize("name", names())
def test_every_setting_can_come_from_a_variable(name: str) -> None:
    assert environment_values({f"LOOP_{name.upper()}": "x"}) == {name: "x"}


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_is_read_with_hyphens_or_underscores(name: str) -> None:
    for spelt in (name.upper(), name.upper().replace("_", "-")):
        assert input_values({f"INPUT_{spelt}": " x "}) == {name: "x"}
    assert name in names()


def test_what_is_empty_is_not_set() -> None:
    assert environment_values({"LOOP_MAX_ROUNDS": "", "LOOP_SCOPE": ""}) == {}
    assert input_values({"INPUT_MAX-ROUNDS": "", "INPUT_SCOPE": "  \n", "INPUT_DRAFT": ""}) == {}
    assert input_values({"INPUT_MAX_ROUNDS": "", "INPUT_MAX-ROUNDS": "2"}) == {"max_rounds": "2"}


def test_variables_that_are_not_settings_are_left_alone() -> None:
    assert environment_values({"LOOP_MAILBOX": "/x", "LOOP_ROLE": "worker", "PATH": "/"}) == {}
    assert input_values({"INPUT_NAME": "x", "LOOP_MAX_ROUNDS": "3"}) == {}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"max_rounds": "three"}, "'max_rounds': must be a whole number, got str"),
        ({"max_rounds": -1}, "'max_rounds'"),
        ({"max_rounds": "2.5"}, "'max_rounds': must be a whole number, got str"),
        ({"dispatch_timeout": "soon"}, "'dispatch_timeout': must be a number, got str"),
        ({"dispatch_timeout": -1}, "'dispatch_timeout'"),
        ({"dispatch_timeout": "nan"}, "'dispatch_timeout'"),
        ({"round_timeout_minutes": 331}, "'round_timeout_minutes'"),
        ({"round": "0"}, "'round'"),
        ({"expected_state": "-1"}, "'expected_state'"),
        ({"scope": "loose"}, "'scope'"),
        ({"continue": "maybe"}, "'continue'"),
        ({"fail_on": "always"}, "'fail_on'"),
        ({"draft": "perhaps"}, "'draft': must be true or false, got str"),
        ({"verify": 3}, "'verify': must be a list, got int"),
        ({"worker_args": ["-x", 3]}, "'worker_args.1': must be text, got int"),
        ({"worker_args": "-x 'open"}, "'worker_args': no closing quotation"),
        ({"branch_prefix": "/loop"}, "'branch_prefix'"),
        ({"branch_prefix": "-loop"}, "'branch_prefix'"),
        ({"branch_prefix": "a//b"}, "'branch_prefix'"),
        ({"branch_prefix": "loop\n"}, "'branch_prefix'"),
        ({"branch_prefix": "a/../b"}, "'branch_prefix'"),
        ({"max_tokens": 0}, "'max_tokens'"),
    ],
)
def test_a_value_that_does_not_fit_names_its_layer_and_its_key(
    values: dict[str, object], sentence: str
) -> None:
    assert refusal(("defaults", {"draft": True}), ("the inputs", values)).startswith(
        f"the inputs: {sentence}"
    )


def test_the_rules_of_convergence_are_settings_of_the_configuration_file() -> None:
    document = {"rules": {"stalled": {"fresh-round": False}, "bar": {"last_fix": ["high"]}}}
    rules = resolve([("config", config_values(document, "config"))]).limits(ci=True).rules
    assert (rules.stalled.fresh_round, rules.stalled.rounds) == (False, 2)
    assert rules.bar.last_fix == ("high",)


def test_the_setting_that_the_docs_name_asks_for_an_issue_with_what_is_for_later() -> None:
    page = (Path(__file__).parents[1] / "docs" / "rounds.md").read_text("utf-8")
    block = page.partition("## Findings for later")[2].partition("```yaml\n")[2]
    document = read_yaml(block.partition("```")[0])
    limits = resolve([("config", config_values(document, "config"))]).limits(ci=True)
    assert limits.rules.later.follow_up == "issue"
    assert resolve([]).limits(ci=True).rules.later.follow_up == "none"


@pytest.mark.parametrize(
    ("rules", "key", "nearest"),
    [
        ({"staled": {}}, "staled", "stalled"),
        ({"stalled": {"round": 3}}, "stalled.round", "rounds"),
        ({"diff-growth": {"limits": 3}}, "diff_growth.limits", "limit"),
    ],
)
def test_a_rule_that_does_not_exist_is_refused_with_the_nearest_name(
    rules: object, key: str, nearest: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        config_values({"rules": rules}, "config.yaml")
    assert refused.value.sentence == f"config.yaml: unknown setting 'rules.{key}'."
    assert refused.value.remedy == f"Did you mean '{nearest}'?"


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (["bar"], "'rules': must be a mapping, got list"),
        ({"stalled": {"rounds": 0}}, "'rules.stalled.rounds'"),
        ({"bar": {"last_fix": ["everything"]}}, "'rules.bar.last_fix.0'"),
        ({"bar": "off"}, "'rules.bar': must be a mapping, got str"),
    ],
)
def test_a_threshold_that_does_not_fit_is_named(rules: object, sentence: str) -> None:
    values = config_values({"rules": rules}, "config.yaml")
    assert refusal(("config.yaml", values)).startswith(f"config.yaml: {sentence}")


def test_the_limit_of_the_diff_growth_is_a_setting_that_a_card_can_only_lower() -> None:
    def limit(values: dict[str, object], card: float | None) -> float:
        limits = resolve([("flags", values)]).limits(ci=True)
        lowered = lower_limits(limits, CardLimits(max_diff_growth=card))
        return lowered.rules.diff_growth.limit

    assert limit({}, None) == 4
    assert limit({"max_diff_growth": "2.5"}, None) == 2.5
    assert limit({"max_diff_growth": 3}, 2) == 2
    assert limit({"max_diff_growth": 3}, 9) == 3
    assert limit({"max_diff_growth": 0}, None) == 0
    assert limit({"max_diff_growth": 0}, 5) == 5


def test_a_value_that_fits_nowhere_is_refused_although_a_flag_replaces_it() -> None:
    layers = for_laptop({}, {"auto_dispatch": True})
    with pytest.raises(BadSetting, match="config: 'auto_dispatch': must be true or false"):
        layers.resolve(("config", {"auto_dispatch": "nope"}))


def test_the_layer_that_is_blamed_is_the_one_whose_value_counts() -> None:
    assert refusal(("config", {"scope": "x"}), ("flags", {"scope": "y"})).startswith("--scope: ")
    assert resolve([("config", {"scope": "x"}), ("flags", {"scope": "strict"})]).scope == "strict"
    assert refusal(("config", {"scope": "x"}), ("flags", {"draft": True})).startswith("config: ")


def test_text_becomes_lists_by_lines_words_or_commas() -> None:
    settings = resolve(
        [
            (
                "inputs",
                {
                    "verify": "pytest -q\n\n  ruff check  \n",
                    "worker_args": "--effort 'very high' -x",
                    "agent_env": "NPM_*, CARGO_TOKEN,,",
                },
            )
        ]
    )
    assert settings.verify == ("pytest -q", "ruff check")
    assert settings.worker_args == ("--effort", "very high", "-x")
    assert settings.agent_env == ("NPM_*", "CARGO_TOKEN")
    lists = resolve([("config", {"verify": ["a b"], "worker_args": ["-m", "a b"]})])
    assert (lists.verify, lists.worker_args) == (("a b",), ("-m", "a b"))


@pytest.mark.parametrize(("text", "value"), [("false", False), ("no", False), ("true", True)])
def test_words_for_true_and_false_mean_what_they_say(text: str, value: bool) -> None:
    assert resolve([("environment", {"auto_dispatch": text})]).auto_dispatch is value


def test_continue_is_spelt_like_that_everywhere() -> None:
    assert resolve([("inputs", input_values({"INPUT_CONTINUE": "none"}))]).continue_ == "none"
    assert resolve([("e", environment_values({"LOOP_CONTINUE": "none"}))]).continue_ == "none"
    assert resolve([("c", config_values({"continue": "none"}, "c"))]).continue_ == "none"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("max_round", "Did you mean 'max_rounds'?"),
        ("worker-backnd", "Did you mean 'worker_backend'?"),
        ("continu", "Did you mean 'continue'?"),
        ("zzz", "Known are: "),
    ],
)
def test_an_unknown_key_of_the_configuration_names_the_nearest(key: str, hint: str) -> None:
    with pytest.raises(BadSetting) as refused:
        config_values({key: 1}, ".loop/config.yaml")
    assert refused.value.sentence == (
        f".loop/config.yaml: unknown setting {key.replace('-', '_')!r}."
    )
    assert refused.value.remedy.startswith(hint)


@pytest.mark.parametrize(
    "key",
    [
        *("github-token", "openai-api-key", "anthropic-api-key", "claude-code-oauth-token"),
        *("task", "task-id", "round", "expected-state", "allow-dirty"),
    ],
)
def test_the_configuration_holds_no_secret_and_nothing_about_one_run(key: str) -> None:
    with pytest.raises(BadSetting, match="unknown setting"):
        config_values({key: "x"}, "config.yaml")


@pytest.mark.parametrize(
    "key",
    [
        *("max_rounds", "timeout", "auto_dispatch", "worker_backend", "reviewer_backend"),
        *("dispatch_timeout", "dispatch_retries", "dispatch_retry_base_sec", "artifact_timeout"),
    ],
)
def test_what_agent_task_runner_reads_from_its_configuration_is_read_here(key: str) -> None:
    assert config_values({key: 1}, "config.yaml") == {key: 1}


@pytest.mark.parametrize(
    ("raw", "name", "values"),
    [
        (b"max-rounds: 2\n", "config.yaml", {"max_rounds": 2}),
        (b'{"max_rounds": 2}', "config.json", {"max_rounds": 2}),
        (b"\xef\xbb\xbfscope: strict", "config.yml", {"scope": "strict"}),
        (b"", "config.yaml", {}),
        (b"# only a comment\n", "config.yaml", {}),
    ],
)
def test_a_configuration_file_is_yaml_or_json(raw: bytes, name: str, values: Values) -> None:
    assert parse_config(raw, name) == values


@pytest.mark.parametrize(
    ("raw", "name", "sentence"),
    [
        (b"- a\n", "config.yaml", "a mapping is expected, this is a list"),
        (b"{", "config.json", "cannot be parsed"),
        (b"", "config.json", "cannot be parsed"),
        (b"a: [", "config.yaml", "cannot be parsed"),
        (b"\xff", "config.yaml", "cannot be parsed"),
        (b"[" * 50_000, "config.json", "cannot be parsed"),
        (b'max_rounds: !!int ""', "config.yaml", "cannot be parsed"),
        (b"draft: !!bool x", "config.yaml", "cannot be parsed"),
        (b"#" * (MAX_CONFIG + 1), "config.yaml", "longer than"),
        (b"1: x", "config.yaml", "unknown setting '1'"),
    ],
)
def test_a_configuration_file_that_cannot_be_used_is_named(
    raw: bytes, name: str, sentence: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        parse_config(raw, name)
    assert refused.value.sentence.startswith(f"{name}: {sentence}")


def test_a_card_may_say_only_which_agents_where_and_how_to_verify() -> None:
    card = card_from(
        {
            "task_id": "T-001",
            "goal": "g",
            "base_branch": "dev",
            "verify": ["true"],
            "worker": {"backend": "claude", "model": "m"},
            "limits": {"max_rounds": 9},
        },
        "c",
    )
    assert card_values(card) == {
        "worker_backend": "claude",
        "worker_model": "m",
        "base_branch": "dev",
        "verify": ("true",),
    }


def test_secrets_are_known_but_never_shown() -> None:
    keys = ("openai_api_key", "anthropic_api_key", "claude_code_oauth_token", "github_token")
    settings = resolve([("environment", {key: f"secret-{key}" for key in keys})])
    assert settings.secrets == tuple(f"secret-{key}" for key in keys)
    assert "secret-" not in repr(settings) + str(settings) + json.dumps(
        settings.model_dump(mode="json")
    )
    assert Settings().secrets == ()
    assert "hunter2" not in refusal(("e", {"github_token": ["hunter2"]}))


def test_what_a_job_must_never_show_is_known_by_name() -> None:
    settings = resolve(
        [("e", {"github_token": "t0ken", "setup_env": "NPM_AUTH", "agent_env": "MY_*"})]
    )
    environ = {
        "GITHUB_TOKEN": "t0ken",
        "GH_TOKEN": "other",
        "MY_API_KEY": "key",
        "NPM_AUTH": "npm",
        "MY_NAME": "name",
        "CACHE_KEY": "linux",
    }
    assert known_secrets(settings, environ) == {
        "github-token": "t0ken",
        "GH_TOKEN": "other",
        "MY_API_KEY": "key",
        "NPM_AUTH": "npm",
    }


def test_the_operators_limits_are_the_settings() -> None:
    settings = resolve([("flags", {"max_rounds": 5, "max_tokens": 9, "evidence": "strict"})])
    limits = settings.limits(ci=True)
    assert (limits.max_rounds, limits.max_tokens, limits.evidence) == (5, 9, "strict")
    assert limits.max_cost_usd is None


def test_no_session_outlives_a_ci_job() -> None:
    settings = resolve([("flags", {"max_session_rounds": 4})])
    assert settings.limits(ci=True).session_rounds is None
    assert settings.limits(ci=False).session_rounds == 4
