"""Writes what a report says as one HTML page, or as Markdown.

A template is a program. A job compiles all of them before its first agent, which might write to
where they are installed.
"""

from functools import cache
from typing import TYPE_CHECKING, Literal

from loop_kit.defaults import text
from loop_kit.usecases.report_rounds import Document

if TYPE_CHECKING:
    from jinja2 import Environment

Format = Literal["html", "md"]
_TEMPLATES = ("report.html.j2", "round.html.j2", "parts.html.j2", "report.css")


def render(document: Document, form: Format) -> str:
    """The report as text; whatever others wrote is escaped in HTML."""
    return _environment().get_template(f"report.{form}.j2").render(document)


def compile_templates() -> None:
    """Compile what `render` may use for a page, so that it reads no file from here on."""
    for name in _TEMPLATES:
        _environment().get_template(name)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    from loop_kit.core.text.harmless import cell, inline

    environment = Environment(
        loader=FunctionLoader(lambda name: text(f"report/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    harmless = {"inline": inline, "cell": cell}
    for name, make in harmless.items():
        environment.filters[name] = lambda value, limit, make=make: Markup(make(value, limit))  # noqa: S704
    return environment
