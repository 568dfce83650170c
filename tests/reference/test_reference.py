"""docs/reference.md is what its generator writes, and leaves nothing out."""

from __future__ import annotations

from typing import get_args

import typer.main
from tests import pages
from tests.reference.page import ACTION, default_of, text
from tests.reference.words import GROUPS, NO_INPUT, OUTCOMES, REASONS
from typer.core import TyperGroup

from loop_kit.cli.program import program
from loop_kit.core.loop.outcomes import Outcome, Reason
from loop_kit.settings import INPUTS, Settings, names


def test_the_page_is_what_its_generator_writes() -> None:
    assert pages.text("docs/reference.md") == text(), "make reference"


def test_every_input_is_in_one_group() -> None:
    assert sorted(name for group in GROUPS.values() for name in group) == sorted(ACTION["inputs"])


def test_every_setting_that_is_no_input_has_words() -> None:
    assert set(NO_INPUT) == set(names()) - set(INPUTS)


def test_every_outcome_and_every_reason_has_words_here_or_on_the_page_of_the_rules() -> None:
    rules = pages.section("docs/rules.md", "When the loop stops for a person")

    assert list(OUTCOMES) == list(Outcome)
    for reason in get_args(Reason):
        assert (reason in REASONS) != (f"`{reason}`" in rules), reason


def test_a_flag_of_run_names_the_default_that_the_page_names() -> None:
    loop = typer.main.get_command(program())
    assert isinstance(loop, TyperGroup)
    for option in loop.commands["run"].params:
        shown = str(getattr(option, "help", "")).rpartition("  [")[2].removesuffix("]")
        if option.name in names() and shown.isdigit():
            assert shown == default_of(option.name, Settings()), option.name
