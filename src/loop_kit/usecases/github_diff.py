"""What an installed workflow lacks: the shipped files as a patch of those in the repository.

An upgrade may need an event, a permission or an input that a workflow of last year does not have.
The installed file says which layout and which agent it was made for, so that what a person chose
then is no difference now. Where the file lets nothing be read from it, the defaults count.
"""

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain, repository_root
from loop_kit.core.project import setup_commands
from loop_kit.core.text.sanitize import visible
from loop_kit.errors import BadSetting
from loop_kit.usecases.github_checks import checking_workflows
from loop_kit.usecases.github_files import MAX_FILE, WORKFLOW, AgentChoice, Layout, files

_BACKEND = re.compile(r"^ *worker-backend: *[\"']?([a-z]{1,20})[\"']? *(?:#.*)?$", re.MULTILINE)
_PHASE = re.compile(r"^ *phase: *[\"']?claim\b", re.MULTILINE)


def missing_parts(cwd: Path, layout: Layout | None, agent: AgentChoice | None) -> Iterator[str]:
    """A patch that makes the files of the repository the shipped ones, no lines if they are.

    Raises:
        BadSetting: a file cannot be read.
    """
    root = repository_root(cwd)
    installed = _text(root / WORKFLOW) or ""
    layout = layout or (Layout.THREE_JOBS if _PHASE.search(installed) else Layout.ONE_JOB)
    agent = agent or _agent_of(installed)
    setup = setup_commands({entry.name for entry in os.scandir(root)}, "pipx run ")
    for name, shipped in files(layout, agent, setup, checking_workflows(root)).items():
        present = _text(root / name)
        before, after = _lines(present or ""), _lines(shipped)
        old = "/dev/null" if present is None else f"a/{name}"
        yield from (
            line.rstrip("\n") for line in difflib.unified_diff(before, after, old, f"b/{name}")
        )


def _agent_of(workflow: str) -> AgentChoice:
    found = _BACKEND.search(workflow)
    known = found and found[1] in list(AgentChoice)
    return AgentChoice(found[1]) if found and known else AgentChoice.CODEX


def _text(path: Path) -> str | None:
    """The text of a file, safe to print; None if there is none."""
    try:
        raw = read_plain(path, MAX_FILE)
    except BusFileUnreadable as error:
        raise BadSetting(
            f"{path} cannot be compared: {error}.",
            "Make it a plain file.",
            anchor="folder-in-the-way",
        ) from None
    return None if raw is None else visible(raw.decode("utf-8", "replace"))


def _lines(text: str) -> list[str]:
    """The lines as a patch has them: the last one says that no line end follows it."""
    lines = text.split("\n")
    ended, last = [f"{line}\n" for line in lines[:-1]], lines[-1]
    return [*ended, f"{last}\n\\ No newline at end of file\n"] if last else ended
