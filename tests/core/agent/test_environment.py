"""What an agent's process may see of the environment."""

import pytest

from loop_kit.core.agent.environment import UNATTENDED, agent_environment, with_git_settings

QUIET = agent_environment({})
"""What every agent has."""

FORBIDDEN = (
    *("GITHUB_TOKEN", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE"),
    *("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_CACHE_URL"),
    *("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "RUNNER_TEMP", "RUNNER_TRACKING_ID"),
    *("INPUT_GITHUB-TOKEN", "INPUT_OPENAI_API_KEY"),
)
USUAL = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TMPDIR"),
    *("TZ", "CI", "HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"),
    *("JAVA_HOME", "JAVA_HOME_17_X64", "GOPATH", "GOROOT_1_22_X64", "CARGO_HOME", "RUSTUP_HOME"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "pythonLocation", "NVM_DIR", "NODE_PATH"),
    *("XDG_CONFIG_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "SYSTEMROOT", "COMSPEC", "PATHEXT"),
    *("USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP"),
    *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
)
SECRET = (
    *("OPENAI_API_KEY", "CODEX_API_KEY", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"),
    *("AWS_SECRET_ACCESS_KEY", "NPM_TOKEN", "GH_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"),
    *("SSH_AUTH_SOCK", "GIT_ASKPASS", "GIT_CONFIG_COUNT", "GIT_CONFIG_VALUE_0", "PYTHONPATH"),
)


@pytest.mark.parametrize("name", USUAL)
def test_what_tools_need_is_passed_on(name: str) -> None:
    assert agent_environment({name: "x"}) == {**QUIET, name: "x"}


@pytest.mark.parametrize("name", [*SECRET, *FORBIDDEN, "LOOP_GITHUB_TOKEN", "LOOP_TASK_ID"])
def test_what_is_not_named_stays_out(name: str) -> None:
    assert agent_environment({name: "x"}) == QUIET


@pytest.mark.parametrize("name", FORBIDDEN)
@pytest.mark.parametrize("extra", [["*"], ["GITHUB_*", "ACTIONS_*", "RUNNER_*", "INPUT_*"], None])
def test_the_runners_own_variables_stay_out_even_when_agent_env_asks(
    name: str, extra: list[str] | None
) -> None:
    assert agent_environment({name: "x"}, [name] if extra is None else extra) == QUIET


@pytest.mark.parametrize(
    "name", ["LOOP_GITHUB_TOKEN", "LOOP_OPENAI_API_KEY", "LOOP_ANTHROPIC_API_KEY"]
)
def test_our_own_secrets_stay_out_even_when_agent_env_asks(name: str) -> None:
    assert agent_environment({name: "x"}, ["LOOP_*", "*"]) == QUIET


def test_agent_env_adds_what_its_globs_name_and_nothing_else() -> None:
    environ = {"NPM_TOKEN": "n", "NPM_CONFIG": "c", "OTHER": "o", "PATH": "/bin"}
    assert agent_environment(environ, ["NPM_*"]) == {
        **QUIET,
        "NPM_TOKEN": "n",
        "NPM_CONFIG": "c",
        "PATH": "/bin",
    }
    assert agent_environment(environ, ["npm_*"]) == {**QUIET, "PATH": "/bin"}


def test_values_are_passed_on_as_they_are() -> None:
    given = {"PATH": "", "HOME": "a=b\n"}
    assert agent_environment(given) == {**QUIET, **given}


def test_no_setting_of_the_user_lets_git_wait_for_a_person() -> None:
    given = {"GIT_EDITOR": "vi", "GIT_TERMINAL_PROMPT": "1", "SSH_ASKPASS": "ask"}
    assert agent_environment(given, ["*"]) == QUIET
    assert QUIET.items() >= UNATTENDED.items()


@pytest.mark.parametrize(("count", "number"), [("2", 2), ("", 0), ("x", 0), ("-1", 0)])
def test_settings_of_git_are_added_to_those_that_are_there(count: str, number: int) -> None:
    env = with_git_settings({"GIT_CONFIG_COUNT": count, "A": "a"}, [("x.y", "z")])
    assert env == {
        "A": "a",
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": "x.y",
        f"GIT_CONFIG_VALUE_{number}": "z",
    }
    assert with_git_settings({"A": "a"}, []) == {"A": "a"}
