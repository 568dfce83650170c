"""`loop card`: checks and shows task cards before anything is spent, and prints their schema."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.cli.grouped_help import WholeSentences
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadCard, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop_kit.core.card.task import TaskCard
    from loop_kit.usecases.read_card import LocalCard

card = typer.Typer(
    rich_markup_mode=None,
    cls=WholeSentences,
    add_completion=False,
    help="Check and show task cards.",
)


@card.callback(invoke_without_command=True)
def card_group(context: typer.Context) -> None:
    """Check and show task cards."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(int(ExitCode.DISPATCH))


@card.command("check")
def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Card files, or - for standard input.")
    ],
    issue: bool = typer.Option(
        False, "--issue", help="Read them as the Markdown text of an issue (as issue 0)."
    ),
) -> None:
    """Check whether a loop would accept each card; exit code 3 if one would be refused."""
    from loop_kit.cli.error_text import print_error
    from loop_kit.core.text.sanitize import one_line
    from loop_kit.usecases.read_card import read_card, read_issue_card

    read = read_issue_card if issue else read_card
    wrong = False
    for path in paths:
        try:
            found = read(path, _read_standard_input)
        except BadCard as error:
            wrong = True
            print_error(error)
        else:
            typer.echo(f"ok: {found.task_id} {one_line(path, 1000)}")
            for line in _enforced(found) if found.out_of_scope else ():
                typer.echo(f"  {one_line(line, 1000)}")
    if wrong:
        raise typer.Exit(int(ExitCode.VALIDATION))


def _enforced(found: "TaskCard") -> "Iterator[str]":
    from loop_kit.usecases.read_card import enforced_scope

    enforced = enforced_scope(Path.cwd(), os.environ, found)
    for path, files in enforced.paths:
        if files == 0:
            yield f"out of scope: {path} (matches no file now: check how it is written)"
        else:
            count = "" if files is None else f" ({files} file{'' if files == 1 else 's'} now)"
            yield f"out of scope: {path}{count}"
    for entry in enforced.advice:
        yield f"not enforced, only read by the agents: {entry}"


def _read_standard_input(size: int) -> bytes:
    return sys.stdin.buffer.read(size)


@card.command("show")
def show(
    task: str = typer.Argument("", metavar="[PATH|ID]", help="Default: .loop/task_card.json"),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show a card as the loop would use it."""
    from loop_kit.core.text.sanitize import visible
    from loop_kit.usecases.read_card import local_card

    found = local_card(Path.cwd(), loop_dir, task)
    if as_json:
        typer.echo(json.dumps(_document(found), indent=2))
    else:
        typer.echo(visible("\n".join(_lines(found))))


def _document(found: "LocalCard") -> dict[str, object]:
    card = found.card
    return {
        "path": str(found.path),
        "sha256": card.sha256,
        "card": json.loads(card.to_json()),
        "criteria": [{"id": id_, "text": text} for id_, text in card.criteria],
        "in_scope": asdict(found.in_scope),
        "out_of_scope": asdict(found.out_of_scope),
    }


def _lines(local: "LocalCard") -> list[str]:
    found = local.card
    lines = [f"Card: {local.path}", f"SHA-256: {found.sha256}", f"Task: {found.task_id}"]
    for label, text in (("Title", found.title), ("Base branch", found.base_branch)):
        lines += [f"{label}: {text}"] if text else []
    lines += ["Goal:", *_indent(found.goal)]
    lines += _section("Acceptance criteria", [f"{id_}: {text}" for id_, text in found.criteria])
    for label, scope in (("In scope", local.in_scope), ("Out of scope", local.out_of_scope)):
        lines += _section(f"{label}, patterns", scope.patterns)
        lines += _section(f"{label}, prose", scope.prose)
    lines += _section("Constraints", found.constraints)
    lines += _section("Verify", found.verify)
    lines += _section("Limits", _set(found.limits.model_dump(exclude_none=True)))
    for label, role in (("Worker", found.worker), ("Reviewer", found.reviewer)):
        lines += _section(label, _set(role.model_dump(exclude_none=True)))
    return lines + _section("Depends on", found.depends_on)


def _set(fields: Mapping[str, object]) -> list[str]:
    return [f"{name}: {value}" for name, value in fields.items()]


def _section(label: str, entries: "tuple[str, ...] | list[str]") -> list[str]:
    return [f"{label}:", *(line for entry in entries for line in _indent(entry))] * bool(entries)


def _indent(text: str) -> list[str]:
    return [f"  {line}".rstrip() for line in text.splitlines()]


@card.command("schema")
def schema() -> None:
    """Print the JSON Schema of a card."""
    from loop_kit.core.card.schema import card_schema_text

    typer.echo(card_schema_text())
