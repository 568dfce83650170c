"""Chooses how a room is built here: the best way whose room keeps its promises.

Each way is tried once per process, by a self-test that runs inside a room like the ones that agents
get. What the kernel allows says little: a container may allow namespaces and have docker's socket
in reach. As root the room is built directly, with a password-free `sudo` by that (only in a job,
never on a laptop), else in a user namespace, else by Landlock.
"""

import contextlib
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from loop_kit.adapters.process.namespace import Bare
from loop_kit.adapters.process.room.box import Confined, Room, SudoRoom, find_sudo, isolated
from loop_kit.adapters.process.room.plan import RoomPlan
from loop_kit.adapters.process.room.selftest import TRIED, Promises, start_time
from loop_kit.frozen import frozen


class Rung(StrEnum):
    """The ways to build a room, the best first, in the words that users read."""

    ROOT = "namespaces"
    SUDO = "namespaces by sudo"
    USER = "user namespace"
    LANDLOCK = "Landlock"
    NONE = "none"


@frozen
class Choice:
    """The way that is taken, and why each better one is not, in words."""

    rung: Rung
    refused: tuple[str, ...] = ()

    @property
    def has_room(self) -> bool:
        """Whether a room can be built."""
        return self.rung is not Rung.NONE

    def box(self, plan: RoomPlan) -> Bare:
        """The room for one program, which is built when the program starts."""
        return box_of(self.rung, plan)


Try = Callable[[Bare, Sequence[str]], tuple[int, str]]
"""Runs a program in a box; its exit code and what it printed."""


def candidates(*, in_job: bool) -> list[Rung]:
    """The ways that may be tried by this user."""
    if not sys.platform.startswith("linux"):
        return []
    if os.geteuid() == 0:
        return [Rung.ROOT, Rung.LANDLOCK]
    sudo = [Rung.SUDO] if in_job and find_sudo() else []
    return [*sudo, Rung.USER, Rung.LANDLOCK]


def box_of(rung: Rung, plan: RoomPlan) -> Bare:
    """The box that starts one program in such a room."""
    match rung:
        case Rung.ROOT:
            return Room(plan)
        case Rung.SUDO:
            return SudoRoom(plan)
        case Rung.USER:
            return Room(plan.changed(in_user_namespace=True))
        case Rung.LANDLOCK:
            return Confined(plan)
        case _:
            return Bare()


def choose(
    rungs: Sequence[Rung],
    plan: Callable[[], RoomPlan],
    promises: Promises,
    run: Try,
    temp: str | None = None,
) -> Choice:
    """The first of `rungs` that keeps every promise, or none; each is tried by `run`.

    A secret is left in the folder `temp`, where the runner leaves its own.
    """
    refused: list[str] = []
    for rung in rungs:
        broken = tuple(_broken(rung, plan(), promises, run, temp))
        if not broken:
            return Choice(rung, tuple(refused))
        refused.append(f"{rung}: {'; '.join(broken)}")
    return Choice(Rung.NONE, tuple(refused))


def _broken(
    rung: Rung, plan: RoomPlan, promises: Promises, run: Try, temp: str | None
) -> Iterator[str]:
    """The promises that a room of this kind breaks, in words."""
    canary = tempfile.TemporaryDirectory(prefix="loop-kit-", dir=temp)
    with _listener() as port, canary as canaries:
        secret = Path(canaries, "canary")
        secret.write_text("secret\n", "utf-8")
        tried = replace(
            promises,
            unreadable=(*promises.unreadable, str(secret)),
            mark=f".loop-kit-{secrets.token_hex(8)}",
            outside=port,
            network=plan.network,
        )
        code, printed = run(box_of(rung, plan), [*isolated("selftest"), tried.to_json()])
    *broken, last = printed.splitlines() or [""]
    if code or last != TRIED:
        yield (printed.strip() or f"exit code {code}")[:300]
    yield from broken
    for folder in tried.unwritable:
        with contextlib.suppress(OSError):
            Path(folder, tried.mark).unlink()
            yield f"{folder} can be written"


@contextlib.contextmanager
def _listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def orchestrator() -> tuple[int, str]:
    """This process, as the self-test recognises it."""
    pid = os.getpid()
    return pid, start_time(pid) or ""
