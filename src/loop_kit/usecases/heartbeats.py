"""Whether the people and programs in the roles are alive, and how they report that they are.

A command that must start fast uses it: it imports nothing heavy.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from loop_kit.adapters.loop_dir.heartbeat import ROLES, Health, beat, health
from loop_kit.adapters.loop_dir.loop_folder import loop_folder, repository_root
from loop_kit.errors import BadSetting


def health_by_role(cwd: Path, loop_dir: str, ttl: float) -> Mapping[str, Health]:
    """Which roles have a heartbeat that is at most `ttl` seconds old."""
    folder = loop_folder(repository_root(cwd), loop_dir)
    return {role: health(folder, role, ttl) for role in ROLES}


def heartbeat_of(cwd: Path, loop_dir: str, role: str) -> Callable[[], None]:
    """The function that records that `role` is alive now.

    Raises:
        BadSetting: there is no such role.
    """
    if role not in ROLES:
        raise BadSetting(f"There is no role {role!r}.", f"Give one of {', '.join(ROLES)}.")
    return partial(beat, loop_folder(repository_root(cwd), loop_dir), role)
