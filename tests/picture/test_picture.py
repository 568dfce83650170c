"""Pictures of the README and of docs/ are what their generators draw, and ask for nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from tests import pages
from tests.picture.diagrams import HOUSE, PAGES, WORDS, diagram, shown
from tests.picture.pull_request import PLACE, THEMES, picture
from tests.test_architecture import PACKAGES

NAMES = ("pull-request", *WORDS)


def drawing(name: str, theme: str) -> str:
    return picture(theme) if name == "pull-request" else diagram(name, theme)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_what_its_generator_draws(name: str, theme: str) -> None:
    committed = (PLACE / f"{name}-{theme}.svg").read_text("utf-8")

    assert committed == drawing(name, theme), "make picture"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_xml_that_loads_nothing(name: str, theme: str) -> None:
    drawn = drawing(name, theme)
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(drawn).iter()}

    assert not tags & {"img", "image", "script", "link", "iframe", "object", "use"}
    assert "url(" not in drawn
    assert "@import" not in drawn


def test_themes_differ_in_colours_alone() -> None:
    for one, other in pairwise(THEMES.values()):
        assert one.keys() == other.keys()


def test_the_readme_shows_both_and_says_what_is_to_be_seen() -> None:
    readme = pages.text("README.md")

    for theme in THEMES:
        assert f'"docs/images/pull-request-{theme}.svg"' in readme
    assert 'alt="' in readme


@pytest.mark.parametrize("name", WORDS)
def test_a_page_shows_each_diagram_in_both_themes_and_in_words(name: str) -> None:
    assert shown(name) in pages.text(PAGES[name]), "put tests.picture.diagrams.shown there"


def test_no_page_has_a_diagram_that_only_github_draws() -> None:
    assert [name for name in pages.NAMES if pages.blocks(name, "mermaid")] == []


def test_a_floor_that_is_drawn_below_another_is_below_it_in_the_rules_of_the_house() -> None:
    drawn = [
        [PACKAGES[name.rstrip("/").removesuffix(".py")] for name, _ in rooms]
        for rooms in HOUSE.values()
    ]

    assert all(min(upper) > max(lower) for upper, lower in pairwise(drawn))
