"""README.md and docs/: short enough, linked, in plain words, and every command is run somewhere."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import pytest
import typer.main
import yaml
from tests import pages
from tests.pages import NAMES, ROOT
from typer.core import TyperGroup

from loop_kit.cli.program import program
from loop_kit.core.card.task import parse_card
from loop_kit.core.loop.commands import VERBS
from loop_kit.errors import ExitCode

SKILL = "skills/loop-kit/SKILL.md"
LINKED = (*NAMES, "CHANGELOG.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md")
READ_BY_PEOPLE = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in (
        *("*.md", "docs/*.md", ".github/*.md", "action.yml", "examples/*.yml", "skills/*/*.md"),
        *("src/loop_kit/defaults/**/*.*",),
    )
    for path in ROOT.glob(pattern)
    if path.suffix != ".pyc"
)
AVOIDED = re.compile(
    r"\b(mend(s|ed|ing)?|heed(s|ed|ing)?|unheeded|anew|at the most|of ours|whose word"
    r"|(is|are) at work|go(es)? on|lies|stands|told)\b",
    re.IGNORECASE,
)
RUN_BY = {
    "README.md": ".ci/run",
    "docs/backends.md": "tests/cli/test_pages.py",
    "docs/container.md": "tests/cli/test_pages.py",
    "docs/laptop.md": "tests/cli/test_pages.py",
    "docs/migration.md": "tests/cli/test_migration_page.py",
}
"""What runs the commands of each page that has some."""


def links(name: str) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", pages.prose(name))
    return [target for target in found if not target.startswith("https:")]


def flags_of(command: Any) -> set[str]:
    return {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)}


def every_command(command: Any, name: str = "loop") -> dict[str, set[str]]:
    """Each command that can be typed, with its flags."""
    if isinstance(command, TyperGroup):
        return {
            key: flags
            for word, sub in command.commands.items()
            for key, flags in every_command(sub, f"{name} {word}").items()
        }
    return {name: flags_of(command)}


LOOP = typer.main.get_command(program())
COMMANDS = every_command(LOOP)


def navigation(part: Any) -> list[str]:
    """The pages of the site, in their order."""
    if isinstance(part, str):
        return [part]
    inner = part.values() if isinstance(part, dict) else part
    return [page for each in inner for page in navigation(each)]


def test_every_page_is_in_the_navigation_of_the_site_once() -> None:
    nav = pages.text("mkdocs.yml").partition("\nnav:\n")[2]
    here = [name.removeprefix("docs/") for name in NAMES if name != "README.md"]

    assert sorted(navigation(yaml.safe_load(nav))) == sorted([*here, "index.md", "contributing.md"])


def test_every_page_is_reached_from_the_readme_by_at_most_two_links() -> None:
    first = {f"docs/{target}" for target in pages.linked("README.md")}
    second = {f"docs/{target}" for name in first & set(NAMES) for target in pages.linked(name)}

    assert set(NAMES) - first - second == {"README.md"}


@pytest.mark.parametrize("name", LINKED)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(name: str) -> None:
    for target in links(name):
        path, _, anchor = target.partition("#")
        file = (ROOT / PurePosixPath(name).parent / path).resolve() if path else ROOT / name
        assert file.exists(), target
        if anchor:
            assert anchor in pages.anchors(file.relative_to(ROOT).as_posix()), target


@pytest.mark.parametrize("name", READ_BY_PEOPLE)
def test_what_people_and_agents_read_is_in_plain_words(name: str) -> None:
    assert [found[0] for found in AVOIDED.finditer(pages.text(name))] == []


def test_the_commands_of_every_page_are_run_by_a_test_or_by_ci() -> None:
    assert set(RUN_BY) == {name for name in NAMES if pages.blocks(name, "sh")}
    for name, runner in RUN_BY.items():
        source = pages.text(runner)
        if runner == ".ci/run":
            commands = "".join(pages.blocks(name, "sh")).splitlines()
            assert [command for command in commands if command not in source.splitlines()] == []
        else:
            assert f'{PurePosixPath(name).name}"' in source, name


def test_every_target_of_make_that_a_page_names_is_in_the_makefile() -> None:
    named = set(re.findall(r"\bmake ([\w-]+)$", pages.text("README.md"), re.MULTILINE))
    targets = re.findall(r"^([\w-]+):", pages.text("Makefile"), re.MULTILINE)

    assert {"demo", "test"} <= named <= set(targets)


@pytest.mark.parametrize("name", [*NAMES, SKILL])
def test_every_command_and_flag_that_a_page_names_exists(name: str) -> None:
    for span in pages.code_spans(name):
        if not span.startswith("loop "):
            continue
        words = span.split()
        depth = next((n for n in (3, 2) if " ".join(words[:n]) in COMMANDS), 0)
        group = [key for key in COMMANDS if key.startswith(f"{span} ")]
        assert depth or group, span
        flags = {word.strip("[]") for word in words if word.startswith("--")}
        assert flags <= COMMANDS.get(" ".join(words[:depth]), set()), span


def test_the_card_of_the_skill_can_be_run_and_its_head_says_when_it_is_for() -> None:
    (card,) = pages.blocks(SKILL, "json")
    head = yaml.safe_load(pages.text(SKILL).split("---\n")[1])

    assert parse_card(card.encode(), "card.json").verify == ("make test",)
    assert head["name"] == "loop-kit"
    assert len(head["description"]) < 1024


@pytest.mark.parametrize("name", [name for name in NAMES if name != "docs/container.md"])
def test_every_flag_that_a_page_names_alone_is_one_of_a_command(name: str) -> None:
    known = flags_of(LOOP).union(*COMMANDS.values())
    spans = [span.split()[0] for span in pages.code_spans(name) if span.startswith("--")]

    assert [flag for flag in spans if flag not in known] == []


def test_the_page_for_the_laptop_names_every_command() -> None:
    page = pages.text("docs/laptop.md")
    top = {" ".join(name.split()[:2]) for name in COMMANDS}

    assert [name for name in top if name not in page] == []


def test_every_exit_code_is_explained() -> None:
    rows = re.findall(
        r"^\| (\d+) \|", pages.section("docs/reference.md", "Exit codes"), re.MULTILINE
    )

    assert [int(row) for row in rows] == sorted(ExitCode)


def test_every_command_in_a_comment_is_explained() -> None:
    rows = pages.section("docs/triggers.md", "Commands in comments")

    assert set(re.findall(r"`/loop (\w+)", rows)) == set(VERBS)
