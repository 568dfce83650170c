"""`loop plan`: which task cards are ready to be started, for people and as a matrix of jobs."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import ExitCode, naming_file

if TYPE_CHECKING:
    from loop_kit.core.ci.planning import Plan, RefusedCard


def plan(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    matrix: bool = typer.Option(
        False, "--matrix", help="Print a matrix of jobs; in a job also set `matrix` and `any`."
    ),
    strict: bool = typer.Option(False, "--strict", help="Exit 3 when a card is refused."),
    remote: str = typer.Option("", help="The git remote that the loops are on.  [origin]"),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show which task cards are ready to be started, and what the others wait for."""
    from loop_kit.usecases.plan import PlanRequest, make_plan

    found, notes = make_plan(PlanRequest(Path.cwd(), os.environ, loop_dir, remote or None))
    for note in notes:
        typer.echo(f"Note: {note}", err=True)
    if matrix:
        text = json.dumps({"include": _include(found)}, separators=(",", ":"))
        typer.echo(text)
        _write_outputs(os.environ.get("GITHUB_OUTPUT", ""), text, any_ready=bool(found.ready))
        _print_refused(found)
    elif as_json:
        typer.echo(json.dumps(_document(found), separators=(",", ":")))
    else:
        _print(found, loop_dir)
    if strict and found.refused:
        raise typer.Exit(int(ExitCode.VALIDATION))


def _include(found: "Plan") -> list[dict[str, str]]:
    """The ready cards as `strategy.matrix` wants them."""
    return [{"task": each.path, "task-id": each.task_id} for each in found.ready]


def _document(found: "Plan") -> dict[str, list[dict[str, str]]]:
    return {
        "include": _include(found),
        "waiting": [
            {"task": each.path, "task-id": each.task_id, "why": each.why} for each in found.waiting
        ],
        "refused": [{"task": each.path, "why": each.why} for each in found.refused],
    }


def _write_outputs(path: str, text: str, *, any_ready: bool) -> None:
    """Set the step's outputs: ASCII on one line each, so that no delimiter is needed.

    A job whose matrix is empty fails: its `if` asks for `any`.
    """
    if path:
        with naming_file(path), Path(path).open("a", encoding="ascii", newline="\n") as stream:
            stream.write(f"matrix={text}\nany={'true' if any_ready else 'false'}\n")


def _print_refused(found: "Plan") -> None:
    from loop_kit.core.text.sanitize import one_line

    for each in found.refused:
        typer.echo(f"Refused: {one_line(_sentence(each), 500)}", err=True)


def _print(found: "Plan", loop_dir: str) -> None:
    from loop_kit.core.text.sanitize import one_line

    rows = [("ready", each.task_id, each.path) for each in found.ready]
    rows += [("waiting", each.task_id, f"{each.path}: {each.why}") for each in found.waiting]
    rows += [("refused", "-", _sentence(each)) for each in found.refused]
    if not rows:
        typer.echo(f"There is no task card in {one_line(loop_dir, 300)}/tasks.")
    width = max((len(task_id) for _, task_id, _ in rows), default=0)
    for kind, task_id, text in rows:
        typer.echo(f"{kind:7}  {task_id:{width}}  {one_line(text, 500)}")


def _sentence(each: "RefusedCard") -> str:
    """Why a file is refused, with its path."""
    return each.why if each.path in each.why else f"{each.path}: {each.why}"
