"""The git server of a repository, and how a branch or a commit is fetched from it."""

from dataclasses import dataclass

from loop_kit.adapters.git import Git, authorization
from loop_kit.errors import BranchRefused


@dataclass(frozen=True, slots=True)
class Remote:
    """The git server: where, and with which token. The token is never shown."""

    url: str
    server: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Remote({self.url!r})"


def fetch_branch(git: Git, remote: Remote, branch: str) -> str:
    """Fetch a branch and return its tip; a name that looks like a commit is a branch all the same.

    A server gives away any commit that it has, those of a stranger's fork too.

    Raises:
        BranchRefused: the server has no such branch, or refuses.
    """
    shallow = git.text("rev-parse", "--is-shallow-repository") == "true"
    return _fetched(git, remote, f"refs/heads/{branch}", 1 if shallow else 0)


def fetch_commit(git: Git, remote: Remote, sha: str) -> None:
    """Fetch one commit, whose id the state or the forge tells, without its history.

    Raises:
        BranchRefused: the server has no such commit, or refuses.
    """
    _fetched(git, remote, sha, 1)


def _fetched(git: Git, remote: Remote, source: str, depth: int) -> str:
    done = git.run(
        *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
        *((f"--depth={depth}",) if depth else ()),
        *(remote.url, f"+{source}:refs/loop-kit-base"),
        ok=range(256),
        env=authorization(remote.server, remote.token),
        timeout=600,
    )
    if done.code:
        said = " ".join(done.err.decode("utf-8", "replace").split())[-300:]
        raise BranchRefused(
            f"{source.removeprefix('refs/heads/')} cannot be fetched: {said}",
            "Check `base-branch` and the token.",
        )
    return git.text("rev-parse", "refs/loop-kit-base")
