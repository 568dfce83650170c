"""A room without namespaces: rules of Landlock, which a process and its children cannot shed.

Everything that is not named is out of reach. So lists of what may be read take the place of mounts:
the system's folders, what the plan shows, and homes without what is secret in them. A home cannot
have a layer; the program gets an empty one instead. Sockets of the file system can still be
connected to, which the self-test finds.

Source: landlock(7) and Documentation/userspace-api/landlock.rst of the kernel.
"""

import os
import stat
from collections.abc import Iterator

from loop_kit.adapters.process.room import kernel
from loop_kit.adapters.process.room.mounts import DEVICES, OF_A_HOME
from loop_kit.adapters.process.room.plan import RoomPlan

_READ = kernel.EXECUTE | kernel.READ_FILE | kernel.READ_FOLDER
_DEVICES = (*DEVICES, "ptmx", "pts", "shm")
_CLOSED = frozenset({"tmp", "home", "root", "run", "mnt", "media", "srv", "boot", "proc", "dev"})
_IN_HOMES = frozenset(name.split("/")[0] for name in OF_A_HOME)


def confine(plan: RoomPlan) -> None:
    """Confine this process for good.

    Raises:
        KernelRefused: this kernel has no Landlock, or one that cannot keep what the plan asks for.
        OSError: a folder that is to be writable does not exist.
    """
    rules = kernel.PathRules(without_network=plan.network == "none")
    for path in (*plan.writable, *_fresh(plan)):
        rules.allow(path, kernel.EVERYTHING)
    for path in _readable(plan):
        rules.allow(path, _READ)
    for name in _DEVICES:
        if os.path.exists(f"/dev/{name}"):
            rules.allow(f"/dev/{name}", kernel.EVERYTHING)
    rules.enforce()


def environment(plan: RoomPlan) -> dict[str, str]:
    """The variables that name the empty home and the folder for temporary files."""
    if plan.scratch is None:
        return {}
    return {"HOME": f"{plan.scratch}/home", "TMPDIR": f"{plan.scratch}/tmp"}  # noqa: S108


def _fresh(plan: RoomPlan) -> Iterator[str]:
    for path in environment(plan).values():
        os.makedirs(path, exist_ok=True)
        yield path


def _readable(plan: RoomPlan) -> Iterator[str]:
    """What may be read; a folder that holds something hidden is opened entry by entry."""
    hidden = {os.path.realpath(path) for path in plan.hidden}
    for entry in os.scandir("/"):
        if entry.name not in _CLOSED:
            yield from _without(entry.path, hidden)
    yield "/proc"
    yield from (path for path in map(os.path.realpath, ("/etc/resolv.conf",)) if path)
    for home in plan.layered:
        if os.path.isdir(home):
            entries = (e.path for e in os.scandir(home) if e.name not in _IN_HOMES)
            yield from (path for entry in entries for path in _without(entry, hidden))
    yield from (path for path in plan.shown if os.path.exists(path))


def _without(path: str, hidden: set[str]) -> Iterator[str]:
    """`path`, or what is in it except for what is hidden."""
    real = os.path.realpath(path)
    if real in hidden:
        return
    if not any(each.startswith(f"{real}/") for each in hidden) or not _is_folder(real):
        yield real
        return
    with os.scandir(real) as entries:
        for entry in entries:
            yield from _without(entry.path, hidden)


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False
