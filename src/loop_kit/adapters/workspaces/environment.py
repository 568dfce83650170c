"""The virtual environment that a workspace has of its own, made by `workspace-setup`.

It is activated for whoever works there: programs in it are found first. An environment that was
committed is not, for whoever commits could put a program of any name into it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

NAMES = (".venv", "venv")
_PROGRAMS = "Scripts" if os.name == "nt" else "bin"


def own_environment(workspace: Path) -> Path | None:
    """The virtual environment in a workspace, if it has one in a usual place."""
    for name in NAMES:
        folder = workspace / name
        if not folder.is_symlink() and (folder / "pyvenv.cfg").is_file():
            return folder
    return None


def activation(environ: Mapping[str, str], folder: Path | None) -> dict[str, str]:
    """The variables that activate the virtual environment `folder`."""
    if folder is None:
        return {}
    programs = [str(folder / _PROGRAMS), *filter(None, [environ.get("PATH", "")])]
    return {"VIRTUAL_ENV": str(folder), "PATH": os.pathsep.join(programs)}
