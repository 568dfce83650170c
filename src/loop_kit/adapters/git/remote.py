"""The git server of a repository: queries to it, and fetching a branch or a commit from it.

A query is repeated unless it is refused for good. A push is made once: before it is repeated, its
caller looks whether it has arrived. When the retries of one request were in vain, the next ones
have none until one succeeds: a job has several things to save and little time.
"""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from loop_kit.adapters.git.command import FETCH, Git
from loop_kit.adapters.git.refusals import is_unauthenticated, is_unreachable, may_pass, printable
from loop_kit.adapters.process.process import Completed
from loop_kit.adapters.retry import Deadline, retry
from loop_kit.adapters.spare_token import SpareToken
from loop_kit.errors import BranchRefused

T = TypeVar("T")

_BASE_REF = "refs/loop-kit-base"
_TIMEOUT = 600
# Without these git waits forever on a connection that carries nothing.
_STALL_LIMIT = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}


@dataclass(slots=True)
class ServerUse:
    """What this process knows of the server: whether the token was accepted, and if it is down."""

    worked: bool = False
    is_down: bool = False


@dataclass(frozen=True, slots=True)
class Remote:
    """The git server: its address and the token for it. The token is never printed.

    Attributes:
        url: The repository on it.
        server: The part of the URL that the token is sent to.
        token: The token, or '' if git has credentials of its own.
        deadline: When the job is over.
        spare: What is sent instead once the token has expired.
        use: What is known of the server so far.
    """

    url: str
    server: str
    token: str = ""
    deadline: Deadline = field(default_factory=Deadline, compare=False)
    spare: SpareToken = field(default_factory=SpareToken, compare=False)
    use: ServerUse = field(default_factory=ServerUse, init=False, compare=False)

    def __repr__(self) -> str:
        return f"Remote({self.url!r})"

    def authorization(self) -> dict[str, str]:
        """The variables that make git send the token to the server, and no other header.

        An empty value first: it resets what a checkout step left in a configuration file.
        """
        token = self.spare.token if self.spare.is_used else self.token
        if not token:
            return {}
        key = f"http.{self.server.rstrip('/')}/.extraheader"
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        return {
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": key,
            "GIT_CONFIG_VALUE_0": "",
            "GIT_CONFIG_KEY_1": key,
            "GIT_CONFIG_VALUE_1": f"AUTHORIZATION: basic {basic}",
        }


def repeat(
    remote: Remote,
    request: Callable[[], T],
    sleep: Callable[[float], None],
    may_pass: Callable[[T], bool],
) -> T:
    """Make a request with its retries; while the server is known to be down, with none."""
    if remote.use.is_down:
        result = request()
    else:
        within = remote.deadline.time_for_retries()
        result = retry(request, sleep, if_result=may_pass, within=within)
    remote.use.is_down = may_pass(result)
    return result


def ask_server(
    git: Git,
    remote: Remote,
    *command: str,
    stdin: bytes | None = None,
    sleep: Callable[[float], None] = time.sleep,
    once: bool = False,
) -> Completed:
    """Run a git command that may be repeated as it is; a refusal of the server is an exit code.

    With `once` it is not repeated: its caller is a try of a request that is.

    Raises:
        BranchRefused: the server does not answer.
        GitFailed: git is missing, or takes too long.
    """

    def send() -> Completed:
        env = {**_STALL_LIMIT, **remote.authorization()}
        return git.run(*command, ok=range(256), stdin=stdin, env=env, timeout=_TIMEOUT)

    def ask() -> Completed:
        return _with_spare_token(remote, send)

    def may_succeed(done: Completed) -> bool:
        return done.code != 0 and may_pass(_errors(done), token_worked=remote.use.worked)

    done = ask() if once else repeat(remote, ask, sleep, may_succeed)
    if done.code != 0 and is_unreachable(_errors(done)):
        raise BranchRefused(
            f"The git server does not answer: {printable(_errors(done))}",
            "Check the network and the address of the remote, then run again.",
            anchor="git-server-unreachable",
        )
    return done


def push_once(git: Git, remote: Remote, *arguments: str) -> str | None:
    """Push all or nothing, one time; returns what git printed when that failed.

    Raises:
        GitFailed: git is missing, or takes too long.
    """

    def push() -> Completed:
        return git.run(
            *("push", "--porcelain", "--atomic", "--no-verify", *arguments),
            ok=range(256),
            env=remote.authorization(),
            timeout=_TIMEOUT,
        )

    done = _with_spare_token(remote, push)
    return f"{done.out.decode('utf-8', 'replace')}\n{_errors(done)}" if done.code else None


def _with_spare_token(remote: Remote, request: Callable[[], Completed]) -> Completed:
    """Make a request, and once more where the token was accepted before and has expired."""
    done = request()
    if done.code and remote.use.worked and is_unauthenticated(_errors(done)):
        done = request() if remote.spare.take() else done
    remote.use.worked = remote.use.worked or done.code == 0
    return done


def _errors(done: Completed) -> str:
    return done.err.decode("utf-8", "replace")


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
    """Fetch a commit, by its id or by a ref of the server, as the local `ref`, and return its id.

    `depth` is how many commits of its history come with it, 0 for all.

    Raises:
        BranchRefused: the server has no such commit, refuses, or does not answer.
    """
    limit = (f"--depth={depth}",) if depth else ()
    command = (*FETCH, *limit, "--", remote.url, f"+{source}:{ref}")
    done = ask_server(git, remote, *command, sleep=sleep)
    if done.code:
        message = printable(done.err.decode("utf-8", "replace"))
        raise BranchRefused(
            f"{source.removeprefix('refs/heads/')} cannot be fetched: {message}",
            "Check `base-branch` and the token in a job, elsewhere that `git fetch` works.",
            anchor="commit-missing",
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
            "Check that `git fetch` works here, then run again.",
        )
    head = done.out.decode("utf-8", "replace").partition("\t")[0]
    start = "ref: refs/heads/"
    return head.removeprefix(start) if head.startswith(start) else None
