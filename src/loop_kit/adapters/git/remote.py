"""The git server of a repository, how it is asked, and how a branch or a commit is fetched from it.

A question is asked again when the fault may pass. A push is not: who pushes decides.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from loop_kit.adapters.git.command import FETCH, Git, authorization
from loop_kit.adapters.git.refusals import passing, printable
from loop_kit.adapters.process.process import Completed
from loop_kit.adapters.retry import retry
from loop_kit.errors import BranchRefused

_BASE_REF = "refs/loop-kit-base"
_TIMEOUT = 600
# A connection that carries nothing for so long is over; git itself would wait for ever.
_IMPATIENT = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}


@dataclass(frozen=True, slots=True)
class Remote:
    """The git server: where, and with which token. The token is never shown.

    Attributes:
        url: The repository there.
        server: The part of the URL that the token is sent to.
        token: The token, or '' where git has credentials of its own.
    """

    url: str
    server: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Remote({self.url!r})"

    def authorization(self) -> dict[str, str]:
        """The variables that make git send the token to the server."""
        return authorization(self.server, self.token)


def ask_server(
    git: Git, remote: Remote, *command: str, sleep: Callable[[float], None] = time.sleep
) -> Completed:
    """Run a git command that may be repeated as it is; a server's no is an exit code.

    Raises:
        BranchRefused: the server does not answer.
        GitFailed: git is missing, or takes too long.
    """
    env = {**_IMPATIENT, **remote.authorization()}

    def is_unanswered(done: Completed) -> bool:
        return done.code != 0 and passing(done.err.decode("utf-8", "replace"))

    done = retry(
        lambda: git.run(*command, ok=range(256), env=env, timeout=_TIMEOUT),
        sleep,
        if_result=is_unanswered,
    )
    if is_unanswered(done):
        raise BranchRefused(
            f"The git server does not answer: {printable(done.err.decode('utf-8', 'replace'))}",
            "Check the network and the address of the remote, then run again.",
        )
    return done


def fetch_branch(git: Git, remote: Remote, branch: str) -> str:
    """Fetch a branch and return its tip; a name that looks like a commit is a branch all the same.

    A server gives away any commit that it has, those of a stranger's fork too.

    Raises:
        BranchRefused: the server has no such branch, refuses, or does not answer.
    """
    shallow = git.text("rev-parse", "--is-shallow-repository") == "true"
    return fetch_commit(git, remote, f"refs/heads/{branch}", depth=1 if shallow else 0)


def fetch_commit(
    git: Git,
    remote: Remote,
    source: str,
    *,
    ref: str = _BASE_REF,
    depth: int = 1,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Fetch a commit, by its id or by a ref of the server, as our own `ref`, and return its id.

    `depth` is how many commits of its history come with it, 0 for all.

    Raises:
        BranchRefused: the server has no such commit, refuses, or does not answer.
    """
    limit = (f"--depth={depth}",) if depth else ()
    command = (*FETCH, *limit, "--", remote.url, f"+{source}:{ref}")
    done = ask_server(git, remote, *command, sleep=sleep)
    if done.code:
        said = printable(done.err.decode("utf-8", "replace"))
        raise BranchRefused(
            f"{source.removeprefix('refs/heads/')} cannot be fetched: {said}",
            "Check `base-branch` and the token in a job, elsewhere that `git fetch` works.",
        )
    return git.text("rev-parse", "--verify", ref)


def default_branch(
    git: Git, remote: Remote, sleep: Callable[[float], None] = time.sleep
) -> str | None:
    """The branch that the server's HEAD names, or None when it names none.

    Raises:
        BranchRefused: the server refuses, or does not answer.
    """
    command = ("ls-remote", "--symref", "--", remote.url, "HEAD")
    done = ask_server(git, remote, *command, sleep=sleep)
    if done.code:
        raise BranchRefused(
            f"The git server refused: {printable(done.err.decode('utf-8', 'replace'))}",
            "See that `git fetch` works here, then run again.",
        )
    head = done.out.decode("utf-8", "replace").partition("\t")[0]
    start = "ref: refs/heads/"
    return head.removeprefix(start) if head.startswith(start) else None
