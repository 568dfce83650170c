"""Gives each program of a run a box of its own: the best that this machine allows, tried once.

What is asked for follows from the settings and from where the run takes place. On a laptop `sudo`
is never tried. Where no room can be built, the programs of verify and set-up get a process
namespace, and so do agents in a job, if that is allowed: what they start ends with them then.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loop_kit.adapters.files.owned_folder import remove_abandoned
from loop_kit.adapters.process import process
from loop_kit.adapters.process.namespace import Bare
from loop_kit.adapters.process.room import surroundings
from loop_kit.frozen import frozen
from loop_kit.ports import Confinement, SandboxUnavailable

if TYPE_CHECKING:
    from loop_kit.adapters.process.fresh_home import HomeView
    from loop_kit.adapters.process.room.plan import Network, RoomPlan
    from loop_kit.adapters.process.room.rungs import Choice

_DISK = "/var/tmp"  # noqa: S108
_REMEDY_IN_JOB = (
    "Run the job on a hosted runner or as root with `--cap-add SYS_ADMIN`, or use three jobs;"
    " `sandbox: off` does without."
)
_REMEDY_ON_LAPTOP = "Allow user namespaces on this machine, or pass --sandbox off to do without."
_REMEDY_ELSEWHERE = "Use a container or WSL where it matters, or pass --sandbox off to do without."


@frozen
class Wishes:
    """What is asked for, and what is known about this run.

    Attributes:
        environ: The environment that the run was started with.
        private: Our own files and folders, which no program may see but its part of them.
        readable: What programs read of the repository below a folder that may be covered.
        shared: Folders of caches in which the changes of every program are real.
        scratch: Our own folder on disk; None where there is none outside the user's home.
    """

    sandbox: Literal["auto", "required", "off"]
    environ: Mapping[str, str]
    in_job: bool = False
    network: Literal["open", "model-only", "none"] = "open"
    verify_network: Literal["open", "none"] = "open"
    private: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    shared: tuple[Path, ...] = ()
    scratch: Path | None = None


class Rooms:
    """The boxes of one run."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._layered = surroundings.layered(wishes.environ)

    def confinement(self) -> Confinement:
        """How the programs of this run are confined.

        Raises:
            SandboxUnavailable: they cannot be, and the settings require it.
        """
        wishes = self._wishes
        if wishes.sandbox == "off" and wishes.network != "open":
            why = f"network: {wishes.network} needs a sandbox, and sandbox is off."
            raise SandboxUnavailable(why, "Use `sandbox: auto`, or `network: open`.")
        if wishes.sandbox == "off" and wishes.verify_network != "open":
            why = "verify-network: none needs a sandbox, and sandbox is off."
            raise SandboxUnavailable(why, "Use `sandbox: auto`, or `verify-network: open`.")
        if wishes.sandbox == "off":
            return Confinement("off")
        choice = self._choice
        network = "" if wishes.verify_network == "open" else "; network of verify: none"
        if choice.has_room:
            return Confinement(f"{choice.rung}; network: {wishes.network}{network}")
        why = "; ".join(choice.refused) or "it needs Linux"
        remedy = _remedy(in_job=wishes.in_job)
        asked = [
            *(["sandbox: required"] if wishes.sandbox == "required" else []),
            *([f"network: {wishes.network}"] if wishes.network != "open" else []),
            *(["verify-network: none"] if wishes.verify_network == "none" else []),
        ]
        if asked:
            raise SandboxUnavailable(f"{asked[0]} cannot be kept here ({why}).", remedy)
        missing = f"Agents can reach what this user can: no sandbox is possible here ({why})."
        return Confinement("none", f"{missing} {remedy}")

    def agent(
        self, writable: Iterable[Path], argv: Sequence[str], environment: Mapping[str, str]
    ) -> Bare:
        """A box for an agent, in which changes in the folders `writable` are real."""
        if not self.has_room:
            return self._without_room(
                process.namespace_if_allowed() if self._wishes.in_job else Bare()
            )
        network: Network = "open" if self._wishes.network == "open" else "none"
        return self._room(writable, argv, environment, network)

    def verify(self, workspace: Path, argv: Sequence[str], environment: Mapping[str, str]) -> Bare:
        """A box for a verify command."""
        if not self.has_room:
            return self._without_room(process.namespace_if_allowed())
        return self._room([workspace], argv, environment, self._wishes.verify_network)

    def setup(self, workspace: Path, argv: Sequence[str], environment: Mapping[str, str]) -> Bare:
        """A box for a command that prepares a workspace; it always has the network."""
        if not self.has_room:
            return self._without_room(process.namespace_if_allowed())
        return self._room([workspace], argv, environment, "open")

    def _without_room(self, box: Bare) -> Bare:
        """What can be done without a room: in a job, a home for each program."""
        if not self._wishes.in_job or self._wishes.sandbox == "off":
            return box
        from loop_kit.adapters.process.fresh_home import FreshHome

        return FreshHome(box, self._home)

    @property
    def has_room(self) -> bool:
        """Whether programs run in rooms here."""
        return self._wishes.sandbox != "off" and self._choice.has_room

    @cached_property
    def _home(self) -> "HomeView":
        """The user's home as it is before the first program, which calls for it."""
        from loop_kit.adapters.process.fresh_home import HomeView

        return HomeView(Path(self._wishes.environ.get("HOME") or "/nonexistent"))

    @cached_property
    def _choice(self) -> "Choice":
        """The way to build rooms here; tried at the first use."""
        from loop_kit.adapters.process.room.rungs import Rung, candidates, choose, orchestrator
        from loop_kit.adapters.process.room.selftest import Promises

        environ = self._wishes.environ
        steering = (path for path in surroundings.steering(environ) if os.path.isdir(path))
        promises = Promises(
            orchestrator=orchestrator(),
            unwritable=tuple(dict.fromkeys(os.path.realpath(path) for path in steering)),
            sockets=tuple(dict.fromkeys(filter(None, surroundings.sockets(environ)))),
        )
        temp = environ.get("RUNNER_TEMP") or None
        rungs, closed = candidates(in_job=self._wishes.in_job), self._wishes.network != "open"
        network: Network = "none" if closed else self._wishes.verify_network
        return choose(
            [rung for rung in rungs if not (closed and rung is Rung.LANDLOCK)],
            lambda: self._plan((), (), {}, network),
            promises,
            _run,
            temp if temp and os.path.isdir(temp) else None,
        )

    def _room(
        self,
        writable: Iterable[Path],
        argv: Sequence[str],
        environment: Mapping[str, str],
        network: "Network",
    ) -> Bare:
        changed = tuple(map(str, (*writable, *self._wishes.shared)))
        return self._choice.box(self._plan(changed, argv, environment, network))

    def _plan(
        self,
        writable: tuple[str, ...],
        argv: Sequence[str],
        environment: Mapping[str, str],
        network: "Network",
    ) -> "RoomPlan":
        from loop_kit.adapters.process.room.plan import RoomPlan

        wishes = self._wishes
        secret = surroundings.secret(wishes.environ, environment)
        hidden = [
            path
            for path in (*map(str, wishes.private), *secret)
            if path not in {"", "/"} and not self._is_part_of_layers(path)
        ]
        covered = (*hidden, *self._layered)
        named = surroundings.named(argv, hidden)
        seen = (*map(str, wishes.readable), *surroundings.shown(environment, named, covered))
        return RoomPlan(
            writable=writable,
            shown=tuple(dict.fromkeys(seen)),
            layered=self._layered,
            hidden=tuple(dict.fromkeys(hidden)),
            disk=self._disk,
            network=network,
        )

    def _is_part_of_layers(self, path: str) -> bool:
        """Whether hiding `path` would hide a home, or a cache."""
        return any(f"{layer}/".startswith(f"{path.rstrip('/')}/") for layer in self._layered)

    @property
    def _disk(self) -> str:
        """A folder on disk that is in no folder with a layer, or that for temporary files."""
        own = self._wishes.scratch
        for place in ([str(own)] if own else []) + [_DISK]:
            real = os.path.realpath(place)
            if any(real.startswith(f"{os.path.realpath(path)}/") for path in self._layered):
                continue
            if os.path.isdir(place) and os.access(place, os.W_OK):
                return place
        return tempfile.gettempdir()


def remove_leftovers() -> None:
    """Remove what the rooms of runs that were killed have left on the disk."""
    remove_abandoned((_DISK, tempfile.gettempdir()))


class _Output(process.Listener):
    def __init__(self) -> None:
        self.text = ""

    def line(self, source: process.Source, line: bytes) -> None:
        del source
        self.text += f"{line.decode('utf-8', 'replace')}\n"


def _run(box: Bare, argv: Sequence[str]) -> tuple[int, str]:
    """Run the self-test in a box."""
    output = _Output()
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    try:
        ended = process.stream(
            argv,
            cwd=Path("/"),
            env=environment,
            stdin=b"",
            listener=output,
            timeout=20,
            box=box,
        )
    except OSError as error:
        return 126, str(error)
    return ended.exit_code, output.text


def _remedy(*, in_job: bool) -> str:
    """What to do where no room can be built."""
    if not sys.platform.startswith("linux"):
        return _REMEDY_ELSEWHERE
    return _REMEDY_IN_JOB if in_job else _REMEDY_ON_LAPTOP
