"""Where agents and verify commands work, as protocols."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from loop_kit.core.loop.state import CommandResult, Role, Spent, Verification
from loop_kit.errors import ExitCode, GitFailed, LoopError
from loop_kit.frozen import frozen


class SetupFailed(LoopError):
    """A workspace cannot be prepared as the settings ask; `result` is what failed in it, if run."""

    exit_code = ExitCode.VALIDATION
    anchor = "setup-failed"

    def __init__(self, sentence: str, remedy: str, result: CommandResult | None = None) -> None:
        super().__init__(sentence, remedy)
        self.result = result


class WorkspaceGone(GitFailed):
    """The folder that all workspaces are in was removed while an agent worked."""

    anchor = "workspace-damaged"


LOST = " (gone)"
"""The end of the name of something that a program removed and that cannot be put back."""


class Tampered(LoopError):
    """A program changed what only the runner or a person may change.

    It is as before again, but for what is named as lost.
    """

    exit_code = ExitCode.NEEDS_PERSON
    anchor = "tampered"

    def __init__(self, names: Iterable[str], spent: Spent | None = None) -> None:
        self.names = tuple(dict.fromkeys(names))
        self.spent = spent or Spent()
        is_lost = any(name.endswith(LOST) for name in self.names)
        then = "Restore it, or clone the repository again." if is_lost else "It is as before again."
        super().__init__(
            f"An agent, or a program that it wrote, changed {', '.join(self.names[:10])}.",
            f"{then} Read what the agent did, and set `sandbox: required`, or use"
            " three jobs, before the loop continues.",
        )


@frozen
class Collected:
    """What a worker left in its workspace.

    Attributes:
        head: Its last commit, with what was committed for it on top.
        own: The last commit that it may be judged by when something is unfinished.
        notes: Sentences about what `head` lacks, or why it is not the commit that was expected.
        unfinished: What the worker has to finish first, in sentences.
    """

    head: str
    own: str
    notes: tuple[str, ...] = ()
    unfinished: str | None = None


@frozen
class Fingerprint:
    """What a reviewer may not change in a workspace, as git lists it; each row ends with a name.

    Attributes:
        refs: HEAD and the refs, one on each line.
        index: The entries of the index that changed, between NULs.
        files: The tracked files that changed, a row and a path in turn, between NULs.
    """

    refs: bytes = b""
    index: bytes = b""
    files: bytes = b""

    def changed_since(self, before: "Fingerprint") -> tuple[str, ...]:
        """The refs, the files and then the entries of the index that differ."""
        refs = _differing(_rows(before.refs, b"\n"), _rows(self.refs, b"\n"))
        files = _differing(_pairs(before.files), _pairs(self.files))
        index = _differing(_rows(before.index, b"\0"), _rows(self.index, b"\0"))
        return (*refs, *files, *(f"{path} (in the index)" for path in index if path not in files))


def _rows(listing: bytes, end: bytes) -> list[bytes]:
    return [row for row in listing.split(end) if row]


def _pairs(listing: bytes) -> list[bytes]:
    fields = listing.split(b"\0")
    return [b"\t".join(pair) for pair in zip(fields[::2], fields[1::2], strict=False)]


def _differing(before: list[bytes], after: list[bytes]) -> list[str]:
    """The names in the rows that only one of the two has."""
    rows = {*before} ^ {*after}
    names = {row.rpartition(b"\t")[2].decode("utf-8", "backslashreplace") for row in rows}
    return sorted(names)


class Workspace(Protocol):
    """The files one agent works on."""

    @property
    def path(self) -> Path:
        """The working directory of the agent."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that whoever works here needs for what is installed here."""
        ...

    def agent_ended(self) -> None:
        """The agent that worked here has ended, with all that it has started."""
        ...

    def collect(
        self, message: str, named: str | None = None, trailers: Sequence[str] = ()
    ) -> Collected:
        """Commit what is uncommitted, and transfer the commits to the repository.

        `named` is the commit that the worker calls its own. It counts where HEAD did not move.
        `trailers` are the last lines of the messages of a program's commits.
        """
        ...

    def fingerprint(self) -> Fingerprint:
        """HEAD, refs, index and tracked bytes: equal when nothing was changed.

        The first one is taken before anybody can change anything.
        """
        ...

    def tracked(self, paths: Collection[str]) -> frozenset[str]:
        """Those of `paths` that the commit has which the workspace began with."""
        ...

    def close(self) -> None:
        """Remove what is no longer needed."""
        ...


class Workspaces(Protocol):
    """Where agents work."""

    def prepare(self, sha: str) -> None:
        """Make sure that workspaces at `sha` can be prepared; nobody is paid before.

        Raises:
            SetupFailed: they cannot be.
        """
        ...

    def open(
        self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "", merges: str = ""
    ) -> Workspace:
        """A workspace at `sha`, or at the work in progress on top of it, `wip_sha`.

        The tree of `work_sha`, if given, is laid over it uncommitted. With `merges` the workspace
        holds the merge of that commit, with its conflicts; it is collected with both parents once
        no conflict marker is left.

        Raises:
            StateRefused: the repository changed since the loop last used it.
        """
        ...


class Verifier(Protocol):
    """Runs the user's verify commands."""

    def verify(self, sha: str, commands: Sequence[str], timeout: float) -> Verification:
        """Run `commands` by the shell in a fresh clone at `sha`, without secrets."""
        ...
