"""What an environment says about the machine: where caches, tools, secrets and sockets are."""

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import loop_kit

_CACHES = (
    *("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "CARGO_HOME"),
    *("RUSTUP_HOME", "GOPATH", "GOMODCACHE", "GOCACHE", "PIP_CACHE_DIR", "UV_CACHE_DIR"),
    *("npm_config_cache", "NPM_CONFIG_CACHE", "YARN_CACHE_FOLDER", "PNPM_HOME", "COREPACK_HOME"),
    *("GRADLE_USER_HOME", "NUGET_PACKAGES", "COMPOSER_HOME", "BUNDLE_PATH", "GEM_HOME"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "pythonLocation", "RUNNER_TOOL_CACHE"),
)
"""Variables with the folders in which tools expect to write, outside the home too."""
_COMMAND_FILES = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE")
_RUNNER_FILES = (*_COMMAND_FILES, "GITHUB_STEP_SUMMARY", "GITHUB_EVENT_PATH")
_OF_A_POD = ("/run/secrets", "/var/run/secrets")
_CREDENTIAL_FILES = (
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE", "PGPASSFILE", "XAUTHORITY"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"),
    *("KUBECONFIG", "NETRC", "DOCKER_CONFIG", "GIT_CONFIG_GLOBAL", "NPM_CONFIG_USERCONFIG"),
    *("AZURE_CONFIG_DIR", "CLOUDSDK_CONFIG", "GH_CONFIG_DIR", "GNUPGHOME", "SSH_AUTH_SOCK"),
)
_LOGINS = (".codex/auth.json", ".claude/.credentials.json", ".local/share/opencode/auth.json")
_LOGINS_ELSEWHERE = (("CODEX_HOME", "auth.json"), ("CLAUDE_CONFIG_DIR", ".credentials.json"))
_CLOUDS = {
    "CLAUDE_CODE_USE_BEDROCK": ".aws",
    "CLAUDE_CODE_USE_VERTEX": ".config/gcloud",
    "CLAUDE_CODE_USE_FOUNDRY": ".azure",
}
_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock")
_SOCKETS_OF_USERS = ("docker.sock", "podman/podman.sock", "bus", "systemd/private", "tmux-{user}/*")
"""Below the folder that a session has for such; who reaches one has programs started outside."""
_TERMINALS_AND_SCREENS = ("/tmp/tmux-{user}/*", "/run/screen/S-*/*", "/tmp/.X11-unix/*")  # noqa: S108
_RUNNER = "Runner."
_OF_A_RUNNER = (".credentials", ".credentials_rsaparams", ".credentials_migrated", "_diag")
"""What a runner is registered by, with which one takes its place, and its logs."""
_NOT_SHOWN = ("HOME", "TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "GIT_ASKPASS")
_COVERED = ("/tmp", "/var/tmp", "/run", "/dev/shm")  # noqa: S108
_CLOSED_BY_LANDLOCK = ("/home", "/root", "/mnt", "/media", "/srv")
_SHELL = ("/bin/sh", "-c")
_WORD_END = re.compile(r"[\s\"'`;&|()<>=:]+")
_BINARIES = ("bin", "Scripts", ".bin", "sbin")


def layered(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The home and the tool caches outside it."""
    named = (environ.get(name, "") for name in ("HOME", *_CACHES))
    return tuple(dict.fromkeys(path for path in named if _is_below_root(path)))


def secret(environ: Mapping[str, str], seen: Iterable[str]) -> Iterator[str]:
    """Folders for temporary files, ours among them, the runner's files, and those with credentials.

    But for what the variables `seen` name.
    """
    for temp in (environ.get("RUNNER_TEMP", ""), environ.get("TMPDIR", "")):
        if _is_below_root(temp):
            yield temp
    for name in _RUNNER_FILES:
        if environ.get(name):
            yield from (os.path.dirname(environ[name]), environ[name])
    yield from _OF_A_POD
    for name in _CREDENTIAL_FILES:
        if environ.get(name) and name not in seen:
            yield environ[name]
    home = environ.get("HOME", "")
    if _is_below_root(home):
        yield from (f"{home}/{name}" for name in _LOGINS)
    yield from (f"{environ[name]}/{file}" for name, file in _LOGINS_ELSEWHERE if name in environ)
    yield from (f"{folder}/{name}" for folder in _runners(environ) for name in _OF_A_RUNNER)
    yield from sockets(environ)


def _runners(environ: Mapping[str, str]) -> Iterator[str]:
    """Where the runner of this job may be installed: above its folders, or as our ancestor says."""
    temp = environ.get("RUNNER_TEMP", "")
    if _is_below_root(temp):
        yield os.path.dirname(os.path.dirname(os.path.normpath(temp)))
    pid = os.getpid()
    while pid > 1:
        try:
            program = os.readlink(f"/proc/{pid}/exe")
            status = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return
        if os.path.basename(program).startswith(_RUNNER):
            yield os.path.dirname(os.path.dirname(program))
        pid = int(status.rpartition(b")")[2].split()[1])


def steering(environ: Mapping[str, str]) -> Iterator[str]:
    """Folders whose files other programs are started from, or steer the job."""
    yield from (path for path in environ.get("PATH", "").split(os.pathsep) if path)
    yield from (os.path.dirname(environ[name]) for name in _COMMAND_FILES if environ.get(name))
    yield sys.prefix


def sockets(environ: Mapping[str, str]) -> Iterator[str]:
    """Sockets through which one gets the rights of others."""
    yield from _SOCKETS
    user = str(os.getuid()) if hasattr(os, "getuid") else ""
    home = environ.get("HOME")
    runtimes = dict.fromkeys((environ.get("XDG_RUNTIME_DIR"), f"/run/user/{user}"))
    named = [f"{runtime}/{name}" for runtime in runtimes if runtime for name in _SOCKETS_OF_USERS]
    for pattern in (*named, *_TERMINALS_AND_SCREENS):
        path = pattern.replace("{user}", user)
        yield from sorted(glob.glob(path)) if path.endswith("*") else (path,)
    yield environ.get("TMUX", "").partition(",")[0]
    if home:
        yield f"{home}/.docker/run/docker.sock"
    yield environ.get("DOCKER_HOST", "").removeprefix("unix://")
    yield environ.get("SSH_AUTH_SOCK", "")


def shown(environ: Mapping[str, str], argv: Iterable[str], covered: Iterable[str]) -> Iterator[str]:
    """What a program with this environment and command line needs of what is `covered`.

    Of a folder with programs that is what they belong to: a virtual environment, or the modules of
    Node. Never a covered folder itself.
    """
    folders = {os.path.realpath(path) for path in (*covered, *_COVERED, *_CLOSED_BY_LANDLOCK)}
    packages = str(Path(loop_kit.__file__).parent.parent)
    named = [sys.prefix, sys.base_prefix, packages, *argv]
    for name, value in environ.items():
        if name not in _NOT_SHOWN and not name.startswith("LOOP_"):
            named += value.split(os.pathsep)
    for path in dict.fromkeys(named):
        if path.startswith("/") and os.path.exists(path):
            for each in {path, os.path.realpath(path)}:
                yield from _needed(each, folders)
    home = environ.get("HOME", "")
    yield from (f"{home}/{path}" for name, path in _CLOUDS.items() if environ.get(name))


def named(argv: Sequence[str], hidden: Iterable[str]) -> Iterator[str]:
    """The paths that a command line names; of a shell's command, none that is hidden."""
    yield from argv
    if tuple(argv[:2]) != _SHELL:
        return
    secrets = {os.path.realpath(path) for path in hidden}
    for word in dict.fromkeys((*_WORD_END.split(argv[-1]), *_unquoted(argv[-1]))):
        real = os.path.realpath(word) if word.startswith("/") else ""
        if real and not any(f"{real}/".startswith(f"{path}/") for path in secrets):
            yield word


def _unquoted(command: str) -> list[str]:
    """The words of a shell's command without their quotes, or none where these do not match."""
    import shlex

    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    with suppress(ValueError):
        return list(words)
    return []


def _needed(path: str, covered: set[str]) -> Iterator[str]:
    """`path`, if it is covered, and what it belongs to."""
    inside = any(os.path.realpath(path).startswith(f"{folder}/") for folder in covered)
    if not inside and not any(path.startswith(f"{folder}/") for folder in covered):
        return
    parts = path.split("/")
    wanted = [path]
    if "node_modules" in parts:
        wanted.append("/".join(parts[: parts.index("node_modules") + 1]))
    own = path if os.path.isdir(path) else os.path.dirname(path)
    wanted.append(os.path.dirname(own) if os.path.basename(own) in _BINARIES else own)
    for each in wanted:
        real = os.path.realpath(each)
        if not any(
            each_covered == real or each_covered.startswith(f"{real}/") for each_covered in covered
        ):
            yield each


def _is_below_root(path: str) -> bool:
    return path.startswith("/") and os.path.normpath(path) not in {"/", *_COVERED}
