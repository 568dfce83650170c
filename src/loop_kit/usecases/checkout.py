"""Finds the repository that a job works on, and refuses to work on another's.

actions/checkout puts it into the workspace, or with `path:` below it. A step's working directory
decides where there are several. Commits of another repository must never reach this one's branches.
"""

import re
from collections.abc import Iterator
from dataclasses import field
from itertools import islice
from pathlib import Path
from urllib.parse import SplitResult, urlsplit, urlunsplit

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote import Remote, fetch_branch, fetch_commit
from loop_kit.adapters.git.repository import GitRepository, Place, locate
from loop_kit.adapters.runner.job import Job
from loop_kit.adapters.workspaces.cloner import Complete, Supply
from loop_kit.errors import NotARepository
from loop_kit.frozen import frozen

_MAX_FOLDERS = 1000
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")
_PORTS = {"https": 443, "http": 80}


@frozen
class Checkout:
    """A repository here and its remote, from which it is completed.

    Attributes:
        branch: The branch whose tip is checked out, None where that is not known.
    """

    git: Git
    place: Place
    remote: Remote
    supply: Supply = field(default_factory=Complete)
    branch: str | None = None

    @property
    def repository(self) -> GitRepository:
        """Answers about its commits."""
        return GitRepository(self.git)

    def fetch(self, sha: str) -> None:
        """Fetch a commit, or what belongs to it, that the checkout does not hold."""
        if not self.git.has(sha):
            fetch_commit(self.git, self.remote, sha)
        self.supply.complete(sha)

    def tip(self, branch: str) -> str:
        """The tip of a branch."""
        if branch == self.branch:
            return self.place.head
        return fetch_branch(self.git, self.remote, branch)


def find_checkout(git: Git, cwd: Path, job: Job) -> Place:
    """The checkout of the job's repository: where the step runs, in the workspace, or below it.

    Raises:
        NotARepository: there is none, there are several, or it is another repository's.
    """
    workspace = Path(job.workspace).resolve()
    inside = cwd.is_relative_to(workspace) and cwd != workspace
    place = (_place(git.at(cwd)) if inside else None) or _place(git.at(workspace))
    if place is None or not place.root.is_relative_to(workspace):
        place = _below(git, workspace, job)
    other = _other(git.at(place.root), job)
    if other:
        raise NotARepository(
            f"{place.root} is a checkout of {other}, and the job is one of {job.repository}.",
            f"Check out {job.repository}, or run this step with its folder as working-directory.",
            anchor="checkout-wrong",
        )
    return place


def remote_url(git: Git, job: Job) -> str:
    """Where to push: as the checkout has it when that is on this server, without any login."""
    server = job.server_url.rstrip("/")
    origin = urlsplit(_origin(git))
    same = _address(origin) == _address(urlsplit(server))
    if not (same and _repository_in(origin.path, server).lower() == job.repository.lower()):
        return f"{server}/{job.repository}"
    host = origin.netloc.rpartition("@")[2]
    return urlunsplit((origin.scheme, host, origin.path, "", ""))


def _place(git: Git) -> Place | None:
    try:
        return locate(git)
    except NotARepository as error:
        if "has no commit" in error.sentence:
            raise
        return None


def _below(git: Git, workspace: Path, job: Job) -> Place:
    """The one checkout of the job's repository in a folder of the workspace."""
    places = [place for folder in _folders(workspace) if (place := _place(git.at(folder)))]
    ours = [place for place in places if not _other(git.at(place.root), job)]
    found = ours or places
    if not found:
        raise NotARepository(
            f"There is no checkout in {workspace}.",
            "Add actions/checkout before this step.",
            anchor="checkout-wrong",
        )
    if len(found) > 1:
        names = ", ".join(str(place.root.relative_to(workspace)) for place in found)
        raise NotARepository(
            f"There are {len(found)} checkouts in {workspace}: {names}.",
            "Run this step with the right one as working-directory, or check out one alone.",
            anchor="checkout-wrong",
        )
    return found[0]


def _folders(workspace: Path) -> Iterator[Path]:
    """Folders with a `.git`, at most two levels below the workspace."""
    for pattern in ("*/.git", "*/*/.git"):
        for inside in islice(sorted(workspace.glob(pattern)), _MAX_FOLDERS):
            if not inside.parent.is_symlink():
                yield inside.parent.resolve()


def _other(git: Git, job: Job) -> str:
    """The other repository of the same server that this is a checkout of, or ''."""
    origin, server = _origin(git), urlsplit(job.server_url)
    scp = _SCP.fullmatch(origin) if "://" not in origin else None
    host, path = scp.groups() if scp else (urlsplit(origin).hostname or "", urlsplit(origin).path)
    if host.lower() != (server.hostname or "").lower():
        return ""
    named = _repository_in(path, job.server_url)
    return "" if named.lower() == job.repository.lower() else named


def _origin(git: Git) -> str:
    output = git.run("config", "remote.origin.url", ok=(0, 1)).out
    return output.decode("utf-8", "replace").strip()


def _repository_in(path: str, server: str) -> str:
    """`owner/name` in the path of a repository on a server that may itself have a path."""
    prefix = urlsplit(server).path.strip("/")
    return path.strip("/").removesuffix(".git").removeprefix(f"{prefix}/" if prefix else "")


def _address(url: SplitResult) -> tuple[str, str, int | None]:
    return url.scheme, (url.hostname or "").lower(), url.port or _PORTS.get(url.scheme)
