"""Resolves the git remote and the GitHub API for this repository, and which credentials to use.

In a job that is what the runner reports. On a laptop it is what the remote's URL names, and git
uses the user's own credentials. A URL can come from anybody, so the token is sent to
github.com, to tenants on ghe.com, and else only to the host that GH_HOST or GITHUB_SERVER_URL
names: whoever clones a repository from somewhere must not have their token follow it there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit, urlunsplit

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote import Remote
from loop_kit.errors import BadSetting
from loop_kit.usecases.github_token import exported_token

if TYPE_CHECKING:
    from loop_kit.adapters.github.forge import Access, GitHubForge

_GITHUB = "https://github.com"
_NO_ACCESS_HINT = "Set GITHUB_TOKEN, to a token that may read pull requests."
_REPOSITORY = re.compile(r"(?!\.\.?/)[A-Za-z0-9_.-]+/(?!\.\.?$)[A-Za-z0-9_.-]+")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9a-f:]+\]")
"""Programs disagree on where a host ends that holds a backslash or the like: there is none here."""
_SCP = re.compile(r"(?:[^@/:]+@)?([^@/:]{2,}):(?!//)(.+)")
"""`user@host:path`; one letter before the colon is a drive."""
_GIT_SCHEMES = ("https", "http", "ssh", "git", "git+ssh", "ssh+git")


@dataclass(frozen=True, slots=True)
class RemotePlace:
    """A repository on a git server, and on a forge if the server is one that we know.

    Attributes:
        repository: "owner/name" on the forge, None when it is on none.
        server_url: The forge as people see it, without a slash at the end.
        api_url: Its REST API.
        token: What may be sent there, if there is one.
        remote: Where git goes, with a token of its own only in a job.
        hint: What to do so that the forge can be asked, None when it can.
    """

    repository: str | None
    server_url: str
    api_url: str
    token: str | None
    remote: Remote
    hint: str | None = None

    def __repr__(self) -> str:
        return f"RemotePlace({self.repository!r}, {self.server_url!r})"

    def access(self) -> "Access | None":
        """The forge's API with a token for it, or None when it cannot be asked."""
        from loop_kit.adapters.github.forge import Access

        if self.token is None or self.repository is None:
            return None
        return Access(self.api_url, self.server_url, self.repository, self.token)

    def require_access(self, sentence: str) -> "Access":
        """The forge's API with a token for it.

        Raises:
            BadSetting: it cannot be asked; `sentence` says what for.
        """
        access = self.access()
        if access is None:
            raise BadSetting(sentence, self.hint or _NO_ACCESS_HINT, anchor="remote-missing")
        return access

    def forge(self) -> "GitHubForge | None":
        """The forge, or None when it cannot be asked."""
        from loop_kit.adapters.github.forge import GitHubForge

        access = self.access()
        return None if access is None else GitHubForge(access)


def remote_place(git: Git, environ: Mapping[str, str], name: str = "origin") -> RemotePlace:
    """Where the repository of `git` is, whose directory is the root of the work tree.

    Raises:
        BadSetting: there is no remote of that name, or GITHUB_REPOSITORY is no repository.
    """
    in_job = environ.get("GITHUB_ACTIONS") == "true"
    url = _url_of(git, name)
    named = environ.get("GITHUB_REPOSITORY", "").strip()
    if not url and not (in_job and named):
        raise BadSetting(
            f"There is no remote named {name!r}.",
            f"Add it with `git remote add {name} <url>`, or name another, where that is an option.",
            anchor="remote-missing",
        )
    server, repository = _forge_of(url, environ)
    if named:
        server, repository = _own_server(environ), named
    if repository and not _REPOSITORY.fullmatch(repository):
        raise BadSetting(
            f"GITHUB_REPOSITORY: {repository[:80]!r} is no repository.",
            "Write owner/name.",
            anchor="remote-missing",
        )
    token = exported_token(environ)
    hint = _hint(server, repository, token, environ)
    token = None if hint else token
    if in_job and repository:
        remote = Remote(_job_url(url, server, repository), server, token or "")
    else:
        remote = Remote(_absolute_url(git, url), server, "")
    return RemotePlace(repository, server, _api_of(server, environ), token, remote, hint)


def _url_of(git: Git, name: str) -> str:
    """The URL of a remote as git would use it, or ''."""
    if name.startswith("-"):
        return ""
    done = git.run("remote", "get-url", name, ok=range(256))
    lines = done.out.decode("utf-8", "surrogateescape").splitlines() if done.code == 0 else []
    return lines[0] if lines else ""


def _forge_of(url: str, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """The server and the "owner/name" that a git URL names; None for what is on no forge."""
    scp = _SCP.fullmatch(url) if "://" not in url else None
    parts = SplitResult("ssh", scp[1], scp[2], "", "") if scp else _split(url)
    if parts.scheme not in _GIT_SCHEMES or not _HOST.fullmatch(_host(parts)):
        return _GITHUB, None
    path = parts.path.strip("/").removesuffix(".git")
    repository = path if _REPOSITORY.fullmatch(path) else None
    host = "github.com" if parts.hostname == "ssh.github.com" else _host(parts)
    own = _own_server(environ)
    if _host(_split(own)) == host:
        return own, repository
    web = parts.scheme in {"http", "https"}
    return (f"{parts.scheme}://{_without_login(parts)}" if web else f"https://{host}"), repository


def _own_server(environ: Mapping[str, str]) -> str:
    """The forge that the environment names."""
    server = environ.get("GITHUB_SERVER_URL", "").strip().rstrip("/")
    host = environ.get("GH_HOST", "").strip()
    return server or (f"https://{host}" if host else _GITHUB)


def _api_of(server: str, environ: Mapping[str, str]) -> str:
    api_url = environ.get("GITHUB_API_URL", "").strip().rstrip("/")
    if api_url and server == _own_server(environ):
        return api_url
    host = _host(_split(server))
    if host == "github.com":
        return "https://api.github.com"
    return f"https://api.{host}" if host.endswith(".ghe.com") else f"{server}/api/v3"


def _hint(
    server: str, repository: str | None, token: str | None, environ: Mapping[str, str]
) -> str | None:
    host = _host(_split(server))
    if not repository:
        return "The remote is on no forge that can be asked: set GITHUB_REPOSITORY=owner/name."
    if not token:
        return _NO_ACCESS_HINT
    is_github = host == "github.com" or host.endswith(".ghe.com")
    if is_github or server == _own_server(environ):
        return None
    return f"Set GH_HOST={host}, if the token may be sent there."


def _job_url(url: str, server: str, repository: str) -> str:
    """The checkout's URL where it is this repository on this server, without any login in it."""
    ours, parts = _split(server), _split(url)
    same = (parts.scheme, parts.netloc.rpartition("@")[2]) == (ours.scheme, ours.netloc)
    path = parts.path.strip("/").removesuffix(".git")
    if same and (path == repository or path.endswith(f"/{repository}")):
        return urlunsplit((parts.scheme, _without_login(parts), parts.path, "", ""))
    return f"{server}/{repository}"


def _absolute_url(git: Git, url: str) -> str:
    """`url`, which may be a path that counts from the work tree."""
    is_path = "://" not in url and not _SCP.fullmatch(url)
    return str(git.directory / url) if is_path else url


def _host(parts: SplitResult) -> str:
    """The host in lower case, an IPv6 address in its brackets; '' where there is none."""
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def _without_login(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")
