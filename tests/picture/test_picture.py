"""The README's pictures are what their generator draws, in both themes, and ask for nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from tests import pages
from tests.picture.pull_request import PLACE, THEMES, picture


@pytest.mark.parametrize("theme", THEMES)
def test_the_picture_is_what_its_generator_draws(theme: str) -> None:
    assert (PLACE / f"pull-request-{theme}.svg").read_text("utf-8") == picture(theme), (
        "make picture"
    )


@pytest.mark.parametrize("theme", THEMES)
def test_the_picture_is_xml_that_loads_nothing(theme: str) -> None:
    drawn = picture(theme)
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
