"""Ensures that a program cannot outlive loop-kit, by a process namespace if requested and allowed.

Where permitted (root on Linux, with `unshare` of util-linux), the commands of verify and of a
set-up run in a namespace of their own, and so do agents in a CI job: what they can see and kill,
also by `kill -9 -1`, is what they have started; root keeps no right to change that. The kernel
kills everything in it when its first process ends, whatever sessions it started, and the first
process ends with this one, even after SIGKILL. That first process is a shell, so that the program
gets signals like any other. It reports the program's exit code through a named pipe and then waits
for this process, because what the program left running may still have to write its report.

Elsewhere only the program itself is set to die with this process (`setpriv --pdeathsig`); what it
started is found by `tree`, and after a kill -9 of this process by the next run. For an agent
on a laptop that is better: a developer can attach to the process ids that it prints. No user
namespace is used: `sudo` would stop working in it.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from loop_kit.adapters.files.owned_folder import OwnedFolder

_PLACES = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
_UNSHARE = ("--pid", "--fork", "--kill-child", "--mount-proc", "--")
_KEPT = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"),
    *("net_bind_service", "net_raw", "sys_chroot", "setfcap", "audit_write"),
)
"""The capabilities that root keeps in a namespace: those of root in a container, which installs
packages, but can mount nothing, make no device and look into no process outside."""
_FIRST = (
    'pipes=$1; shift; exec 3<&0 0</dev/null; "$@" <&3 3<&- & exec 3<&-; wait $!;'
    ' echo $? >"$pipes/exit-code"; exec >/dev/null 2>&1; read -r _ <"$pipes/release"'
)


class Bare:
    """No namespace: the program is the direct child."""

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that starts `argv`, tied to the life of this process where possible."""
        setpriv = shutil.which("setpriv", path=_PLACES) if sys.platform == "linux" else None
        return [*((setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()), *argv]

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """What the direct child gets where the program is to get `env`."""
        return dict(env)

    def exit_code(self) -> int | None:
        """The program's exit code, or None: then it is that of the direct child."""
        return None

    def helpers(self, child: int) -> set[int]:
        """The processes that wrap the program, given the pid of the direct child."""
        del child
        return set()

    def release(self) -> None:
        """Let processes that wait for this one end."""

    def close(self) -> None:
        """Close and remove what was opened."""


class Namespace(Bare):
    """A process namespace for one program."""

    def __init__(self) -> None:
        self._folder = OwnedFolder()
        self._pipes = self._folder.path
        for name in ("exit-code", "release"):
            os.mkfifo(self._pipes / name)
        self._exit_pipe = os.open(self._pipes / "exit-code", os.O_RDONLY | os.O_NONBLOCK)
        self._release_pipe = os.open(self._pipes / "release", os.O_RDWR)
        self._code: int | None = None

    @staticmethod
    def trial() -> list[str]:
        """A command that succeeds if this user may create a namespace; empty if it cannot be."""
        unshare = shutil.which("unshare", path=_PLACES)
        if not sys.platform.startswith("linux") or os.geteuid() != 0 or unshare is None:
            return []
        return [unshare, *_UNSHARE, *_fewer_rights(), "/bin/true"]

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that starts `argv` as the second process of a namespace."""
        unshare = shutil.which("unshare", path=_PLACES) or "unshare"
        shell = ("/bin/sh", "-c", _FIRST, "sh", str(self._pipes))
        return super().argv([unshare, *_UNSHARE, *_fewer_rights(), *shell, *argv])

    def exit_code(self) -> int | None:
        """The program's exit code; 128 and the number of a signal that ended it."""
        if self._code is None:
            with contextlib.suppress(BlockingIOError, ValueError):
                self._code = int(os.read(self._exit_pipe, 16))
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

        The file is removed first: a process that has not opened it yet does not wait for it.
        """
        (self._pipes / "release").unlink(missing_ok=True)
        os.close(self._release_pipe)

    def close(self) -> None:
        """Remove the pipes."""
        os.close(self._exit_pipe)
        self._folder.remove()


def _fewer_rights() -> list[str]:
    """What a program is started by, so that it and its children have no right but `_KEPT`."""
    setpriv = shutil.which("setpriv", path=_PLACES)
    bounds = ",".join(("-all", *(f"+{name}" for name in _KEPT)))
    return [setpriv, "--inh-caps=-all", f"--bounding-set={bounds}", "--"] if setpriv else []
