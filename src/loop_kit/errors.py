"""The closed catalogue of what can go wrong, and the only place where exit codes are named.

    LoopError
    ├── NotARepository      1   there is no git repository, or it has no commit
    ├── GitFailed           1   a git command failed or hung
    ├── BadCard             3   the task card is missing or wrong
    ├── BadSetting          3   a flag, input, variable or configuration key is wrong
    ├── BadBusFile          3   a file another program left for the loop cannot be used
    ├── DirtyWorktree       4   uncommitted changes would be mixed with the worker's
    ├── AlreadyRunning      5   another run holds the lock or the lease
    ├── StateRefused        5   the recorded state is corrupt, missing or of another loop
    ├── BranchRefused       6   the git server did not take a push or a fetch
    ├── ForgeRefused        6   the forge's API refused
    └── ForgeUnavailable    6   the forge's API did not answer, or not now

A user's mistake is one sentence and one remedy. Anything else that is raised is a bug, and the
command line shows it as one. Outcomes of a loop are not errors: see `core.state.EXIT_CODES`.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the contract; 2 is also the command-line library's usage error."""

    OK = 0
    GENERAL = 1
    DISPATCH = 2
    VALIDATION = 3
    DIRTY = 4
    STATE = 5
    REFUSED = 6
    NEEDS_PERSON = 7
    INTERRUPTED = 130


class LoopError(Exception):
    """An error the user can fix: `sentence` says what is wrong, `remedy` what to do."""

    exit_code = ExitCode.GENERAL

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".strip()


class NotARepository(LoopError):
    """The working directory is in no usable git repository."""


class GitFailed(LoopError):
    """A git command failed for a reason that no other entry names."""


class BadCard(LoopError):
    """The task card cannot be used."""

    exit_code = ExitCode.VALIDATION


class BadSetting(LoopError):
    """A setting is unknown, ill-typed or contradicts another."""

    exit_code = ExitCode.VALIDATION


class BadBusFile(LoopError):
    """A bus file or a script cannot be read."""

    exit_code = ExitCode.VALIDATION


class DirtyWorktree(LoopError):
    """Tracked files have uncommitted changes."""

    exit_code = ExitCode.DIRTY


class AlreadyRunning(LoopError):
    """Another run owns this loop."""

    exit_code = ExitCode.STATE


class StateRefused(LoopError):
    """The recorded state cannot be continued as asked."""

    exit_code = ExitCode.STATE


class BranchRefused(LoopError):
    """The git server refused, or a branch is in the way."""

    exit_code = ExitCode.REFUSED


class ForgeRefused(LoopError):
    """The forge's API refused."""

    exit_code = ExitCode.REFUSED


class ForgeUnavailable(LoopError):
    """The forge's API did not answer; what was asked stays outstanding."""

    exit_code = ExitCode.REFUSED
