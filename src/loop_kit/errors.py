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

A user's mistake is one sentence and one remedy. Anything else that is raised is a bug, and the
command line shows it as one. Outcomes of a loop are not errors: see `core.state.EXIT_CODES`.
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


class DiskRefused(LoopError):
    """A file or folder could not be written."""


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
