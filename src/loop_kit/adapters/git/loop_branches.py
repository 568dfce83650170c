"""The branches of one loop on the git server: fetched, listed and pushed."""

import time
from collections.abc import Callable, Mapping

from loop_kit.adapters.git.command import FETCH, Git
from loop_kit.adapters.git.refusals import refusal
from loop_kit.adapters.git.remote import Remote, ask_server, push_once
from loop_kit.core.ci.branches import Branches
from loop_kit.errors import BranchRefused, GitFailed

_SEEN = "refs/loop-kit-seen/"


class LoopBranches:
    """Queries and pushes; `names` are the branches that it is about."""

    def __init__(
        self, git: Git, remote: Remote, names: Branches, sleep: Callable[[float], None]
    ) -> None:
        self.git = git
        self.remote = remote
        self.names = names
        self.sleep = sleep

    def limit_time(self, seconds: float) -> None:
        """Let everything from now on end within `seconds`; what takes longer fails."""
        end, sleep = time.monotonic() + seconds, self.sleep

        def sleep_until(pause: float) -> None:
            if time.monotonic() + pause > end:
                raise GitFailed("There is no time left to try it again.", "Run it again.")
            sleep(pause)

        self.git, self.sleep = self.git.until(end), sleep_until

    def fetch_tips(self) -> dict[str, str]:
        """Fetch the branches of this loop at one moment; returns their tips.

        Not by `ls-remote`: a server answers that with every branch that it has.
        """
        own = f"{self.names.prefix}/{self.names.task_id}"
        wanted = [f"+refs/heads/{own}/*:{_SEEN}{own}/*"]
        if not self.names.work.startswith(f"{own}/"):
            wanted.append(f"+refs/heads/{self.names.work}:{_SEEN}{self.names.work}")
        depth = ("--depth=1",) if self.is_shallow() else ()
        command = (*FETCH, "--prune", *depth, self.remote.url)
        tries = [wanted, wanted[:1]][: len(wanted)]
        if all(self.ask(*command, *refs, absent=True) is None for refs in tries):
            return {}
        lines = self.git.text("for-each-ref", "--format=%(refname) %(objectname)", _SEEN)
        rows = (line.split(" ") for line in lines.split("\n") if line)
        return {ref.removeprefix(_SEEN): oid for ref, oid in rows}

    def is_shallow(self) -> bool:
        """Whether the repository here lacks history."""
        return self.git.text("rev-parse", "--is-shallow-repository") == "true"

    def list_tips(self, *, once: bool) -> dict[str, str]:
        """The branches of this loop on the server; called only after it refused a push."""
        names = (self.names.state, self.names.work, self.names.prefix)
        refs = (f"refs/heads/{name}" for name in names)
        out = self.ask("ls-remote", self.remote.url, *refs, once=once)
        rows = [line.split("\t") for line in (out or "").splitlines() if "\t" in line]
        return {ref.removeprefix("refs/heads/"): oid for oid, ref in rows}

    def check_prefix(self, tips: Mapping[str, str]) -> None:
        """Refuse a branch where the folder of the loop's branches has to be.

        Raises:
            BranchRefused: there is one.
        """
        if self.names.prefix in tips:
            raise BranchRefused(
                f"A branch named {self.names.prefix!r} is in the way of the loop's branches.",
                "Delete or rename it, or set `branch-prefix` to another prefix.",
                anchor="branch-in-the-way",
            )

    def push(self, tips: Mapping[str, str]) -> str | None:
        """Push branches, all or nothing; returns what git printed when that failed."""
        refspecs = (f"{sha}:refs/heads/{branch}" for branch, sha in tips.items())
        return push_once(self.git, self.remote, self.remote.url, *refspecs)

    def fetch(self, branch: str, depth: int) -> None:
        """Fetch one branch as `local` names it, with so many of its commits, 0 for all."""
        self.ask(
            *FETCH,
            *((f"--depth={depth}",) if depth else ()),
            self.remote.url,
            f"+refs/heads/{branch}:{self.local(branch)}",
        )

    def local(self, branch: str) -> str:
        """The ref here that a branch is fetched as."""
        kind = "state" if branch == self.names.state else "work"
        return f"refs/loop-kit/{self.names.task_id}/{kind}"

    def ask(self, *args: str, absent: bool = False, once: bool = False) -> str | None:
        """Query the server; as that changes nothing there, it is repeated after a failure.

        None if `absent` allows that the branches do not exist; a shallow fetch reports no error.
        """
        done = ask_server(self.git, self.remote, *args, sleep=self.sleep, once=once)
        error = done.err.decode("utf-8", "replace")
        if done.code == 0:
            return done.out.decode("utf-8", "replace")
        if absent and ("couldn't find remote ref" in error or not error.strip()):
            return None
        raise refusal(error, self.names)
