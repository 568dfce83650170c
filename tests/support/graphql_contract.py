"""The part of GitHub's own GraphQL schema that the stand-in has; `extract_graphql` makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from graphql import GraphQLSchema, build_schema, parse, validate

FIXTURE: Final = Path(__file__).with_name("graphql_fixture.graphql")


def github_schema() -> GraphQLSchema:
    """Read the schema; it is GitHub's word for what a query may ask and what may be null."""
    return build_schema(FIXTURE.read_text(encoding="utf-8"))


def faults_of(query: str) -> list[str]:
    """Return what GitHub's schema says against a query."""
    return [error.message for error in validate(github_schema(), parse(query))]
