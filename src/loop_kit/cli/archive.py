"""`loop archive`: the archived files of a task's rounds, and how to restore one."""

import json
import re
from pathlib import Path

import typer

from loop_kit.adapters.loop_dir.loop_folder import loop_folder, repository_root, write_atomically
from loop_kit.adapters.loop_dir.loop_lock import exclusive
from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.sanitize import one_line, visible
from loop_kit.errors import LoopError

_ROUND_FILE = re.compile(r"r\d+_(.+)")
_EARLIER_RUN = re.compile(r"runs/[0-9TZ:-]+/")


def archive(
    task_id: str = typer.Option(..., help="Which task."),
    restore: str = typer.Option("", help="Put this file back into the loop's folder."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """List the archived files of a task, or restore one."""
    folder = loop_folder(repository_root(Path.cwd()), loop_dir)
    if ".." in task_id or "/" in task_id or "\\" in task_id:
        raise LoopError(f"The task id {task_id!r} is a path traversal.", "Give a plain task id.")
    archived = folder / "archive" / task_id
    if restore:
        _restore(folder, archived, restore)
        return
    files = (path for path in archived.rglob("*") if not path.is_dir())
    names = sorted(path.relative_to(archived).as_posix() for path in files)
    if as_json:
        typer.echo(
            json.dumps({"task_id": task_id, "folder": str(archived), "files": names}, indent=2)
        )
        return
    text = f"Archive: {archived}" if names else f"Nothing is archived for {task_id} ({archived})."
    typer.echo(visible(text))
    for name in names:
        typer.echo(f"  {one_line(name, 300)}")


def _restore(folder: Path, archived: Path, name: str) -> None:
    file = name if name.endswith((".json", ".txt")) else f"{name}.json"
    source = archived / file
    earlier = _EARLIER_RUN.match(file)
    file = file[earlier.end() :] if earlier else file
    if Path(file).name != file or file in {"", ".", ".."}:
        raise LoopError(f"{name!r} escapes the archive of the task.", "Name a file that it lists.")
    inside = source.resolve().is_relative_to(archived.resolve())
    if source.is_symlink() or not source.is_file() or not inside:
        raise LoopError(f"{source} does not exist.", "Name a file that `loop archive` lists.")
    of_round = _ROUND_FILE.fullmatch(file)
    target = folder / (of_round.group(1) if of_round else file)
    with exclusive(folder / "lock"):
        write_atomically(target, source.read_bytes())
    typer.echo(f"Restored {target} from {source.name}.")
