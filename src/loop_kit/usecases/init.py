"""The folder `.loop/` with templates and an example, and on request what GitHub needs.

Nothing is ever overwritten: an existing file is the user's, even a broken link. This module is read
by a command that must start fast: it imports nothing heavy.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

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
from loop_kit.errors import BadSetting, LoopError
from loop_kit.usecases.github_files import AgentChoice, Layout, check_place, install, next_steps
from loop_kit.usecases.github_token import exported_token

_FOLDERS = ("", "examples", "logs", "runtime", "archive", "templates", "handoff", "context")
_FILES = (
    "examples/task_card.json",
    "templates/worker_prompt.txt",
    "templates/reviewer_prompt.txt",
    "context/project_facts.md",
    "context/pitfalls.md",
)
_MAX_GIT_CONFIG = 1024 * 1024


def initialize(
    cwd: Path, loop_dir: str, workflow: tuple[Layout, AgentChoice] | None
) -> Iterator[str]:
    """Make the loop's folder, and with `workflow` what GitHub needs; yields lines to print.

    Raises:
        BadSetting: the folder is a file, or the workflows have no place here.
    """
    root = repository_root(cwd)
    folder = loop_folder(root, loop_dir)
    if workflow:
        check_place(root)
    yield from _make_folder(root, folder)
    if workflow:
        layout, agent = workflow
        yield from install(root, layout, agent)
        yield from _make_labels_or_explain(root, agent)
    else:
        shown = path_in_repository(folder, root) or str(folder)
        yield "Ready. Commit what is yours in it: templates/, tasks/ and config.yaml."
        yield "What runs write there is ignored by git already. Next:"
        yield f"  cp {shown}/examples/task_card.json {shown}/task_card.json   # and edit it"
        yield "  loop run --auto-dispatch"


def _make_folder(root: Path, folder: Path) -> Iterator[str]:
    """Create what is missing in the loop's folder; yields a line for each file as it is created.

    Raises:
        BadSetting: the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise BadSetting(
            f"{folder} is a file.",
            "Move it away, or name another --loop-dir.",
            anchor="folder-in-the-way",
        )
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    contents = {name: defaults.text(name).encode() for name in _FILES}
    contents["context/patterns.jsonl"] = b""
    contents["context/module_map.json"] = _empty_map()
    for name, content in contents.items():
        path = folder / name
        if not os.path.lexists(path):
            write_atomically(path, content)
            yield f"Created {path_in_repository(path, root) or path}"
    git_dir, inside = _common_git_dir(root), path_in_repository(folder, root)
    if git_dir and inside is not None:
        exclude_generated(git_dir, inside, run=False)


def _make_labels_or_explain(root: Path, agent: AgentChoice) -> Iterator[str]:
    """Create the labels where a token and an origin allow it; yields that and the next steps."""
    has_origin = _has_origin(_common_git_dir(root))
    has_label = False
    if has_origin and exported_token(os.environ):
        from loop_kit.usecases.github_labels import make_labels

        try:
            repository = make_labels(root)
        except LoopError as error:
            yield f"The labels could not be created: {error}"
        else:
            has_label = repository is not None
            if has_label:
                yield f"The labels exist in {repository}."
    yield from next_steps(agent, has_origin=has_origin, has_label=has_label)


def _has_origin(git_dir: Path | None) -> bool:
    """Whether git's own file names a remote `origin`; only advice depends on it."""
    try:
        text = read_plain(git_dir / "config", _MAX_GIT_CONFIG) if git_dir else None
    except BusFileUnreadable:
        return False
    return b'[remote "origin"]' in (text or b"")


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
