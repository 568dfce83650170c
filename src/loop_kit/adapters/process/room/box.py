"""One program in one room: how it is started there, and how it ends."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import loop_kit
from loop_kit.adapters.process.namespace import Bare, Namespace
from loop_kit.adapters.process.room.plan import RoomPlan

_CODE = (
    "import sys; sys.path.append(sys.argv.pop(1));"
    " from loop_kit.adapters.process.room.{} import main; sys.exit(main(sys.argv[1:]))"
)


class Room(Namespace):
    """A room of its own for one program."""

    def __init__(self, plan: RoomPlan) -> None:
        super().__init__()
        (self._pipes / "plan.json").write_bytes(plan.to_json())

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that builds the room and starts `argv` in it."""
        return [*isolated("builder"), str(self._pipes), *argv]


def isolated(module: str) -> list[str]:
    """The command line of a module of this folder, in an interpreter that reads nothing else."""
    packages = str(Path(loop_kit.__file__).parent.parent)
    return [sys.executable, "-I", "-S", "-c", _CODE.format(module), packages]


class Confined(Bare):
    """A room of Landlock: the program is the direct child."""

    def __init__(self, plan: RoomPlan) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="loop-kit-"))
        (self._folder / "plan.json").write_bytes(plan.to_json())

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that confines itself and becomes `argv`."""
        return super().argv([*isolated("confined"), str(self._folder), *argv])

    def close(self) -> None:
        """Remove the plan."""
        shutil.rmtree(self._folder, ignore_errors=True)
