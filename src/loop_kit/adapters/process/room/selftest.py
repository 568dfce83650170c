"""Runs inside a room and prints each promise that the room does not keep, one on a line.

What decides is what a hostile program would get, not which call of the kernel succeeded. Whether a
folder can be written is seen from outside: a layer takes a file, and throws it away.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from loop_kit.adapters.process.room.plan import Network
from loop_kit.adapters.process.room.unix_socket import connected
from loop_kit.frozen import frozen

TRIED = "tried"
"""The last line, when everything could be tried."""


@frozen
class Promises:
    """What is tried.

    Attributes:
        orchestrator: The process whose environment holds the secrets, and when it started.
        unreadable: Files that hold something the program must not see.
        unwritable: Folders from which other programs are started, or that steer the job.
        mark: The name of the file that is left in each of them.
        sockets: Sockets through which one gets rights, such as docker's.
        network: What the room was asked for.
        outside: A TCP port of this machine that is listened on outside, as a number.
    """

    orchestrator: tuple[int, str]
    unreadable: tuple[str, ...] = ()
    unwritable: tuple[str, ...] = ()
    mark: str = ""
    sockets: tuple[str, ...] = ()
    network: Network = "open"
    outside: int = 0

    def to_json(self) -> str:
        """The promises as the self-test reads them from its command line."""
        return json.dumps(asdict(self))


def main(arguments: Sequence[str]) -> int:
    """Try everything and print what is broken; `arguments` is a JSON of `Promises`."""
    given: Mapping[str, Any] = json.loads(arguments[0])
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    for broken in broken_promises(Promises(**fields)):
        print(broken)
    print(TRIED)
    return 0


def broken_promises(promises: Promises) -> Iterator[str]:
    """Each promise that does not hold for this process, in words; leaves the marks."""
    pid, started = promises.orchestrator
    if start_time(pid) == started and _can_read(f"/proc/{pid}/environ"):
        yield "the environment of loop-kit can be read"
    yield from (f"{path} can be read" for path in promises.unreadable if _can_read(path))
    for folder in promises.unwritable:
        _leave(f"{folder}/{promises.mark}")
    yield from (f"{path} can be reached" for path in promises.sockets if _can_connect(path))
    if os.geteuid() != 0 and _can_become_root():
        yield "sudo works without a password"
    if promises.network == "none" and _can_reach(promises.outside):
        yield "the network can be reached"


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since the machine did (proc(5)); None if it is not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return None


def _can_read(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def _leave(path: str) -> None:
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _can_connect(path: str) -> bool:
    try:
        connected(path).close()
    except OSError:
        return False
    return True


def _can_reach(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _can_become_root() -> bool:
    """Whether `sudo` asks for nothing here."""
    null = os.open(os.devnull, os.O_RDWR)
    streams = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
    try:
        pid = os.posix_spawnp("sudo", ["sudo", "-n", "true"], os.environ, file_actions=streams)
    except OSError:
        return False
    return os.waitpid(pid, 0)[1] == 0
