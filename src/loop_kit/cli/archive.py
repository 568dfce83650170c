"""`loop archive`: lists the archived files of a task's rounds, or restores one."""

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting


def archive(
    task_id: str = typer.Option("", help="Which task; without it, the tasks are listed."),
    restore: str = typer.Option("", help="Put this file back into the loop's folder."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """List the archived files of a task, or restore one."""
    from loop_kit.core.text.sanitize import one_line, visible
    from loop_kit.usecases.archive import archive_of, archived_tasks

    if not task_id:
        if restore:
            raise BadSetting(
                "--restore does not say of which task.", "Add --task-id.", anchor="flags-contradict"
            )
        tasks = archived_tasks(Path.cwd(), loop_dir)
        typer.echo(json.dumps({"tasks": tasks}, indent=2) if as_json else _task_lines(tasks))
        return
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


def _task_lines(tasks: Sequence[str]) -> str:
    from loop_kit.core.text.sanitize import one_line

    return "\n".join(one_line(task, 300) for task in tasks) or "Nothing is archived."
