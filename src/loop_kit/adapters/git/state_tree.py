"""What the tree of a state branch holds: its files, the commands in the inbox, the archive."""

import re
from collections.abc import Callable

from loop_kit.adapters.git.command import Git
from loop_kit.core.loop import bus
from loop_kit.core.loop.commands import INBOX, Command, parse_inbox_file
from loop_kit.core.loop.seed_state import start_of_first_round

_MAX_COMMANDS = 50
_COMMAND_FILE = re.compile(r"[1-9][0-9]{0,19}\.json")


def read_blob(git: Git, tip: str | None, name: str) -> bytes | None:
    """The file `name` at the commit `tip`, or None."""
    if tip is None:
        return None
    done = git.run("cat-file", "blob", f"{tip}:{name}", ok=(0, 128))
    return done.out if done.code == 0 else None


def inbox_commands(git: Git, tip: str, read: Callable[[str], bytes | None]) -> tuple[Command, ...]:
    """The commands in the inbox at `tip`, oldest first; `read` gives a file of the bus."""
    done = git.run("ls-tree", "-z", "--name-only", f"{tip}:{INBOX}", ok=(0, 128))
    names = done.out.decode("utf-8", "replace").split("\0")
    wanted = [name for name in names if _COMMAND_FILE.fullmatch(name)][:_MAX_COMMANDS]
    contents = ((name, read(f"{INBOX}/{name}")) for name in wanted)
    found = ((name, parse_inbox_file(raw)) for name, raw in contents if raw is not None)
    commands = [c for name, c in found if c is not None and c.path == f"{INBOX}/{name}"]
    return tuple(sorted(commands, key=lambda command: command.comment))


def moved_archive(git: Git, tip: str | None, state: bytes, task_id: str) -> dict[str, bytes | None]:
    """The archive of an earlier run of this task id, whose last `state` this is, moved away."""
    if tip is None:
        return {}
    below = f"archive/{task_id}/"
    listed = git.run("ls-tree", "-r", "-z", "--name-only", tip, "--", below).out
    paths = [path for path in listed.decode("utf-8", "surrogateescape").split("\0") if path]
    names = [path.removeprefix(below) for path in paths]
    started_at = start_of_first_round(state, task_id)
    moved: dict[str, bytes | None] = {}
    for old, new in bus.archive_of_earlier_run(task_id, started_at, names).items():
        moved |= {old: None, new: read_blob(git, tip, old)}
    return moved
