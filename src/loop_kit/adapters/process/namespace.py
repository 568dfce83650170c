"""A program that cannot outlive us: in a process namespace where that is asked for and allowed.

In a CI job, where we may (root on Linux, with `unshare` of util-linux), an agent runs in a
namespace of its own. The kernel ends everything in it when its first process ends, whatever
sessions it started, and the first process ends when we do, even by SIGKILL. That first process is a
shell of ours, so that the program gets signals like any other. It tells the program's exit code
through a named pipe and then waits for us, because what the program left running may still have to
write its report.

Elsewhere only the program itself is told to die with us (`setpriv --pdeathsig`); what it started
is found by `process_tree`, after a kill -9 of ours by the next run. On a laptop that is the better
trade: a developer can attach to the process ids that an agent prints. No user namespace is used:
`sudo` would stop working in it.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_PLACES = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
_UNSHARE = ("--pid", "--fork", "--kill-child", "--mount-proc", "--")
_FIRST = (
    'pipes=$1; shift; exec 3<&0 0</dev/null; "$@" <&3 3<&- & exec 3<&-; wait $!;'
    ' echo $? >"$pipes/told"; exec >/dev/null 2>&1; read -r _ <"$pipes/held"'
)


class Bare:
    """No namespace: the program is our child, and its end is our child's."""

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that starts `argv`, tied to our life where that can be said."""
        tied = shutil.which("setpriv", path=_PLACES) if sys.platform.startswith("linux") else None
        return [*((tied, "--pdeathsig", "KILL", "--") if tied else ()), *argv]

    def told(self) -> int | None:
        """The program's exit code, where something else than our child's end tells it."""
        return None

    def helpers(self, child: int) -> set[int]:
        """The processes that are ours and not the program's, given the pid of our child."""
        del child
        return set()

    def release(self) -> None:
        """End what waits for us."""

    def close(self) -> None:
        """Keep nothing open."""


class Namespace(Bare):
    """A process namespace for one program."""

    def __init__(self) -> None:
        self._pipes = Path(tempfile.mkdtemp(prefix="loop-kit-"))
        for name in ("told", "held"):
            os.mkfifo(self._pipes / name)
        self._told = os.open(self._pipes / "told", os.O_RDONLY | os.O_NONBLOCK)
        self._held = os.open(self._pipes / "held", os.O_RDWR)
        self._code: int | None = None

    @staticmethod
    def trial() -> list[str]:
        """A command that succeeds where this user may make a namespace; empty where none may."""
        unshare = shutil.which("unshare", path=_PLACES)
        if not sys.platform.startswith("linux") or os.geteuid() != 0 or unshare is None:
            return []
        return [unshare, *_UNSHARE, "/bin/true"]

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that starts `argv` as the second process of a namespace."""
        unshare = shutil.which("unshare", path=_PLACES) or "unshare"
        shell = ("/bin/sh", "-c", _FIRST, "sh", str(self._pipes))
        return super().argv([unshare, *_UNSHARE, *shell, *argv])

    def told(self) -> int | None:
        """The program's exit code; 128 and the number of a signal that ended it."""
        if self._code is None:
            with contextlib.suppress(BlockingIOError, ValueError):
                self._code = int(os.read(self._told, 16))
        return self._code

    def helpers(self, child: int) -> set[int]:
        """`unshare` and the first process of the namespace."""
        import psutil

        try:
            return {child, *(process.pid for process in psutil.Process(child).children())}
        except psutil.Error:
            return {child}

    def release(self) -> None:
        """Let the first process end, and everything in the namespace with it.

        The name goes first: who has not opened it by then finds nothing to wait for.
        """
        (self._pipes / "held").unlink(missing_ok=True)
        os.close(self._held)

    def close(self) -> None:
        """Remove the pipes."""
        os.close(self._told)
        shutil.rmtree(self._pipes, ignore_errors=True)
