"""`loop schema`: the files of a loop as JSON Schema."""

from typing import Annotated

import typer


def schema(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="card, work-report, review-report, state or config."),
    ],
) -> None:
    """Print the JSON Schema of a file of a loop."""
    from loop_kit.usecases.schemas import parse_kind, schema_text

    typer.echo(schema_text(parse_kind(kind)))
