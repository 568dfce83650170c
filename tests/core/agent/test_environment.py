"""What an agent's process may see of the environment."""

import pytest

from loop_kit.core.agent.environment import agent_environment

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
    assert agent_environment({name: "x"}) == {name: "x"}


@pytest.mark.parametrize("name", [*SECRET, *FORBIDDEN, "LOOP_GITHUB_TOKEN", "LOOP_TASK_ID"])
def test_what_is_not_named_stays_out(name: str) -> None:
    assert agent_environment({name: "x"}) == {}


@pytest.mark.parametrize("name", FORBIDDEN)
@pytest.mark.parametrize("extra", [["*"], ["GITHUB_*", "ACTIONS_*", "RUNNER_*", "INPUT_*"], None])
def test_the_runners_own_variables_stay_out_even_when_agent_env_asks(
    name: str, extra: list[str] | None
) -> None:
    assert agent_environment({name: "x"}, [name] if extra is None else extra) == {}


@pytest.mark.parametrize(
    "name", ["LOOP_GITHUB_TOKEN", "LOOP_OPENAI_API_KEY", "LOOP_ANTHROPIC_API_KEY"]
)
def test_our_own_secrets_stay_out_even_when_agent_env_asks(name: str) -> None:
    assert agent_environment({name: "x"}, ["LOOP_*", "*"]) == {}


def test_agent_env_adds_what_its_globs_name_and_nothing_else() -> None:
    environ = {"NPM_TOKEN": "n", "NPM_CONFIG": "c", "OTHER": "o", "PATH": "/bin"}
    assert agent_environment(environ, ["NPM_*"]) == {
        "NPM_TOKEN": "n",
        "NPM_CONFIG": "c",
        "PATH": "/bin",
    }
    assert agent_environment(environ, ["npm_*"]) == {"PATH": "/bin"}


def test_values_are_passed_on_as_they_are() -> None:
    assert agent_environment({"PATH": "", "HOME": "a=b\n"}) == {"PATH": "", "HOME": "a=b\n"}
