"""The closed catalogue of what can go wrong, and the only place where exit codes are named.

    LoopError
    ├── NotARepository      1   there is no git repository, or it has no commit
    ├── GitFailed           1   a git command failed or hung
    ├── BadCard             3   the task card is missing or wrong
    ├── BadSetting          3   a flag, input, variable or configuration key is wrong
    ├── BadBusFile          3   a file another program left for the loop cannot be used
    ├── DiskRefused         1   the disk did not take a file, or something is in its place
    ├── DirtyWorktree       4   uncommitted changes would be mixed with the worker's
    ├── AlreadyRunning      5   another run holds the lock or the lease
    ├── StateRefused        5   the recorded state is corrupt, missing or of another loop
    ├── BranchRefused       6   the git server did not take a push or a fetch
    ├── ForgeRefused        6   the forge's API refused
    └── ForgeUnavailable    6   the forge's API did not answer, or not now

A user's mistake is one sentence, one remedy and an anchor, which leads to more on the page about
messages: that of its class unless it is given one. Anything else that is raised is a bug, and the
command line shows it as one. Outcomes of a loop are not errors: see `core.loop.outcomes`.
"""

import contextlib
import errno
from collections.abc import Iterator
from enum import IntEnum
from os import PathLike


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


TROUBLESHOOTING = "https://loop-kit.github.io/action/troubleshooting.html"
"""The page about messages; `tests/troubleshooting/` writes it."""


class LoopError(Exception):
    """An error the user can fix.

    Attributes:
        sentence: What is wrong.
        remedy: What to do.
        anchor: Where the page about messages explains it.
    """

    exit_code = ExitCode.GENERAL
    anchor = "command-failed"

    def __init__(self, sentence: str, remedy: str, *, anchor: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy
        self.anchor = anchor or self.anchor

    @property
    def page(self) -> str:
        """The address of the explanation."""
        return explanation(self.anchor)

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".strip()


class NotARepository(LoopError):
    """The working directory is in no usable git repository."""

    anchor = "not-a-repository"


class GitFailed(LoopError):
    """A git command failed for a reason that no other entry names."""

    anchor = "git-failed"


class BadCard(LoopError):
    """The task card cannot be used."""

    exit_code = ExitCode.VALIDATION
    anchor = "card-invalid"


class BadSetting(LoopError):
    """A setting is unknown, ill-typed or contradicts another."""

    exit_code = ExitCode.VALIDATION
    anchor = "setting-invalid"


class BadBusFile(LoopError):
    """A bus file or a script cannot be read."""

    exit_code = ExitCode.VALIDATION
    anchor = "bus-file"


class DiskRefused(LoopError):
    """A file or folder could not be written."""

    anchor = "disk-refused"


class DirtyWorktree(LoopError):
    """Tracked files have uncommitted changes."""

    exit_code = ExitCode.DIRTY
    anchor = "uncommitted-changes"


class AlreadyRunning(LoopError):
    """Another run owns this loop."""

    exit_code = ExitCode.STATE
    anchor = "another-run"


class StateRefused(LoopError):
    """The recorded state cannot be continued as asked."""

    exit_code = ExitCode.STATE
    anchor = "state-unusable"


class BranchRefused(LoopError):
    """The git server refused, or a branch is in the way."""

    exit_code = ExitCode.REFUSED
    anchor = "git-server-refused"


class ForgeRefused(LoopError):
    """The forge's API refused."""

    exit_code = ExitCode.REFUSED
    anchor = "github-refused"


class ForgeUnavailable(LoopError):
    """The forge's API did not answer; what was asked stays outstanding."""

    exit_code = ExitCode.REFUSED
    anchor = "github-unavailable"


def explanation(anchor: str) -> str:
    """The address of what the page about messages says at `anchor`."""
    return f"{TROUBLESHOOTING}#{anchor}"


_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_IN_THE_WAY = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EISDIR, errno.ENOTDIR),
    *(errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG),
}
_DISK_REMEDY = "Move what is in the way, make it writable or make room on the disk, then run again."


def disk_refusal(error: Exception) -> DiskRefused | None:
    """The error of the user's disk that `error` is; None where it may be a bug in loop-kit."""
    if not isinstance(error, OSError):
        return None
    if error.filename and error.errno in _DISK_IS_FULL | _IN_THE_WAY:
        return DiskRefused(f"{error.filename}: {error.strerror}.", _DISK_REMEDY)
    if error.errno in _DISK_IS_FULL:
        return DiskRefused(f"A file could not be written: {error.strerror}.", _DISK_REMEDY)
    if error.errno == errno.ENOENT and "temporary directory" in str(error.strerror):
        return DiskRefused(f"{error.strerror}.", _DISK_REMEDY)  # tempfile tries to write in each
    return None


@contextlib.contextmanager
def naming_file(path: PathLike[str] | str) -> Iterator[None]:
    """Name `path` in an error that does not: a full disk does not say whose write failed."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
