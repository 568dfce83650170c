"""Runs git without any configuration that an agent or the caller's shell may have set.

Hooks, fsmonitor, external protocols, replace refs and the variables that redirect a repository are
off in every call. `isolated` also turns the user's own configuration off, which is right in a CI
job, where an agent can write to the home folder, and wrong on a laptop (ignores, line endings).
Only how a runner reaches its server (a company's proxy and certificates) is taken from that
configuration: once, before an agent runs (`in_job`). The token is passed in the environment of one
call: never in an argument, a URL or a file.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Self

from loop_kit import defaults
from loop_kit.adapters.files.special_files import refuse_special_file
from loop_kit.adapters.git.objects import Objects
from loop_kit.adapters.git.refs import Refs
from loop_kit.adapters.process import process
from loop_kit.adapters.process.programs import absolute_path, find_program, trusted_path
from loop_kit.core.agent.environment import with_git_settings
from loop_kit.errors import BadSetting, GitFailed
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

_FIXED = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.quotePath": "false",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "core.safeCRLF": "false",
    "core.splitIndex": "false",
    "diff.orderFile": os.devnull,
    "diff.relative": "false",
    "fetch.prune": "false",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
    "protocol.ext.allow": "never",
    "protocol.file.allow": "user",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
    "submodule.recurse": "false",
}
"""What the user's configuration must not change: git reads an index that was copied (so it is in
one piece), prints in one order and one encoding, and fetches between folders of this machine."""
_ISOLATED = {
    "safe.directory": "*",
    "core.excludesFile": os.devnull,
    "core.sparseCheckout": "false",
    "core.autocrlf": "false",
    "filter.lfs.process": "",
    "filter.lfs.smudge": "",
    "filter.lfs.clean": "",
    "filter.lfs.required": "false",
}
"""In a job also: a sparse checkout hides no file of a clone, and LFS pointers stay pointers."""

FETCH = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
"""A fetch of nothing but what is named."""

CHECK_OBJECTS = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "fetch.fsckObjects",
    "GIT_CONFIG_VALUE_0": "true",
}
"""For a fetch from where an agent may have written: malformed objects are refused.

Elsewhere they are not: the old history of many projects has some, and the user has it already.
"""

_TRUSTING = Path(defaults.__file__).with_name("git") / "gitconfig"
"""Trusts every owner, as container jobs need. A file, because git hands no `-c` to the serving side
of a local fetch, and because before 2.38 it ignored one for `safe.directory`."""

_NETWORK = late_pattern(
    r"http\.(.+\.)?(proxy|proxyauthmethod|sslbackend|sslcainfo|sslcapath)", re.IGNORECASE
)
_PLAIN = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT"})
"""What git needs besides its own variables where it stays in a job."""
_IDENT = late_pattern(r"(?P<name>[^<\n]+) <(?P<email>[^>\n]+)> \d+ ")
_BLOB_BATCH = 32 * 1024 * 1024
_PASSED_ON = ("GIT_SSL_", "GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_HTTP_", "GIT_PROXY_", "GIT_TRACE")


@frozen
class Identity:
    """Author and committer of the commits that loop-kit makes."""

    name: str = "github-actions[bot]"
    email: str = "41898282+github-actions[bot]@users.noreply.github.com"

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    def environment(self) -> dict[str, str]:
        """The variables that make git use this identity."""
        return {
            "GIT_AUTHOR_NAME": self.name,
            "GIT_AUTHOR_EMAIL": self.email,
            "GIT_COMMITTER_NAME": self.name,
            "GIT_COMMITTER_EMAIL": self.email,
        }


ANONYMOUS = Identity("loop-kit", "loop-kit@localhost")
"""The identity on a machine where git has none configured."""


@frozen
class Setting:
    """One line of git's configuration, and where it is from: `system`, `global`, `local`, ..."""

    scope: str
    name: str
    value: str


_NO_GIT = ("git is not installed.", "Install git and put it on PATH.")


class GitTooSlow(GitFailed):
    """A git command did not end in time, and nothing is there that it would wait for."""


class GitPrintedTooMuch(GitFailed):
    """A git command printed more than its caller can use."""


class Git:
    """Runs git in one directory."""

    def __init__(
        self,
        directory: Path,
        environ: Mapping[str, str],
        *,
        isolated: bool = False,
        timeout: float = 30,
        network: Sequence[tuple[str, str]] = (),
        end: float | None = None,
    ) -> None:
        """No command runs longer than until `end`, a moment of the monotonic clock."""
        self.directory = directory
        self._timeout = timeout
        self.isolated = isolated
        self._environ = environ
        self._network = network
        self._end = end
        config = _FIXED | (_ISOLATED if isolated else {})
        self._config = [part for item in config.items() for part in ("-c", "=".join(item))]
        self._env = _clean(environ, isolated=isolated)

    @classmethod
    def in_job(cls, directory: Path, environ: Mapping[str, str], timeout: float) -> Self:
        """Isolated git that reaches the network by the runner's own configuration.

        Call it before an agent runs: whoever writes that configuration can read the token.
        """
        environ = {**environ, "PATH": trusted_path(environ)}
        trust = ("-c", "safe.directory=*")
        query = (*trust, "config", "--show-scope", "--includes", "-z", "--get-regexp", r"^http\.")
        plain = Git(directory, environ, timeout=timeout)
        listing = plain.run(*query, ok=range(256)).out.decode("utf-8", "surrogateescape")
        network = tuple(_network_settings(listing))
        return cls(directory, environ, isolated=True, timeout=timeout, network=network)

    @property
    def exported_git_dir(self) -> str | None:
        """The GIT_DIR that the user's shell exports; no command is run with it."""
        return self._environ.get("GIT_DIR")

    def at(self, directory: Path) -> "Git":
        """The same git in another directory."""
        return self._copy(directory, self._end)

    def until(self, end: float) -> "Git":
        """The same git, none of whose commands runs longer than until `end`."""
        return self._copy(self.directory, end)

    def _copy(self, directory: Path, end: float | None) -> "Git":
        return Git(
            directory,
            self._environ,
            isolated=self.isolated,
            timeout=self._timeout,
            network=self._network,
            end=end,
        )

    def run(
        self,
        *args: str,
        ok: Sequence[int] = (0,),
        stdin: bytes | Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        stdout: Path | None = None,
        limit: int = 64 * 1024 * 1024,
    ) -> process.Completed:
        """Run `git *args`.

        Raises:
            GitFailed: git is missing, hangs, prints too much, or ends with a code not in `ok`.
        """
        refuse_special_file(self.directory)
        command, seconds = f"git {args[0]}", timeout or self._timeout
        if self._end is not None:
            seconds = min(seconds, max(0.1, self._end - time.monotonic()))
        try:
            done = process.run(
                [_program(self._env.get("PATH")), *self._config, *args],
                cwd=self.directory,
                env=with_git_settings({**self._env, **(env or {})}, self._network),
                stdin=stdin,
                timeout=seconds,
                stdout=stdout,
                limit=limit,
            )
        except FileNotFoundError:
            raise GitFailed(*_NO_GIT, anchor="git-missing") from None
        except process.CommandTimeout:
            refuse_special_file(self.directory, everywhere=True)
            raise GitTooSlow(
                f"`{command}` took longer than {seconds:g} s.",
                "Look for a lock or a slow disk or network, then run again.",
            ) from None
        except process.OutputTooLong:
            sentence = f"`{command}` printed more than {limit} bytes."
            raise GitPrintedTooMuch(sentence, "Make smaller commits.") from None
        if done.code not in ok:
            error = done.err.decode("utf-8", "replace").strip()[-600:] or f"exit code {done.code}"
            raise GitFailed(f"`{command}` failed: {error}", "Fix what git reports and run again.")
        return done

    @cached_property
    def objects(self) -> Objects:
        """The objects of the repository here."""
        return Objects(self.starter(), self._timeout)

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """The configuration of the repository here, in git's order: a later one overrides.

        Raises:
            GitFailed: git cannot read it.
        """
        out = self.run("config", "--list", "--show-scope", "-z").out
        parts = out.decode("utf-8", "surrogateescape").split("\0")
        pairs = zip(parts[::2], parts[1::2], strict=False)
        return tuple(Setting(scope, *each.partition("\n")[::2]) for scope, each in pairs)

    @cached_property
    def object_folder(self) -> str:
        """Where the objects of the repository here are."""
        return self.text("rev-parse", "--path-format=absolute", "--git-path", "objects")

    @cached_property
    def refs(self) -> Refs:
        """The refs of the repository here."""
        return Refs(self.starter(), self._timeout)

    def starter(self, **env: str) -> Callable[..., process.Dialogue]:
        """What starts git here that stays, and holds nothing that holds what it has started.

        In a job it stays while agents run, who could read its environment: it has no secret there.
        """
        plain = (name for name in self._env if name.startswith("GIT_") or name in _PLAIN)
        names = plain if self.isolated else self._env
        env = {**{name: self._env[name] for name in names}, **env}
        argv = (_program(self._env.get("PATH")), *self._config)
        return partial(_start, argv, self.directory, env)

    def set_ref(self, ref: str, sha: str) -> None:
        """Put a ref of our own at `sha`, wherever it was.

        Raises:
            GitFailed: git cannot write the ref.
        """
        if not self.refs.move(ref, sha):
            self.run("update-ref", "--no-deref", ref, sha)

    def text(self, *args: str, env: Mapping[str, str] | None = None) -> str:
        """What `git *args` prints, without its last line end."""
        return self.run(*args, env=env).out.decode("utf-8", "surrogateescape").rstrip("\n")

    def has(self, sha: str) -> bool:
        """Whether the commit `sha` is here."""
        return self.run("cat-file", "-e", f"{sha}^{{commit}}", ok=(0, 1, 128)).code == 0


def _start(
    git: Sequence[str], directory: Path, env: Mapping[str, str], *args: str
) -> process.Dialogue:
    try:
        return process.start_dialogue([*git, *args], cwd=directory, env=env)
    except FileNotFoundError:
        raise GitFailed(*_NO_GIT, anchor="git-missing") from None


@cache
def _program(path: str | None) -> str:
    """The git that this PATH leads to: looked for once, since a round runs it many times."""
    return find_program("git", {} if path is None else {"PATH": path}) or "git"


def committer(git: Git) -> Identity:
    """The user's identity as git would commit with it, else loop-kit's where none is configured.

    Raises:
        BadSetting: git would refuse to commit: it has only a part, and may not or cannot guess.
    """
    configured = {setting.name: setting.value for setting in git.settings}
    name, email = configured.get("user.name", ""), configured.get("user.email", "")
    if all(text and not set(text) & set("<>\n\0") for text in (name, email)):
        return Identity(name, email)
    may_guess = configured.get("user.useconfigonly", "false").lower() in {"false", "no", "off", "0"}
    if may_guess and not name and not email:
        return ANONYMOUS
    answer = git.run("var", "GIT_COMMITTER_IDENT", ok=(0, 128))
    found = _IDENT.match(answer.out.decode("utf-8", "replace"))
    if found is None:
        words = {"user.name": '"Your Name"', "user.email": "you@example.com"}
        missing = [key for key in words if not configured.get(key)]
        wrong = missing or list(words)
        why = "is missing in" if missing else "cannot be used from"
        raise BadSetting(
            f"Agents could not commit: {' and '.join(wrong)} {why} git's configuration.",
            "Run " + " and ".join(f"`git config {key} {words[key]}`" for key in wrong) + ".",
            anchor="git-identity",
        )
    return Identity(found["name"], found["email"])


def read_blobs(git: Git, wanted: Mapping[str, tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
    """The contents of blobs, given by their id and size, by few commands."""
    batch: dict[str, tuple[str, int]] = {}
    total = 0
    for key, (oid, size) in wanted.items():
        if batch and total + size > _BLOB_BATCH:
            yield from _read_batch(git, batch)
            batch, total = {}, 0
        batch[key] = oid, size
        total += size
    if batch:
        yield from _read_batch(git, batch)


def _read_batch(git: Git, batch: Mapping[str, tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
    ids = "".join(f"{oid}\n" for oid, _ in batch.values()).encode()
    out = git.run("cat-file", "--batch", stdin=ids).out
    at = 0
    for key, (_, size) in batch.items():
        start = out.index(b"\n", at) + 1
        yield key, out[start : start + size]
        at = start + size + 1


def _network_settings(listing: str) -> Iterator[tuple[str, str]]:
    """The settings for proxies and certificates in the system's and the user's configuration."""
    parts = listing.split("\x00")
    for scope, setting in zip(parts[::2], parts[1::2], strict=False):
        name, _, value = setting.partition("\n")
        if scope in {"system", "global"} and _NETWORK.fullmatch(name):
            yield name, value


def _clean(environ: Mapping[str, str], *, isolated: bool) -> dict[str, str]:
    env = {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_") or name.startswith(_PASSED_ON)
    }
    if "PATH" in env:
        env["PATH"] = absolute_path(env["PATH"])
    env |= {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ASKPASS": "",
        "GIT_PAGER": "cat",
    }
    if isolated:
        env |= {
            "GIT_CONFIG_GLOBAL": str(_TRUSTING),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
        }
    return env
