"""A room without namespaces: rules of Landlock, which a process and its children cannot shed.

Everything that is not named is out of reach. So lists of what may be read take the place of mounts:
the system's folders, what the plan shows, and homes without what is secret in them. A home cannot
have a layer; the program gets an empty one instead. Sockets of the file system can still be
connected to, which the self-test finds.

Source: landlock(7) and Documentation/userspace-api/landlock.rst of the kernel.
"""

from __future__ import annotations

import os
import stat
import sys

from loop_kit.adapters.process.room import kernel
from loop_kit.adapters.process.room.mounts import DEVICES, OF_A_HOME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loop_kit.adapters.process.room.plan import RoomPlan

_READ = kernel.EXECUTE | kernel.READ_FILE | kernel.READ_FOLDER
_DEVICES = (*DEVICES, "ptmx", "pts", "shm")
_CLOSED = frozenset({"tmp", "home", "root", "run", "mnt", "media", "srv", "boot", "proc", "dev"})
_PROGRAMS_IN_HOMES = {"RUSTUP_HOME": ".rustup", "PYENV_ROOT": ".pyenv", "NVM_DIR": ".nvm"}
_KEPT_WHERE_THEY_ARE = frozenset({"RUSTUP_HOME", "VIRTUAL_ENV", "CONDA_PREFIX", "pythonLocation"})
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


def environment(plan: RoomPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that name an empty home, a folder for temporary files, and caches in them."""
    if plan.scratch is None:
        return {}
    own = {"HOME": f"{plan.scratch}/home", "TMPDIR": f"{plan.scratch}/tmp"}  # noqa: S108
    caches = {
        name: f"{plan.scratch}/{name.lower()}"
        for name, value in environ.items()
        if value in plan.layered and name not in _KEPT_WHERE_THEY_ARE
    }
    home = environ.get("HOME", "")
    programs = {
        name: f"{home}/{folder}"
        for name, folder in _PROGRAMS_IN_HOMES.items()
        if name not in environ and os.path.isdir(f"{home}/{folder}")
    }
    return {**programs, **caches, **own, **_go(plan, environ)}


def _go(plan: RoomPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """What has Go read the user's build cache, unless that is shared, or another program is set."""
    caches = environ.get("XDG_CACHE_HOME") or f"{environ.get('HOME', '')}/.cache"
    shared, own = environ.get("GOCACHE") or f"{caches}/go-build", f"{plan.scratch}/gocache"
    is_writable = any(f"{shared}/".startswith(f"{path}/") for path in plan.writable)
    if is_writable or environ.get("GOCACHEPROG") or not os.path.isdir(shared):
        return {}
    program = f"{os.path.dirname(__file__)}/go_cache.py"
    words = " ".join(f"'{word}'" for word in (sys.executable, "-I", "-S", program, shared, own))
    return {"GOCACHE": own, "GOCACHEPROG": words}


def _fresh(plan: RoomPlan) -> Iterator[str]:
    """The folders of the environment, with links to what is writable in the real home."""
    for name, path in environment(plan, os.environ).items():
        if path.startswith(f"{plan.scratch}/"):
            os.makedirs(path, exist_ok=True)
            yield path
            if name == "HOME":
                _link_writable(plan, os.environ.get("HOME", ""), path)


def _link_writable(plan: RoomPlan, home: str, fresh: str) -> None:
    for path in plan.writable:
        if home and path.startswith(f"{home}/"):
            link = f"{fresh}/{path[len(home) + 1 :]}"
            os.makedirs(os.path.dirname(link), exist_ok=True)
            if not os.path.lexists(link):
                os.symlink(path, link)


def _readable(plan: RoomPlan) -> Iterator[str]:
    """What may be read; a folder that holds something hidden is opened entry by entry."""
    hidden = {os.path.realpath(path) for path in plan.hidden}
    for entry in os.scandir("/"):
        if entry.name not in _CLOSED:
            yield from _without(entry.path, hidden)
    yield from ("/proc", os.path.realpath("/etc/resolv.conf"))
    for home in filter(os.path.isdir, plan.layered):
        entries = (entry.path for entry in os.scandir(home) if entry.name not in _IN_HOMES)
        yield from (path for entry in entries for path in _without(entry, hidden))
    for path in filter(os.path.exists, plan.shown):
        above = {each for each in hidden if os.path.realpath(path).startswith(f"{each}/")}
        yield from _without(path, hidden - above)


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
