"""`loop init`: the folder `.loop/` with templates and an example; nothing is ever overwritten."""

import os
import time
from pathlib import Path

import typer

from loop_kit import defaults
from loop_kit.adapters.loop_folder import (
    exclude_generated,
    loop_folder,
    repository_root,
    write_atomically,
)
from loop_kit.errors import BadSetting

_FOLDERS = ("", "examples", "logs", "runtime", "archive", "templates", "handoff", "context")
_FILES = (
    "examples/task_card.json",
    "templates/worker_prompt.txt",
    "templates/reviewer_prompt.txt",
    "context/project_facts.md",
    "context/pitfalls.md",
)


def init(
    loop_dir: str = typer.Option(".loop", help="The loop's folder, relative to the repository."),
) -> None:
    """Make the folder .loop/ with templates and an example task card."""
    root = repository_root(Path.cwd())
    folder = loop_folder(root, loop_dir)
    if folder.exists() and not folder.is_dir():
        raise BadSetting(f"{folder} is a file.", "Move it away, or name another --loop-dir.")
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        _create(folder / name, defaults.text(name).encode())
    _create(folder / "context" / "patterns.jsonl", b"")
    _create(folder / "context" / "module_map.json", _empty_map())
    git_dir = _common_git_dir(root)
    if git_dir and folder.is_relative_to(root):
        exclude_generated(git_dir, folder.relative_to(root).as_posix(), run=False)
    typer.echo(
        f"Ready. Copy {folder / 'examples' / 'task_card.json'} to {folder / 'task_card.json'},"
        " say what you want, then: loop run --auto-dispatch"
    )


def _create(path: Path, content: bytes) -> None:
    """A link is somebody's file too, also one that leads nowhere."""
    if not os.path.lexists(path):
        write_atomically(path, content)
        typer.echo(f"Created {path}")


def _empty_map() -> bytes:
    from loop_kit.core.module_map import document

    return document((), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def _common_git_dir(root: Path) -> Path | None:
    """Where `info/exclude` is: `.git`, or what a linked work tree's `.git` file leads to."""
    inside = root / ".git"
    if inside.is_dir():
        return inside
    if not inside.is_file():
        return None
    own = root / inside.read_text("utf-8").removeprefix("gitdir:").strip()
    common = own / "commondir"
    return (own / common.read_text("utf-8").strip()).resolve() if common.is_file() else own
