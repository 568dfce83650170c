"""The program that confines itself by Landlock and becomes the program it is given."""

from __future__ import annotations

import os
import sys

from loop_kit.adapters.process.room import kernel, landlock
from loop_kit.adapters.process.room.builder import NO_ROOM, execute
from loop_kit.adapters.process.room.plan import read_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Become a program in a room: `arguments` are a folder with the plan, then the program."""
    folder, *program = arguments
    plan = read_plan(folder)
    try:
        landlock.confine(plan)
        if os.geteuid() == 0:
            kernel.drop_groups()
            kernel.empty_bounding_set()
        kernel.drop_privileges()
    except (kernel.KernelRefused, OSError) as error:
        print(f"loop-kit: no room can be built: {error}", file=sys.stderr)
        return NO_ROOM
    return execute(program, {**os.environ, **landlock.environment(plan, os.environ)})
