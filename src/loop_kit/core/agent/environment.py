"""Which environment variables an agent's process may see.

An allow-list, because the next secret's name is not known: whatever a runner, a shell or a user
exports stays out unless it is named here or by the setting `agent-env`.

Nobody sits at an agent's terminal. So git opens no editor there and asks for nothing, whatever the
user's configuration says: a commit without a message, or a server that wants a password, fails.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache

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

UNATTENDED = {
    "GIT_EDITOR": "true",
    "GIT_SEQUENCE_EDITOR": "true",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
    "GIT_PAGER": "cat",
}
"""How git, ssh and git's credential manager are kept from waiting for a person."""

_UNATTENDED_SETTINGS = (
    *(("commit.gpgSign", "false"), ("tag.gpgSign", "false")),
    *(("core.fsmonitor", "false"), ("core.splitIndex", "false")),
)
"""Signing may ask for a passphrase; a monitor is one more process, and we read one whole index."""

NEVER = ("GITHUB_*", "ACTIONS_*", "RUNNER_*", "INPUT_*", "LOOP_*_KEY", "LOOP_*_TOKEN")


def agent_environment(
    environ: Mapping[str, str], extra: Iterable[str] = (), *, withheld: Iterable[str] = ()
) -> dict[str, str]:
    """The part of `environ` that an agent may see, with git that waits for nobody.

    `extra` are globs that a user allowed. What is `withheld` by its name is for the setup of
    workspaces alone.
    """
    wanted, refused = (*ALLOWED, *extra), (*NEVER, *withheld)
    visible = {
        name: value
        for name, value in environ.items()
        if _matches(name, wanted) and not _matches(name, refused)
    }
    return with_git_settings({**visible, **UNATTENDED}, _UNATTENDED_SETTINGS)


def public_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of `environ` that holds no secret: what any agent may see."""
    return {
        name: value
        for name, value in environ.items()
        if _matches(name, ALLOWED) and not _matches(name, NEVER)
    }


def operator_environment(environ: Mapping[str, str], secrets: Collection[str]) -> dict[str, str]:
    """What a command of the operator's own may see: all but the runner's and what is our secret."""
    return {
        name: value
        for name, value in environ.items()
        if value not in secrets and not _matches(name, NEVER)
    }


def with_git_settings(
    env: Mapping[str, str], settings: Sequence[tuple[str, str]]
) -> dict[str, str]:
    """`env` with more settings of git; not as arguments, for a value may hold a password."""
    if not settings:
        return dict(env)
    count = env.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isdecimal() else 0
    added = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (name, value) in enumerate(settings, first):
        added |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return {**env, **added}


def _matches(name: str, globs: Collection[str]) -> bool:
    return name in globs or any(
        name.startswith(_start(glob)) and fnmatchcase(name, glob) for glob in globs
    )


@cache
def _start(glob: str) -> str:
    """What every name begins with that fits: nothing else is worth a pattern."""
    return re.split(r"[*?[]", glob, maxsplit=1)[0]
