"""The program that builds a room, and is the first process in it.

It is started as a program of its own, by an interpreter that reads nothing of the user's (`-I -S`),
with the environment of the agent: it holds no secret. The process that was started waits outside;
its child builds the room, gives up all rights, starts the program in it and reports its exit code
through a named pipe. It then waits for the other pipe to be closed, because what the program left
running may still have to write its report; that pipe closes too when loop-kit is killed.
When the first process of the room ends, the kernel ends everything in it.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # without enums, to start faster
import marshal
import os
import select
import sys

from loop_kit.adapters.process.room import kernel
from loop_kit.adapters.process.room.mounts import Mounts
from loop_kit.adapters.process.room.plan import ENVIRONMENT, RoomPlan, read_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_ROOM = 125
"""The exit code when the room cannot be built; the reason is on standard error."""
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_GONE = ("TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK")
"""Variables that name folders which a room does not have."""


def main(arguments: Sequence[str]) -> int:
    """Run a program in a room: `arguments` are a folder with plan and pipes, then the program.

    Returns:
        The exit code of the program, or `NO_ROOM`.
    """
    pipes, *program = arguments
    plan = read_plan(pipes)
    environment = _environment(pipes)
    ended = os.open(f"{pipes}/exit-code", os.O_WRONLY)
    release = os.open(f"{pipes}/release", os.O_RDONLY)
    try:
        _separate_processes(plan)
        first = os.fork()
        if first:
            os.close(ended)
            return _wait(first, plan.scratch)
        _enter(plan)
    except (kernel.KernelRefused, OSError) as error:
        print(f"loop-kit: no room can be built: {error}", file=sys.stderr)
        return NO_ROOM
    started = os.fork()
    if started == 0:
        return execute(program, {k: v for k, v in environment.items() if k not in _GONE})
    _keep_nothing_of_its_streams()
    return _supervise(started, ended, release)


def _environment(pipes: str) -> Mapping[str, str]:
    """The program's environment: this one's, or what is in the pipe for it."""
    try:
        with open(f"{pipes}/{ENVIRONMENT}", "rb") as file:
            found: Mapping[str, str] = marshal.load(file)  # noqa: S302  our own
    except FileNotFoundError:
        return os.environ
    return found


def _separate_processes(plan: RoomPlan) -> None:
    """Let the next child be the first of its process namespace, with the rights to build a room."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEW_PIDS | (kernel.NEW_USER if plan.in_user_namespace else 0))
    if plan.in_user_namespace:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")


def _enter(plan: RoomPlan) -> None:
    """Build the room around this process, and give up every right that it took."""
    kernel.die_with_parent(signal.SIGKILL)
    folder = os.getcwd()
    alone = kernel.NEW_NETWORK if plan.network == "none" else 0
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_IPC | alone)
    kernel.make_mounts_private()
    Mounts(plan).build()
    os.chdir(folder)
    if plan.network == "none":
        _raise_loopback()
    _drop_rights(plan)
    kernel.forbid_dumps()


def _drop_rights(plan: RoomPlan) -> None:
    if not plan.in_user_namespace:
        kernel.drop_groups()
        kernel.empty_bounding_set()
        if plan.user is not None:
            user, group = plan.user
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
            kernel.die_with_parent(signal.SIGKILL)  # a change of user cancels it
    kernel.drop_privileges()
    try:
        kernel.PathRules(paths=False).enforce()
    except kernel.KernelRefused:
        return


def _keep_nothing_of_its_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


def execute(program: Sequence[str], environment: Mapping[str, str]) -> int:
    """Become `program`, or say why not and return the exit code for that."""
    try:
        os.execve(program[0], list(program), dict(environment))  # noqa: S606
    except OSError as error:
        print(f"loop-kit: {program[0]}: {error.strerror}", file=sys.stderr, flush=True)
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE


def _supervise(program: int, ended: int, release: int) -> int:
    """Take the exit status of everything that ends here, until loop-kit lets go or is gone.

    What it writes into the pipe asks to let the program end by itself; it signals that too.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    waiting = select.poll()
    waiting.register(woken, select.POLLIN)
    waiting.register(release, select.POLLIN)
    running, leaving = True, False
    while running or not leaving:
        running = not _reap(program, ended) and running
        for descriptor, _ in waiting.poll():
            if descriptor == woken:
                os.read(woken, 4096)
            elif os.read(release, 1):
                leaving = True
                waiting.unregister(release)
            else:
                return 0
        running = not _reap(program, ended) and running
    return 0


def _reap(program: int, ended: int) -> bool:
    """Whether the program is among what has ended; its exit code is reported then."""
    found = False
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == program:
            found = True
            code = os.waitstatus_to_exitcode(status)
            os.write(ended, f"{code if code >= 0 else 128 - code}\n".encode())


def _wait(first: int, scratch: str | None) -> int:
    """Wait for the first process and empty the scratch folder, which some rooms make as root.

    Signals are for the program, which gets them itself.
    """
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(null, stream)
    _, status = os.waitpid(first, 0)
    if scratch is not None:
        _empty(scratch)
    return os.waitstatus_to_exitcode(status) & 0xFF


def _empty(folder: str) -> None:
    """Remove what is in a folder of a room that has ended, as far as that is possible."""
    try:
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                _empty(entry.path)
                os.rmdir(entry.path)
            else:
                os.unlink(entry.path)
    except (OSError, RecursionError):
        return


def _raise_loopback() -> None:
    """Let programs of the room reach each other on 127.0.0.1 (netdevice(7))."""
    import fcntl
    import socket
    import struct

    set_flags, up, running = 0x8914, 0x1, 0x40
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh", b"lo", up | running))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
