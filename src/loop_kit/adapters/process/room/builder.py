"""The program that builds a room, and is the first process in it.

It is started as a program of its own, by an interpreter that reads nothing of the user's (`-I -S`),
with the environment of the agent: it holds no secret. The process that was started waits outside;
its child builds the room, gives up all rights, starts the program in it and reports its exit code
through a named pipe. It then waits for the other pipe to be closed, because what the program left
running may still have to write its report; that pipe closes too when loop-kit is killed.
When the first process of the room ends, the kernel ends everything in it.
"""

import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence

from loop_kit.adapters.process.room import kernel
from loop_kit.adapters.process.room.mounts import Mounts
from loop_kit.adapters.process.room.plan import RoomPlan, parse_plan

NO_ROOM = 125
"""The exit code when the room cannot be built; the reason is on standard error."""
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SUDO = ("SUDO_COMMAND", "SUDO_USER", "SUDO_UID", "SUDO_GID", "MAIL")


def main(arguments: Sequence[str]) -> int:
    """Run a program in a room: `arguments` are a folder with plan and pipes, then the program.

    Returns:
        The exit code of the program, or `NO_ROOM`.
    """
    pipes, *program = arguments
    with open(f"{pipes}/plan.json", "rb") as file:
        plan = parse_plan(file.read())
    ended = os.open(f"{pipes}/exit-code", os.O_WRONLY)
    release = os.open(f"{pipes}/release", os.O_RDONLY)
    try:
        _make_namespaces(plan)
        first = os.fork()
        if first:
            os.close(ended)
            return _wait(first)
        _enter(plan)
    except (kernel.KernelRefused, OSError) as error:
        print(f"loop-kit: no room can be built: {error}", file=sys.stderr)
        return NO_ROOM
    started = os.fork()
    if started == 0:
        return execute(program, {k: v for k, v in os.environ.items() if k not in _SUDO})
    _keep_nothing_of_its_streams()
    return _supervise(started, ended, release)


def _make_namespaces(plan: RoomPlan) -> None:
    user, group = os.geteuid(), os.getegid()
    wanted = kernel.NEW_MOUNTS | kernel.NEW_PIDS | kernel.NEW_IPC
    if plan.network == "none":
        wanted |= kernel.NEW_NETWORK
    if plan.in_user_namespace:
        wanted |= kernel.NEW_USER
    kernel.unshare(wanted)
    if plan.in_user_namespace:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    kernel.make_mounts_private()


def _enter(plan: RoomPlan) -> None:
    """Build the room around this process, and give up every right that it took."""
    kernel.die_with_parent(signal.SIGKILL)
    folder = os.getcwd()
    Mounts(plan).build()
    os.chdir(folder)
    if plan.network == "none":
        _raise_loopback()
    _drop_rights(plan)


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
    """Take the exit status of everything that ends here, until loop-kit closes the pipe."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    waiting = select.poll()
    waiting.register(woken, select.POLLIN)
    waiting.register(release, 0)
    while True:
        _reap(program, ended)
        for descriptor, _ in waiting.poll():
            if descriptor == release:
                return 0
            os.read(woken, 4096)


def _reap(program: int, ended: int) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid == program:
            code = os.waitstatus_to_exitcode(status)
            os.write(ended, f"{code if code >= 0 else 128 - code}\n".encode())


def _wait(first: int) -> int:
    """Wait outside for the first process; signals are for the program, which gets them itself."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(null, stream)
    _, status = os.waitpid(first, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


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
