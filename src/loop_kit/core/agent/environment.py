"""Which environment variables an agent's process may see.

An allow-list, because the next secret's name is not known: whatever a runner, a shell or a user
exports stays out unless it is named here or by the setting `agent-env`.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

ALLOWED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TERM", "TMPDIR", "TZ", "CI"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"),
    *("JAVA_HOME*", "GOPATH", "GOROOT*", "GOBIN", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS"),
    *("GOTOOLCHAIN", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB"),
    *("CARGO_HOME", "RUSTUP_HOME", "VIRTUAL_ENV", "CONDA_PREFIX"),
    *("LD_LIBRARY_PATH", "pythonLocation", "NVM_*", "NODE_PATH", "XDG_*"),
    *("CODEX_HOME", "CLAUDE_CONFIG_DIR"),
    *("SYSTEMROOT", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP"),
    *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
)

NEVER = ("GITHUB_*", "ACTIONS_*", "RUNNER_*", "INPUT_*", "LOOP_*_KEY", "LOOP_*_TOKEN")


def agent_environment(
    environ: Mapping[str, str], extra: Iterable[str] = (), *, withheld: Iterable[str] = ()
) -> dict[str, str]:
    """The part of `environ` that an agent may see; `extra` are globs that a user allowed.

    What is `withheld` by its name is for the setup of workspaces alone.
    """
    wanted, refused = (*ALLOWED, *extra), (*NEVER, *withheld)
    return {
        name: value
        for name, value in environ.items()
        if _matches(name, wanted) and not _matches(name, refused)
    }


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
