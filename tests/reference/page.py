"""docs/reference.md: the tables of everything that has a name, from the code that gives it one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer.main
import yaml
from pydantic import SecretStr
from tests.pages import ROOT
from tests.reference.words import (
    GROUPS,
    NO_INPUT,
    NOT_OF_THE_REUSABLE,
    OUTCOMES,
    REASONS,
    exit_meaning,
)
from typer.core import TyperGroup

from loop_kit.cli.program import program
from loop_kit.core.loop.lifecycle import EVENTS
from loop_kit.core.loop.outcomes import EXIT_CODES
from loop_kit.errors import ExitCode
from loop_kit.settings import ACTION_DEFAULTS, INPUTS, Settings, names, resolve
from loop_kit.settings.sources import CONFIGURABLE
from loop_kit.usecases.schemas import PLACE, Kind

TEXT = Path(__file__).with_name("page.md")
REUSABLE = ROOT / ".github" / "workflows" / "loop-reusable.yml"
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
LOOP = typer.main.get_command(program())


def text() -> str:
    """The page."""
    parts = {
        "inputs": _inputs(),
        "reusable": _table(("input", "meaning", "default"), _reusable()),
        "passed-on": ", ".join(_passed_on()),
        "secrets": ", ".join(_code(name) for name in _called()["secrets"]),
        "left-out": _table(
            ("not an input of it", "because"),
            ((", ".join(map(_code, group)), why) for group, why in NOT_OF_THE_REUSABLE.items()),
        ),
        "outputs": _table(("output", "meaning"), _outputs()),
        "settings": _table(
            ("setting", "flag of `loop run`", "input", "variable", "key in the file", "default"),
            _settings(),
        ),
        "others": _table(("setting", "meaning"), ((_code(k), v) for k, v in NO_INPUT.items())),
        "commands": _table(("command", "what it does"), _commands(LOOP, "loop")),
        "events": _table(("event", "when"), ((_code(k), v) for k, v in EVENTS.items())),
        "outcomes": _table(("outcome", "meaning", "exit code", "continued by"), _outcomes()),
        "reasons": _table(
            ("reason", "of", "meaning"),
            ((_code(reason), _code(of), why) for reason, (of, why) in REASONS.items()),
        ),
        "exits": _table(("exit code", "meaning", "outcomes"), _exits()),
        "schemas": _table(("file", "command", "schema"), _schemas()),
    }
    page = TEXT.read_text("utf-8")
    for name, part in parts.items():
        page = page.replace(f"{{{name}}}", part)
    return page


def default_of(name: str, settings: Settings) -> str:
    """The default of a setting as a person would write it; "" for none."""
    held = getattr(settings, "continue_" if name == "continue" else name)
    if isinstance(held, SecretStr) or held in (None, (), "") or name == "rules":
        return ""
    return str(held).lower() if isinstance(held, bool) else str(held).removesuffix(".0")


def _inputs() -> str:
    """A table for each group of inputs."""
    tables = []
    settings = resolve([("defaults", ACTION_DEFAULTS)])
    for group, members in GROUPS.items():
        rows = []
        for name in members:
            held = default_of(name.replace("-", "_"), settings)
            if name == "github-token":
                held = "${{ github.token }}"
            described = ACTION["inputs"][name]["description"]
            meaning = described.removesuffix(f"; default: {held}.").removesuffix(".")
            rows.append((_code(name), f"{meaning}.", _code(held)))
        tables.append(f"\n### {group}\n\n{_table(('input', 'meaning', 'default'), rows)}\n")
    return "".join(tables)


def _called() -> dict[str, Any]:
    """How the reusable workflow is called; YAML reads its `on:` as a truth."""
    document = yaml.safe_load(REUSABLE.read_text("utf-8"))
    called: dict[str, Any] = document[True]["workflow_call"]
    return called


def _reusable() -> Iterable[tuple[str, ...]]:
    """Inputs of the reusable workflow that have words or a default of their own."""
    for name, about in _called()["inputs"].items():
        if about.keys() & {"description", "default"}:
            meaning = about.get("description") or ACTION["inputs"][name]["description"]
            yield _code(name), f"{meaning.removesuffix('.')}.", _code(about.get("default", ""))


def _passed_on() -> Iterable[str]:
    """Inputs of the reusable workflow that are the action's, word for word."""
    for name, about in _called()["inputs"].items():
        if not about.keys() & {"description", "default"}:
            yield _code(name)


def _outputs() -> Iterable[tuple[str, ...]]:
    return ((_code(name), output["description"]) for name, output in ACTION["outputs"].items())


def _settings() -> Iterable[tuple[str, ...]]:
    here, there = Settings(), resolve([("defaults", ACTION_DEFAULTS)])
    assert isinstance(LOOP, TyperGroup)
    flags = {flag for one in LOOP.commands["run"].params for flag in one.opts}
    for name in sorted(names()):
        spelled = name.replace("_", "-")
        local, job = default_of(name, here), default_of(name, there)
        yield (
            _code(name),
            _code(f"--{spelled}" if f"--{spelled}" in flags else ""),
            _code(spelled if name in INPUTS else ""),
            _code(f"LOOP_{name.upper()}"),
            _code(name if name in CONFIGURABLE else ""),
            _code(local) if local == job else f"{_code(local)}, in a job {_code(job)}",
        )


def _commands(command: Any, name: str) -> Iterable[tuple[str, str]]:
    """Each command that can be typed, with the first sentence of its help."""
    if isinstance(command, TyperGroup):
        for word, sub in sorted(command.commands.items()):
            yield from _commands(sub, f"{name} {word}")
    elif not command.hidden:
        yield _code(name), command.get_short_help_str(500)


def _outcomes() -> Iterable[tuple[str, ...]]:
    return (
        (_code(outcome.value), meaning, str(int(EXIT_CODES[outcome])), continued)
        for outcome, (meaning, continued) in OUTCOMES.items()
    )


def _exits() -> Iterable[tuple[str, ...]]:
    for code in ExitCode:
        ends = [_code(outcome.value) for outcome, own in EXIT_CODES.items() if own == code]
        yield str(int(code)), exit_meaning(code), ", ".join(ends)


def _schemas() -> Iterable[tuple[str, ...]]:
    for kind in Kind:
        address = PLACE.format(kind.value)
        yield (
            f"[{kind.value}](schemas/{kind.value}.json)",
            _code(f"loop schema {kind.value}"),
            _code(address),
        )


def _code(text_: str) -> str:
    return f"`{text_}`" if text_ else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = tuple(head)
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for row in rows:
        cells = (cell.replace("|", "\\|") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
