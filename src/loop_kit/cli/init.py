"""`loop init`: the folder `.loop/` with templates and an example, and on request what GitHub needs.

Nothing is ever overwritten: what is there is somebody's, also a link that leads nowhere.
"""

import os
import time
from pathlib import Path

import typer

from loop_kit import defaults
from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    exclude_generated,
    loop_folder,
    path_in_repository,
    read_plain,
    repository_root,
    write_atomically,
)
from loop_kit.cli import github_files
from loop_kit.cli.flags import LoopDir
from loop_kit.cli.github_files import AgentChoice, Layout
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting, LoopError

_FOLDERS = ("", "examples", "logs", "runtime", "archive", "templates", "handoff", "context")
_FILES = (
    "examples/task_card.json",
    "templates/worker_prompt.txt",
    "templates/reviewer_prompt.txt",
    "context/project_facts.md",
    "context/pitfalls.md",
)
_TOKENS = ("LOOP_GITHUB_TOKEN", "GITHUB_TOKEN", "GH_TOKEN")
_MAX_GIT_CONFIG = 1024 * 1024


def init(
    loop_dir: LoopDir = LOOP_DIR,
    github: bool = typer.Option(
        False, "--github", help="Also add the workflows and the issue form, and make the labels."
    ),
    layout: str = typer.Option("", help="With --github: one-job (the default) or three-jobs."),
    backend: str = typer.Option(
        "", help="With --github: the agent to install: codex (the default), claude or opencode."
    ),
) -> None:
    """Make the folder .loop/ with templates and an example task card."""
    root = repository_root(Path.cwd())
    folder = loop_folder(root, loop_dir)
    if not github and (layout or backend):
        raise BadSetting("--layout and --backend are about a workflow.", "Add --github.")
    jobs = github_files.chosen("--layout", layout or Layout.ONE_JOB, Layout)
    agent = github_files.chosen("--backend", backend or AgentChoice.CODEX, AgentChoice)
    if github:
        github_files.check_place(root)
    git_dir = _common_git_dir(root)
    _make_folder(root, folder, git_dir)
    if github:
        for line in github_files.install(root, jobs, agent):
            typer.echo(line)
        _say_next(root, git_dir, agent)
    else:
        typer.echo(
            f"Ready. Copy {folder / 'examples' / 'task_card.json'} to {folder / 'task_card.json'},"
            " say what you want, then: loop run --auto-dispatch"
        )


def _make_folder(root: Path, folder: Path, git_dir: Path | None) -> None:
    if folder.exists() and not folder.is_dir():
        raise BadSetting(f"{folder} is a file.", "Move it away, or name another --loop-dir.")
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        _create(folder / name, defaults.text(name).encode())
    _create(folder / "context" / "patterns.jsonl", b"")
    _create(folder / "context" / "module_map.json", _empty_map())
    inside = path_in_repository(folder, root)
    if git_dir and inside is not None:
        exclude_generated(git_dir, inside, run=False)


def _say_next(root: Path, git_dir: Path | None, agent: AgentChoice) -> None:
    """Make the labels where a token and an origin allow it, and print what is left to do."""
    has_origin = _has_origin(git_dir)
    has_label = has_origin and _make_labels(root)
    for line in github_files.next_steps(agent, has_origin=has_origin, has_label=has_label):
        typer.echo(line)


def _make_labels(root: Path) -> bool:
    """Whether the labels are on the forge now; a no is told and left to a person."""
    if not any(os.environ.get(name, "").strip() for name in _TOKENS):
        return False
    from loop_kit.cli.github_labels import make_labels

    try:
        repository = make_labels(root)
    except LoopError as error:
        typer.echo(f"The labels could not be made: {error}")
        return False
    if repository:
        typer.echo(f"The labels are there in {repository}.")
    return bool(repository)


def _has_origin(git_dir: Path | None) -> bool:
    """Whether git's own file names a remote `origin`; only an advice depends on it."""
    try:
        said = read_plain(git_dir / "config", _MAX_GIT_CONFIG) if git_dir else None
    except BusFileUnreadable:
        return False
    return b'[remote "origin"]' in (said or b"")


def _create(path: Path, content: bytes) -> None:
    """A link is somebody's file too, also one that leads nowhere."""
    if not os.path.lexists(path):
        write_atomically(path, content)
        typer.echo(f"Created {path}")


def _empty_map() -> bytes:
    from loop_kit.core.briefing.module_map import document

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
