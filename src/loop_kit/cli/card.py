"""`loop card`: checks and shows task cards before anything is spent, and prints their schema."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop_kit.adapters.loop_dir.loop_folder import (
    loop_folder,
    repository_root,
)
from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadCard, ExitCode

if TYPE_CHECKING:
    from loop_kit.core.card.task import TaskCard

_STANDARD_INPUT = "-"

card = typer.Typer(
    rich_markup_mode=None,
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
    from loop_kit.core.sanitize import one_line, visible

    wrong = False
    for path in paths:
        try:
            found = _card_in_issue_file(path) if issue else _card_in_file(path)
        except BadCard as error:
            wrong = True
            typer.echo(visible(f"Error: {error.sentence}\n  {error.remedy}"), err=True)
        else:
            typer.echo(f"ok: {found.task_id} {one_line(path, 1000)}")
    if wrong:
        raise typer.Exit(int(ExitCode.VALIDATION))


def _card_in_file(path: str) -> "TaskCard":
    from loop_kit.core.card.task import parse_card
    from loop_kit.usecases.local_files import load_card

    if path != _STANDARD_INPUT:
        return load_card(Path(path))
    raw = _standard_input()
    is_json = raw.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))
    return parse_card(raw, "stdin.json" if is_json else "stdin.yaml")


def _card_in_issue_file(path: str) -> "TaskCard":
    from loop_kit.core.card.issue import card_in_issue
    from loop_kit.usecases.local_files import read_issue_file

    raw = _standard_input() if path == _STANDARD_INPUT else read_issue_file(Path(path))
    name = "stdin" if path == _STANDARD_INPUT else path
    try:
        return card_in_issue(raw.decode("utf-8-sig"), 0)
    except UnicodeDecodeError as error:
        raise BadCard(
            f"{name}: not UTF-8 at byte {error.start}.", "Save the text as UTF-8."
        ) from None
    except BadCard as error:
        raise BadCard(f"{name}: {error.sentence}", error.remedy) from None


def _standard_input() -> bytes:
    from loop_kit.core.card.task import MAX_CARD_BYTES

    return sys.stdin.buffer.read(16 * MAX_CARD_BYTES)


@card.command("show")
def show(
    task: str = typer.Argument("", metavar="[PATH|ID]", help="Default: .loop/task_card.json"),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show a card as the loop would use it."""
    from loop_kit.core.sanitize import visible
    from loop_kit.usecases.local_files import find_card, load_card, scope_entries

    root = repository_root(Path.cwd())
    path = find_card(Path.cwd(), loop_folder(root, loop_dir), task)
    found = load_card(path)
    view = {
        "path": str(path),
        "sha256": found.sha256,
        "card": json.loads(found.to_json()),
        "criteria": [{"id": id_, "text": text} for id_, text in found.criteria],
        "in_scope": scope_entries(root, found.in_scope),
        "out_of_scope": scope_entries(root, found.out_of_scope),
        "unsupported_fields": list(found.unsupported_fields),
    }
    if as_json:
        typer.echo(json.dumps(view, indent=2))
        return
    typer.echo(visible("\n".join(_lines(found, view))))


def _lines(found: "TaskCard", view: Mapping[str, object]) -> list[str]:
    lines = [f"Card: {view['path']}", f"SHA-256: {view['sha256']}", f"Task: {found.task_id}"]
    for label, text in (("Title", found.title), ("Base branch", found.base_branch)):
        lines += [f"{label}: {text}"] if text else []
    lines += ["Goal:", *_indent(found.goal)]
    lines += _section("Acceptance criteria", [f"{id_}: {text}" for id_, text in found.criteria])
    for label, scope in (("In scope", view["in_scope"]), ("Out of scope", view["out_of_scope"])):
        for kind, entries in scope.items() if isinstance(scope, dict) else ():
            lines += _section(f"{label}, {kind}", entries)
    lines += _section("Constraints", found.constraints)
    lines += _section("Verify", found.verify)
    lines += _section("Limits", _set(found.limits.model_dump(exclude_none=True)))
    for label, role in (("Worker", found.worker), ("Reviewer", found.reviewer)):
        lines += _section(label, _set(role.model_dump(exclude_none=True)))
    lines += _section("Depends on", found.depends_on)
    return lines + _section("Not acted on by this version", found.unsupported_fields)


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
