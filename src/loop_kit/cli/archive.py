"""`loop archive`: lists the archived files of a task's rounds, or restores one."""

import json
from pathlib import Path

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR


def archive(
    task_id: str = typer.Option(..., help="Which task."),
    restore: str = typer.Option("", help="Put this file back into the loop's folder."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """List the archived files of a task, or restore one."""
    from loop_kit.core.text.sanitize import one_line, visible
    from loop_kit.usecases.archive import archive_of

    archived = archive_of(Path.cwd(), loop_dir, task_id)
    if restore:
        source, target = archived.restore(restore)
        typer.echo(f"Restored {target} from {source.name}.")
        return
    names, folder = archived.files(), archived.folder
    if as_json:
        body = {"task_id": task_id, "folder": str(folder), "files": names}
        typer.echo(json.dumps(body, indent=2))
        return
    text = f"Archive: {folder}" if names else f"Nothing is archived for {task_id} ({folder})."
    typer.echo(visible(text))
    for name in names:
        typer.echo(f"  {one_line(name, 300)}")
