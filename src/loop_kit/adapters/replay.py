"""The ports of a job in which nothing runs: commits, verification and time come from another job.

Nothing here starts a program of the repository. What the agents' job did not tell counts as failed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from loop_kit.core.ci.bundle import Bundle
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import AttemptStarted, Event
from loop_kit.core.loop.state import (
    CommandResult,
    LoopState,
    Role,
    Verification,
)
from loop_kit.ports import Store, WorkMoved, Workspace


class ReplayedWorkspace:
    """Where an agent has worked: nothing is there any more but the commit it left."""

    def __init__(self, path: Path, head: str) -> None:
        self.path = path
        self._head = head

    def collect(self, message: str) -> str:
        """The head that was handed over, in this repository since it was checked."""
        del message
        return self._head

    def fingerprint(self) -> str:
        """Always the same: whether a reviewer touched anything was judged where it worked."""
        return "replayed"

    def close(self) -> None:
        """Nothing was opened."""


class ReplayedWorkspaces:
    """Workspaces that all hold the same head."""

    def __init__(self, path: Path, head: str) -> None:
        self._path = path
        self._head = head

    def open(self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "") -> Workspace:
        """The workspace that the agent left; a worker that committed nothing left `sha`."""
        del role, work_sha
        return ReplayedWorkspace(self._path, self._head or wip_sha or sha)


class ReplayedVerifier:
    """Tells what the verify commands said in the agents' job."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def verify(self, sha: str, commands: Sequence[str], timeout: float) -> Verification:
        """The results for exactly this commit and these commands, else a failure."""
        del timeout
        told = self._bundle.verification(sha, commands)
        if told is not None or not commands:
            return told or Verification(sha=sha)
        missing = "The agents' job did not tell what this command said about this commit."
        return Verification(
            sha=sha, results=(CommandResult(command=commands[0], exit_code=1, tail=missing),)
        )


class LateStore:
    """A store for which no attempt has to be durable before it: it is paid for already.

    So work and report go out in one push with the first record of their attempt. Commands wait for
    that push too: what was paid for is saved before anybody's word to stop is carried out.
    """

    def __init__(self, store: Store, work_tip: str) -> None:
        self._store = store
        self._work_tip = work_tip
        self._attempts = False
        self._pushed = False
        self._waiting: tuple[Command, ...] = ()

    @property
    def work_tip(self) -> str:
        """Where the work branch was when the state was loaded."""
        return self._store.work_tip

    def load(self) -> LoopState | None:
        """The recorded state, or None when there is no loop."""
        return self._store.load()

    def read(self, name: str) -> bytes | None:
        """A bus file as last saved, or None."""
        return self._store.read(name)

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Keep one transition for the next `sync`."""
        self._attempts = isinstance(event, AttemptStarted)
        self._store.save(state, event, files)

    def sync(self, work_sha: str = "") -> None:
        """Push, unless all that is new is that a replayed attempt begins.

        Raises:
            WorkMoved: a person pushed to the work branch while the agents were at work.
            PushRejected: another run owns the loop.
        """
        new = work_sha if work_sha != self._work_tip else ""
        if self._attempts and work_sha == self._work_tip:
            return
        if new and self._store.work_tip not in {"", self._work_tip}:
            raise WorkMoved("the work branch was pushed to by somebody else")
        self._store.sync(new)
        self._pushed = True
        self._work_tip = new or self._work_tip

    def commands(self) -> tuple[Command, ...]:
        """The commands of people, once something was pushed."""
        if not self._pushed:
            return ()
        waiting, self._waiting = self._waiting, ()
        return (*waiting, *self._store.commands())

    def waiting(self) -> tuple[Command, ...]:
        """The commands that `commands` will give; they are kept for it."""
        self._waiting += self._store.commands()
        return self._waiting

    def keep_aside(self, work_sha: str) -> str:
        """Keep commits that the work branch cannot take; returns the name of their branch."""
        return self._store.keep_aside(work_sha)
