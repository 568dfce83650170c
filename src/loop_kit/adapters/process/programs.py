"""Finds programs on PATH, in its absolute entries alone.

A relative entry (`.`, `node_modules/.bin`, an empty one) names a folder of whatever repository is
the working directory: what somebody committed there would run as git or as an agent, with its key.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_WINDOWS_SUFFIXES = ".com;.exe;.bat;.cmd"
_CMD = ("/d", "/s", "/c")


def find_program(name: str, environment: Mapping[str, str]) -> str | None:
    """The path of the program `name`, or None; a name with a slash is a path already."""
    if os.path.dirname(name):  # noqa: PTH120  pathlib drops a leading `./`
        return find_file(name, environment)
    path = environment.get("PATH", os.defpath)
    places = (f"{folder}{os.sep}{name}" for folder in _absolute(path))
    return next((found for place in places if (found := find_file(place, environment))), None)


def find_file(place: str, environment: Mapping[str, str]) -> str | None:
    """The program that `place` names, or None; on Windows with a suffix that PATHEXT lists.

    `shutil.which` looks for no suffix there on Python 3.11, and later versions may find the script
    for a POSIX shell that npm puts beside `claude.cmd`, which Windows cannot start.
    """
    if os.name != "nt":
        return shutil.which(place)
    listed = environment.get("PATHEXT") or os.environ.get("PATHEXT") or _WINDOWS_SUFFIXES
    suffixes = [suffix.lower() for suffix in listed.split(";") if suffix]
    whole = place.lower().endswith(tuple(suffixes))
    places = [place] if whole else [place + suffix for suffix in suffixes]
    return next((each for each in places if os.path.isfile(each)), None)  # noqa: PTH113


def absolute_path(path: str) -> str:
    """The value of PATH without its relative entries."""
    return os.pathsep.join(_absolute(path))


def trusted_path(environment: Mapping[str, str]) -> str:
    """PATH in a job, for programs that are given a secret: first what agents do not write to.

    A runner of one's own keeps the home, where an agent of an earlier job may have left a program
    that has the name of another; the workspace is written by steps of the job.
    """
    names = ("HOME", "GITHUB_WORKSPACE", "RUNNER_TEMP")
    homes = [
        Path(environment[name]) for name in names if environment.get(name, "") not in {"", "/"}
    ]
    folders = _absolute(environment.get("PATH", os.defpath))
    written = [folder for folder in folders if any(map(Path(folder).is_relative_to, homes))]
    return os.pathsep.join([*(each for each in folders if each not in written), *written])


@cache
def _absolute(path: str) -> tuple[str, ...]:
    return tuple(str(each) for each in map(Path, path.split(os.pathsep)) if each.is_absolute())


def expand_home(path: str) -> Path:
    """`path` with the home folder for `~`; an account may have neither a home nor a name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def shell_argv(command: str) -> list[str]:
    """The argument list for a shell command; each line of it is run, as by a POSIX shell.

    cmd runs only the first line of what it is given, so there they are joined.
    """
    if os.name == "nt":
        lines = (line.strip() for line in command.splitlines())
        return [_comspec(), *_CMD, " & ".join(filter(None, lines))]
    return ["/bin/sh", "-c", command]


def _comspec() -> str:
    """The shell of Windows: where the system says it is, as an agent may have another PATH."""
    named = os.environ.get("COMSPEC", "")
    return named if os.path.isabs(named) else "cmd"  # noqa: PTH117


def started_by(argv: Sequence[str]) -> Sequence[str] | str:
    """What starts `argv`: a line on Windows for cmd, which does not know how Python quotes."""
    if os.name == "nt" and tuple(argv[1:-1]) == _CMD:
        return f'"{argv[0]}" {" ".join(_CMD)} "{argv[-1]}"'
    return argv
