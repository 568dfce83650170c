"""One program in one room: how it is started there, and how it ends."""

import contextlib
import marshal
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import loop_kit
from loop_kit.adapters.files.owned_folder import OwnedFolder
from loop_kit.adapters.process.namespace import Bare, Namespace
from loop_kit.adapters.process.programs import find_program, trusted_path
from loop_kit.adapters.process.room.plan import ENVIRONMENT, PLAN, RoomPlan

_CODE = (
    "import os, sys; sys.path.append(sys.argv.pop(1));"
    " from loop_kit.adapters.process.room.{} import main; code = main(sys.argv[1:]);"
    " sys.stdout.flush(); os._exit(code)"
)
"""Ends at once: taking an interpreter apart would be a part of what each room costs."""
_PIPE_SIZE = 1024 * 1024


class Room(Namespace):
    """A room of its own for one program."""

    def __init__(self, plan: RoomPlan) -> None:
        super().__init__()
        plan, self._scratch = _with_scratch(plan)
        own = (str(self._pipes), *((plan.scratch,) if plan.scratch else ()))
        plan = plan.changed(hidden=(*plan.hidden, *own))
        (self._pipes / PLAN).write_bytes(plan.to_bytes())

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that builds the room and starts `argv` in it."""
        return [*isolated("builder"), str(self._pipes), *argv]

    def release(self) -> None:
        """Let the room end as soon as the program has; without this word it ends at once."""
        with contextlib.suppress(OSError):
            os.write(self._release_pipe, b"x")
        super().release()

    def close(self) -> None:
        """Remove the pipes, and what the room left."""
        super().close()
        if self._scratch is not None:
            self._scratch.remove()


class SudoRoom(Room):
    """A room that `sudo` builds, which keeps nothing of the environment: a pipe passes that."""

    def __init__(self, plan: RoomPlan) -> None:
        super().__init__(plan.changed(user=(os.geteuid(), os.getegid())))
        os.mkfifo(self._pipes / ENVIRONMENT, 0o600)
        self._environment = os.open(self._pipes / ENVIRONMENT, os.O_RDWR | os.O_NONBLOCK)

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that has root build the room."""
        return [find_sudo() or "sudo", "-n", "--", *super().argv(argv)]

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """What `sudo` gets; the program's own goes into the pipe.

        Raises:
            OSError: it is larger than a pipe can hold.
        """
        import fcntl

        raw = marshal.dumps(dict(env))
        fcntl.fcntl(self._environment, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        if os.write(self._environment, raw) != len(raw):
            raise OSError(f"an environment of {len(raw)} bytes cannot be passed")
        return {"PATH": os.environ.get("PATH", os.defpath)}

    def close(self) -> None:
        """Remove the pipes, and what the room left."""
        os.close(self._environment)
        super().close()


def find_sudo() -> str | None:
    """The path of `sudo`, first where agents do not write to; looked for once."""
    return _find_sudo(trusted_path(os.environ))


@cache
def _find_sudo(path: str) -> str | None:
    return find_program("sudo", {"PATH": path})


def isolated(module: str) -> list[str]:
    """The command line of a module of this folder, in an interpreter that reads nothing else."""
    packages = str(Path(loop_kit.__file__).parent.parent)
    return [sys.executable, "-I", "-S", "-c", _CODE.format(module), packages]


class Confined(Bare):
    """A room of Landlock: the program is the direct child."""

    def __init__(self, plan: RoomPlan) -> None:
        plan, self._scratch = _with_scratch(plan)
        self._folder = OwnedFolder()
        (self._folder.path / PLAN).write_bytes(plan.to_bytes())

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that confines itself and becomes `argv`."""
        return super().argv([*isolated("confined"), str(self._folder.path), *argv])

    def close(self) -> None:
        """Remove the plan, and what the room left."""
        self._folder.remove()
        if self._scratch is not None:
            self._scratch.remove()


def _with_scratch(plan: RoomPlan) -> tuple[RoomPlan, OwnedFolder | None]:
    """The plan with a fresh folder on disk, where it says in which one that may be."""
    if plan.disk is None:
        return plan, None
    folder = OwnedFolder(plan.disk)
    return plan.changed(scratch=str(folder.path)), folder
